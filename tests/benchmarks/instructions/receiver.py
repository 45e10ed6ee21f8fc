"""Receiving host of the relayed letters, whose replies a benchmark withholds and releases."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Self

PATIENCE = 300.0
"""Seconds that a letter may be awaited."""
PIECE = 1 << 20
"""Octets that are read at a time."""
_END = b"\r\n.\r\n"


class Receiver:
    """SMTP server on the loopback, which withholds its greeting and each letter's 250 until `release` allows for them.

    It answers what a client sends together with one piece of replies, once the client has nothing left to do: so each
    run takes the same turns.
    """

    def __init__(self) -> None:
        self.before_reply: Callable[[], None] = lambda: None
        """Is called before each piece of replies, and returns when the client waits for them."""
        self._allowed = 0
        self._received = 0
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.receiver = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def release(self, letters: int) -> None:
        """Answers so many letters more, and returns when the next one after them has come and waits.

        Raises TimeoutError where it does not come.
        """
        with self._changed:
            self._allowed += letters
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._received > self._allowed, PATIENCE):
                raise TimeoutError(f"{self._received} letters were relayed, not {self._allowed + 1}")
        self.before_reply()

    def await_start(self) -> bool:
        """Whether any letter was released before long."""
        with self._changed:
            return self._changed.wait_for(lambda: self._allowed > 0, PATIENCE)

    def await_release(self) -> bool:
        """Counts a letter. Whether it may be answered, as soon as that is known."""
        with self._changed:
            self._received += 1
            number = self._received
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._allowed >= number, PATIENCE)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    receiver: Receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """The counted server is killed while its connection is open."""


class _Session(socketserver.BaseRequestHandler):
    request: socket.socket
    server: _Server

    def handle(self) -> None:
        receiver = self.server.receiver
        if not receiver.await_start():
            return
        self.request.settimeout(PATIENCE)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        self._in_letter = False
        receiver.before_reply()
        self._send([b"220 far.test ESMTP"])
        while octets := self.request.recv(PIECE):
            receiver.before_reply()
            self._unread += octets + self._rest()
            self._send(self._replies())

    def _rest(self) -> bytes:
        """What has come besides."""
        readable, _, _ = select.select([self.request], [], [], 0)
        return self.request.recv(PIECE) if readable else b""

    def _send(self, replies: list[bytes]) -> None:
        self.request.sendall(b"".join(b"%s\r\n" % reply for reply in replies))

    def _replies(self) -> list[bytes]:
        """The replies to all that has come whole; there are none yet for a command or a letter in parts."""
        replies = []
        while True:
            end = _END if self._in_letter else b"\r\n"
            part, found, rest = self._unread.partition(end)
            if not found:
                return replies
            self._unread = rest
            if self._in_letter:
                self._in_letter = False
                self.server.receiver.await_release()
                replies.append(b"250 2.0.0 Ok")
            else:
                replies += self._reply(part[:4].upper())

    def _reply(self, verb: bytes) -> list[bytes]:
        if verb == b"DATA":
            self._in_letter = True
            return [b"354 End data with <CR><LF>.<CR><LF>"]
        if verb == b"EHLO":
            return [b"250-far.test", b"250-PIPELINING", b"250-8BITMIME", b"250 SIZE 50000000"]
        return [b"221 2.0.0 Bye" if verb == b"QUIT" else b"250 2.1.0 Ok"]
