"""SIGTERM and SIGKILL during sessions: accepted letters are kept, and QUIT deletes all or nothing."""

from __future__ import annotations

import poplib
import signal
import smtplib
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.clients import log_in, subjects_of_bob
from tests.journeys.process import MAILSTACK, PATIENCE, TWISTD, serve

IDLE, SENDING, AMID_DATA = 25, 15, 10


class Client:
    """One connection by hand."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._lines = self.socket.makefile("rb")
        assert self.line().startswith(b"220")

    def ask(self, command: bytes) -> bytes:
        """The last line of the reply."""
        self.socket.sendall(command + b"\r\n")
        while (line := self.line())[3:4] == b"-":
            pass
        return line

    def line(self) -> bytes:
        return self._lines.readline()


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


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_sigterm_during_fifty_sessions_loses_nothing(config: Path, program: list[str], workers: int) -> None:
    """SMTP-41, CODE-16"""
    taken: set[str] = set()
    with serve(config, program, workers=workers) as server, ExitStack() as stack:
        clients = [Client(server.ports["mx"]) for _ in range(IDLE + AMID_DATA)]
        for client in clients:
            stack.callback(client.socket.close)
            assert client.ask(b"EHLO client.elsewhere.test").startswith(b"250 ")
        for client in clients[IDLE:]:
            client.ask(b"MAIL FROM:<carol@elsewhere.test>")
            client.ask(b"RCPT TO:<bob@home.test>")
            assert client.ask(b"DATA").startswith(b"354")
            client.socket.sendall(b"Subject: half a letter\r\n\r\n")
        senders = [
            threading.Thread(target=send_until_it_breaks, args=(server.ports["submission"], number, taken))
            for number in range(SENDING)
        ]
        for sender in senders:
            sender.start()
        begun = time.monotonic()
        while len(taken) < 2 * SENDING and time.monotonic() - begun < PATIENCE:
            time.sleep(0.01)
        assert server.stop() in (0, -signal.SIGTERM)
        for client in clients:
            assert client.line().startswith(b"421 4.3.2 mx.home.test ")
            assert client.line() == b""
        for sender in senders:
            sender.join(PATIENCE)
        with pytest.raises(ConnectionRefusedError):
            smtplib.SMTP("127.0.0.1", server.ports["mx"], timeout=20)
    assert taken
    with serve(config) as server:
        found = subjects_of_bob(server.ports["pop3"])
        assert len(found) == len(set(found))
        assert taken <= set(found)
        assert server.stop() == 0


LETTERS = 40
MARKED = 25


def fill(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.login("alice", "alice")
        for number in range(LETTERS):
            client.sendmail("alice@home.test", ["bob@home.test"], f"Subject: {number}\r\n\r\nHello.\r\n")


def uids(client: poplib.POP3) -> list[str]:
    return [line.decode().split()[1] for line in client.uidl()[1]]


def test_quit_is_all_or_nothing_whenever_the_server_is_killed(config: Path) -> None:
    """POP-29, POP-11, POP-12, POP-13: and the maildrop is free as soon as the server is back."""
    with serve(config) as server:
        fill(server.ports["submission"])
        before = uids(log_in(server.ports["pop3"]))
        server.kill()
    assert len(before) == LETTERS
    for waits in (False, False, True):
        with serve(config) as server:
            client = log_in(server.ports["pop3"])
            assert uids(client) == before
            client.retr(1)
            for number in range(1, MARKED + 1):
                client.dele(number)
            client.sock.sendall(b"QUIT\r\n")
            if waits:
                assert client.file.readline() == b"+OK goodbye\r\n"
            server.kill()
            client.close()
        with serve(config) as server:
            client = log_in(server.ports["pop3"])
            after = uids(client)
            assert len(client.list()[1]) == len(after)
            assert after in (before, before[MARKED:])
            server.stop()
        if len(after) < len(before):
            return
        assert not waits, "QUIT was answered"


def test_a_session_that_is_killed_before_quit_removes_nothing_and_leaves_no_lock(config: Path) -> None:
    """POP-11, POP-13, POP-29"""
    with serve(config) as server:
        fill(server.ports["submission"])
        client = log_in(server.ports["pop3"])
        for number in range(1, LETTERS + 1):
            client.retr(number)
            client.dele(number)
        server.kill()
        client.close()
    with serve(config) as server:
        client = log_in(server.ports["pop3"])
        assert client.stat()[0] == LETTERS
        client.close()
        # The holder is gone: the next one finds the maildrop free at once.
        assert log_in(server.ports["pop3"]).stat()[0] == LETTERS
        assert server.stop() == 0
