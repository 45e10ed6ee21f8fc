"""A letter answered with 250 is delivered, bounced or still in the queue, after any crash (RFC 5321 §6.1)."""

from __future__ import annotations

import poplib
import random
import re
import smtplib
import threading
from pathlib import Path

from tests.journeys.process import command, lines_of_json, office, serve

SENDERS = 8
CRASHES = 3


def send_until_it_breaks(port: int, number: int, taken: set[str]) -> None:
    """Letters to bob and to a host that is down, one after the other, until the server is gone."""
    count = 0
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.login("alice", "alice")
            while True:
                count += 1
                token = f"letter-{port}-{number}-{count}"
                client.mail("alice@home.test")
                client.rcpt("bob@home.test")
                client.rcpt("carol@elsewhere.test")
                size = 200_000 if count % 7 == 0 else 500
                code, _ = client.data(f"Subject: {token}\r\n\r\n{'x' * 70}\r\n" * (size // 100))
                if code == 250:
                    taken.add(token)
    except (OSError, smtplib.SMTPException):
        return


def in_mailbox(port: int) -> list[str]:
    reader = poplib.POP3("127.0.0.1", port, timeout=20)
    reader.user("bob")
    reader.pass_("bob")
    count, _ = reader.stat()
    subjects = []
    for number in range(1, count + 1):
        header = b"\n".join(reader.top(number, 0)[1]).decode()
        subjects += re.findall(r"^Subject: (letter-[\d-]+)", header, re.MULTILINE)[:1]
    reader.quit()
    return subjects


def test_no_letter_that_was_taken_is_lost_or_doubled_by_sigkill(tmp_path: Path) -> None:
    """RLY-14, SMTP-29"""
    config = office(tmp_path)
    taken: set[str] = set()
    chance = random.Random(7)
    for _ in range(CRASHES):
        server, ports = serve(config)
        with server:
            senders = [
                threading.Thread(target=send_until_it_breaks, args=(ports["submission"], number, taken))
                for number in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            before = len(taken)
            wanted = before + chance.randrange(20, 200)
            while len(taken) < wanted and any(sender.is_alive() for sender in senders):
                server.line()
            server.kill()
            for sender in senders:
                sender.join(30)
            assert len(taken) > before
    server, ports = serve(config)
    with server:
        found = in_mailbox(ports["pop3"])
        for _ in range(100):
            if taken <= set(found):
                break
            found = in_mailbox(ports["pop3"])
        assert taken <= set(found)
        assert len(found) == len(set(found))
        waiting = lines_of_json(command("queue", "list", "-c", str(config), "--json", "--limit", "100000"))
        assert len(waiting) >= len(taken)
        assert server.stop() == 0
