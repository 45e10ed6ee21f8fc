"""QUIT and SIGKILL: what was marked goes whole or not at all, and nothing else ever goes (RFC 1939 §6)."""

from __future__ import annotations

import poplib
import smtplib
from pathlib import Path

from tests.journeys.process import serve
from tests.journeys.process import server as mail_server

LETTERS = 40
MARKED = 25


def fill(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.login("alice", "alice")
        for number in range(LETTERS):
            client.sendmail("alice@home.test", ["bob@home.test"], f"Subject: {number}\r\n\r\nHello.\r\n")


def reader(port: int) -> poplib.POP3:
    client = poplib.POP3("127.0.0.1", port, timeout=20)
    client.user("bob")
    client.pass_("bob")
    return client


def uids(client: poplib.POP3) -> list[str]:
    return [line.decode().split()[1] for line in client.uidl()[1]]


def test_quit_is_all_or_nothing_whenever_the_server_is_killed(tmp_path: Path) -> None:
    """POP-29, POP-11, POP-12, POP-13: and the maildrop is free as soon as the server is back."""
    config = mail_server(tmp_path)
    server, ports = serve(config)
    with server:
        fill(ports["submission"])
        before = uids(reader(ports["pop3"]))
        server.kill()
    assert len(before) == LETTERS
    for waits in (False, False, True):
        server, ports = serve(config)
        with server:
            client = reader(ports["pop3"])
            assert uids(client) == before
            client.retr(1)
            for number in range(1, MARKED + 1):
                client.dele(number)
            client.sock.sendall(b"QUIT\r\n")
            if waits:
                assert client.file.readline() == b"+OK goodbye\r\n"
            server.kill()
            client.close()
        server, ports = serve(config)
        with server:
            client = reader(ports["pop3"])
            after = uids(client)
            assert len(client.list()[1]) == len(after)
            assert after in (before, before[MARKED:])
            server.stop()
        if len(after) < len(before):
            return
        assert not waits, "QUIT was answered"


def test_a_session_that_is_killed_before_quit_removes_nothing_and_leaves_no_lock(tmp_path: Path) -> None:
    """POP-11, POP-13, POP-29"""
    config = mail_server(tmp_path)
    server, ports = serve(config)
    with server:
        fill(ports["submission"])
        client = reader(ports["pop3"])
        for number in range(1, LETTERS + 1):
            client.retr(number)
            client.dele(number)
        server.kill()
        client.close()
    server, ports = serve(config)
    with server:
        client = reader(ports["pop3"])
        assert client.stat()[0] == LETTERS
        client.close()
        # The holder is gone: the next one finds the maildrop free at once.
        assert reader(ports["pop3"]).stat()[0] == LETTERS
        assert server.stop() == 0
