"""Everybody who uses a server at the same time: senders, a reader who deletes, and an operator at the command line."""

from __future__ import annotations

import contextlib
import itertools
import poplib
import re
import smtplib
import subprocess
import threading

from attrs import define, field

from tests.crash.ledger import Ledger
from tests.crash.servers import Server
from tests.journeys.process import MAILSTACK

TROUBLE = (OSError, EOFError, smtplib.SMTPException, poplib.error_proto)
_TOKEN = re.compile(rb"^Subject: (\S+)", re.MULTILINE)
_QUEUED = re.compile(rb"queued as (\w+)")


@define
class Load:
    """Threads that go on until `stop`, or until their server is gone."""

    ledger: Ledger
    name: str
    """What tokens begin with, so that they are this load's alone."""
    over: threading.Event = field(factory=threading.Event)
    threads: list[threading.Thread] = field(factory=list)
    numbers: itertools.count[int] = field(factory=itertools.count)

    def send(self, server: Server, sender: str, recipients: tuple[str, ...], size: int) -> None:
        self._start(self._send, server, sender, recipients, size)

    def read(self, server: Server, reader: str) -> None:
        self._start(self._read, server, reader)

    def operate(self, server: Server) -> None:
        self._start(self._operate, server)

    def stop(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()

    def _start(self, do: object, *arguments: object) -> None:
        thread = threading.Thread(target=do, args=arguments, daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def _send(self, server: Server, sender: str, recipients: tuple[str, ...], size: int) -> None:
        with contextlib.suppress(*TROUBLE), smtplib.SMTP("127.0.0.1", server.ports["submission"], timeout=20) as client:
            client.login(sender, sender)
            while not self.over.is_set():
                number = next(self.numbers)
                token = f"{self.name}-{number}"
                client.mail(f"{sender}@{server.domain}")
                for recipient in recipients:
                    client.rcpt(recipient)
                octets = 200_000 if number % 9 == 0 else size
                code, text = client.data(f"Subject: {token}\r\n\r\n" + f"{'x' * 70}\r\n" * (octets // 72))
                if code == 250 and (queued := _QUEUED.search(text)):
                    self.ledger.acknowledge(token, queued[1].decode(), recipients)

    def _read(self, server: Server, reader: str) -> None:
        while not self.over.is_set():
            try:
                empty_mailbox(self.ledger, server, reader, most=20)
            except TROUBLE:
                return

    def _operate(self, server: Server) -> None:
        while not self.over.is_set():
            operate(server, "queue", "retry", "--all")
            operate(server, "queue", "list", "--json")


def operate(server: Server, *arguments: str) -> None:
    """A command whose status nobody looks at: the server may be gone, or an attempt be under way."""
    subprocess.run([*MAILSTACK, *arguments, "-c", str(server.config)], capture_output=True, timeout=60, check=False)


def empty_mailbox(ledger: Ledger, server: Server, reader: str, most: int = 1_000_000) -> int:
    """Read and delete up to so many letters; how many there were. What QUIT did not answer for is booked as doubtful."""
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=20)
    mailbox, tokens, answered = f"{reader}@{server.domain}", list[str](), False
    with contextlib.closing(client):
        client.user(reader)
        client.pass_(reader)
        count = min(client.stat()[0], most)
        for number in range(1, count + 1):
            token = _TOKEN.search(b"\n".join(client.top(number, 0)[1]))
            client.dele(number)
            tokens += [token[1].decode()] if token else []
        try:
            client.quit()
            answered = True
        finally:
            ledger.take(mailbox, tokens, answered=answered)
    return count
