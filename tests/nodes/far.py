"""The far host: takes any letter, and counts how often each recipient got it."""

from __future__ import annotations

import re
import socketserver
import threading
from collections import Counter
from typing import Self

_SUBJECT = re.compile(rb"^Subject: (\S+)", re.MULTILINE)
END = b"\r\n.\r\n"
"""Of a letter; nobody sends more before he has heard what became of it (RFC 2920 §3.1)."""
_PATH = re.compile(rb"<([^>]*)>")


class FarHost:
    """An SMTP server in threads. While `gate` is closed, it takes letters and answers nothing at their end."""

    def __init__(self) -> None:
        self.copies: Counter[tuple[str, str]] = Counter()
        """(token, recipient): how often it was answered with 250."""
        self.taken = 0
        """Letters that were answered with 250, so far."""
        self.waiting = 0
        """Letters whose end was heard while the gate was closed."""
        self.gate = threading.Event()
        self.gate.set()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.far = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, token: str, recipients: list[str]) -> None:
        with self._lock:
            self.taken += 1
            self.copies.update((token, recipient) for recipient in recipients)

    def at_gate(self, patience: float) -> None:
        if not self.gate.is_set():
            with self._lock:
                self.waiting += 1
            self.gate.wait(patience)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    far: FarHost

    def handle_error(self, request: object, client_address: object) -> None:
        """Who is killed says no goodbye."""


class _Conversation(socketserver.StreamRequestHandler):
    timeout = 120
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        recipients: list[str] = []
        self._say("220 far.test ESMTP")
        while line := self.rfile.readline(4096):
            match line[:4].upper():
                case b"EHLO":
                    self._say("250-far.test", "250-PIPELINING", "250 SIZE 50000000")
                case b"RCPT":
                    recipients += [each.decode() for each in _PATH.findall(line)[:1]]
                    self._say("250 ok")
                case b"DATA":
                    self._say("354 go ahead")
                    self._take(recipients)
                    recipients = []
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    recipients = []
                    self._say("250 ok")

    def _take(self, recipients: list[str]) -> None:
        content = bytearray()
        while not content.endswith(END):
            if not (octets := self.rfile.read1(65536)):  # type: ignore[attr-defined]
                return
            content += octets
        found = _SUBJECT.search(content)
        self.server.far.at_gate(self.timeout)
        if found is not None:
            self.server.far.take(found[1].decode(), recipients)
        self._say("250 taken")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
