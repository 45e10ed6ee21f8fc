"""SIGTERM while many are connected: nothing that was answered with 250 is lost, and nobody is left waiting."""

from __future__ import annotations

import poplib
import re
import signal
import smtplib
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.process import MAILSTACK, PATIENCE, TWISTD, serve
from tests.journeys.process import server as mail_server

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


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("program", [MAILSTACK, TWISTD], ids=["mailstack serve", "twistd"])
def test_sigterm_during_fifty_sessions_loses_nothing(tmp_path: Path, program: list[str], workers: int) -> None:
    """SMTP-41, CODE-16"""
    config = mail_server(tmp_path)
    taken: set[str] = set()
    server, ports = serve(config, program, workers=workers)
    with server, ExitStack() as stack:
        clients = [Client(ports["mx"]) for _ in range(IDLE + AMID_DATA)]
        for client in clients:
            stack.callback(client.socket.close)
            assert client.ask(b"EHLO client.elsewhere.test").startswith(b"250 ")
        for client in clients[IDLE:]:
            client.ask(b"MAIL FROM:<carol@elsewhere.test>")
            client.ask(b"RCPT TO:<bob@home.test>")
            assert client.ask(b"DATA").startswith(b"354")
            client.socket.sendall(b"Subject: half a letter\r\n\r\n")
        senders = [
            threading.Thread(target=send_until_it_breaks, args=(ports["submission"], number, taken))
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
            smtplib.SMTP("127.0.0.1", ports["mx"], timeout=20)
    assert taken
    server, ports = serve(config)
    with server:
        found = in_mailbox(ports["pop3"])
        assert len(found) == len(set(found))
        assert taken <= set(found)
        assert server.stop() == 0
