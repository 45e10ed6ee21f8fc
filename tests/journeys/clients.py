"""Mail clients of alice and bob, built on Python's own library."""

from __future__ import annotations

import poplib
import re
import smtplib

from tests.waiting import PATIENCE


def submit(port: int, subject: str, *recipients: str, size: int = 72) -> tuple[int, bytes]:
    """Reply to a letter from alice with about `size` octets, or to its envelope if that is refused."""
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        client.login("alice", "alice")
        for reply in (client.mail("alice@home.test"), *map(client.rcpt, recipients)):
            if reply[0] != 250:
                return reply
        return client.data(f"Subject: {subject}\r\n\r\n" + f"{'x' * 70}\r\n" * (size // 72))


def send(port: int, subject: str, *recipients: str, size: int = 72) -> str:
    """Submits a letter from alice; returns its id."""
    code, text = submit(port, subject, *recipients, size=size)
    assert code == 250, text
    return text.split()[-1].decode()


def log_in(port: int, user: str = "bob", password: str = "") -> poplib.POP3:
    """POP3 session; the default password is the name of the user."""
    client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
    client.user(user)
    client.pass_(password or user)
    return client


def subjects_of_bob(port: int) -> list[str]:
    """Subjects of the letters in bob's mailbox, in order."""
    client = log_in(port)
    headers = [b"\n".join(client.top(number, 0)[1]) for number in range(1, client.stat()[0] + 1)]
    client.quit()
    return [found[1].decode() for each in headers if (found := re.search(rb"^Subject: (.*)", each, re.MULTILINE))]
