"""A real server whose files can't grow any more refuses for a while, loses nothing, and goes on when there is room again."""

from __future__ import annotations

import poplib
import re
import resource
import smtplib
from pathlib import Path

from tests.journeys.process import serve
from tests.journeys.process import server as mail_server

NEVER = resource.RLIM_INFINITY
ROOM = 100_000
"""Octets by which any file may still grow."""
MOST = 1000


def submit(port: int, token: str, size: int) -> int:
    """The code of the last reply."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.login("alice", "alice")
        client.mail("alice@home.test")
        code, _ = client.rcpt("bob@home.test")
        if code != 250:
            return code
        return client.data(f"Subject: {token}\r\n\r\n" + f"{'x' * 70}\r\n" * (size // 72))[0]


def in_mailbox(port: int) -> list[str]:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("bob")
    client.pass_("bob")
    headers = [b"\n".join(client.top(number + 1, 0)[1]).decode() for number in range(client.stat()[0])]
    client.quit()
    return [token for header in headers for token in re.findall(r"^Subject: (\S+)", header, re.MULTILINE)]


def test_a_server_without_room_puts_letters_off_and_loses_none(tmp_path: Path) -> None:
    """CODE-21, SMTP-29: 452 or 451 while nothing can be written; what was answered with 250 is there; then all is well."""
    server, ports = serve(mail_server(tmp_path))
    with server:
        taken = []
        assert submit(ports["submission"], "before", 500) == 250
        largest = max(file.stat().st_size for file in (tmp_path / "data").iterdir())
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (largest + ROOM, NEVER))
        refusals = []
        for number in range(MOST):
            code = submit(ports["submission"], f"tight-{number}", 5000 if number % 5 else 300_000)
            (taken if code == 250 else refusals).append((f"tight-{number}", code))
            if len(refusals) > 10:
                break
        assert {code for _, code in refusals} <= {451, 452}
        assert len(refusals) > 10
        assert set(in_mailbox(ports["pop3"])) == {"before", *(token for token, _ in taken)}
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (NEVER, NEVER))
        assert submit(ports["submission"], "after", 300_000) == 250
        found = in_mailbox(ports["pop3"])
        assert sorted(found) == sorted(["before", *(token for token, _ in taken), "after"])
        assert server.stop() == 0
