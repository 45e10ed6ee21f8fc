"""Magic addresses that name their own fault: "temperror@a.test", "rcptto550@a.test".

A local part that ends in "temperror", "permerror", "timeout" or a code from 400 to 599 makes the letter fail: at its end,
or at the command that its beginning names, "mailfrom" (of the sender) or "rcptto". One that begins with "queue" is taken
from its author, and fails at the host that it is relayed to.
"""

from __future__ import annotations

import re

from mailstack.letter import Address
from mailstack.sandbox.faults.rule import Fault

SUBMISSION = frozenset({"submission", "submissions"})
"""Where authors hand in; what begins with "queue" does not fail there."""

_MAGIC = re.compile(r"(mailfrom|rcptto|queue)?.*?(temperror|permerror|timeout|[45][0-9]{2})")
_AT = {"mailfrom": "mail", "rcptto": "rcpt"}


def magic(at: str, address: Address, service: str) -> Fault | None:
    """What an address wants to happen at a step, if it is one of those and its time is now."""
    found = _MAGIC.fullmatch(address.local.lower())
    if found is None:
        return None
    head, tail = found[1] or "", found[2]
    if at != _AT.get(head, "final") or (head == "queue" and service in SUBMISSION):
        return None
    if tail == "timeout":
        return Fault(at=at, silence=True, id="magic")
    code = {"temperror": "451", "permerror": "550"}.get(tail, tail)
    return Fault(at=at, reply=f"{code} {code[0]}.3.0 as {address.local[:64]} wants", id="magic")
