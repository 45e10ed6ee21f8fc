"""Alice, who sends, and bob, who reads: with the clients of Python's own library."""

from __future__ import annotations

import poplib
import re
import smtplib

from tests.journeys.process import PATIENCE


def send(port: int, subject: str, *recipients: str) -> str:
    """The id of a letter from alice."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        client.login("alice", "alice")
        client.mail("alice@home.test")
        for recipient in recipients:
            client.rcpt(recipient)
        code, text = client.data(f"Subject: {subject}\r\n\r\nHello\r\n")
    assert code == 250, text
    return text.split()[-1].decode()


def subjects_of_bob(port: int) -> list[str]:
    """Of the letters in his mailbox, in their order."""
    reader = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
    reader.user("bob")
    reader.pass_("bob")
    headers = [b"\n".join(reader.top(number, 0)[1]) for number in range(1, reader.stat()[0] + 1)]
    reader.quit()
    return [found[1].decode() for each in headers if (found := re.search(rb"^Subject: (.*)", each, re.MULTILINE))]
