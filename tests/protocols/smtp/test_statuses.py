"""ENH-03: the statuses that we give are registered (RFC 5248 §2.4)."""

from __future__ import annotations

import re
from pathlib import Path

import mailstack

REGISTERED = {
    0: {0},
    1: set(range(11)),
    2: set(range(5)),
    3: set(range(7)),
    4: set(range(8)),
    5: set(range(7)),
    6: set(range(11)),
    7: set(range(31)),
}
"""IANA's SMTP Enhanced Status Codes: subject, and the details that it has."""

GIVEN = re.compile(r'"([245])\.([0-9]{1,3})\.([0-9]{1,3})"|Status\(([245]), ([0-9]{1,3}), ([0-9]{1,3})\)')


def test_every_status_in_the_program_is_registered() -> None:
    found = set()
    for file in Path(mailstack.__file__).parent.rglob("*.py"):
        for groups in GIVEN.findall(file.read_text()):
            _, subject, detail = [int(group) for group in groups if group]
            found.add((subject, detail))
    assert len(found) > 20
    assert [status for status in sorted(found) if status[1] not in REGISTERED.get(status[0], set())] == []
