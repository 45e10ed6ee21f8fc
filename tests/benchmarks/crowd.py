"""A crowd of SMTP clients in one thread: each sends a letter as soon as the one before it was answered."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence

from attrs import define, field


@define
class Measured:
    """What a crowd has seen."""

    letters: int
    seconds: float
    waits: list[float] = field(repr=False)
    """Seconds from the end of each letter to its 250, in order of size."""

    @property
    def rate(self) -> float:
        """Letters a second."""
        return self.letters / self.seconds

    def wait(self, part: float) -> float:
        """The wait that so large a part of the letters did not exceed."""
        return self.waits[min(len(self.waits) - 1, int(part * len(self.waits)))]


@define
class _Client:
    """One connection. It says the next thing whenever it has heard a whole reply."""

    connection: socket.socket
    number: int
    heard: bytes = b""
    said: int = 0
    """How many things; EHLO is the first, and each letter is four."""
    begun: float = 0.0


class Crowd:
    """So many connections to one port, or shared out among several; `send` may be called again and again."""

    def __init__(self, host: str, port: int | Sequence[int], sessions: int, recipient: str, size: int = 4096) -> None:
        """`recipient` may hold {}, which is then a number from 1 to 100. `size`: octets of a letter."""
        ports = [port] if isinstance(port, int) else port
        self._recipient = recipient
        body = b"Subject: a letter\r\n\r\n" + b"x" * 70 + b"\r\n"
        self._content = body + (b"y" * 70 + b"\r\n") * ((size - len(body)) // 72) + b".\r\n"
        self._selector = selectors.DefaultSelector()
        self._clients = [
            _Client(socket.create_connection((host, ports[number % len(ports)]), 30), number)
            for number in range(1, sessions + 1)
        ]
        for client in self._clients:
            self._hear(client)
            client.connection.sendall(b"EHLO bench.test\r\n")
            self._hear(client)
            client.connection.setblocking(False)
            self._selector.register(client.connection, selectors.EVENT_READ, client)

    def send(self, letters: int) -> Measured:
        """So many letters by all together. Raises ValueError for a reply that refuses one."""
        waits: list[float] = []
        begun = time.perf_counter()
        left = letters
        for client in self._clients[:letters]:
            left -= 1
            self._say(client)
        while len(waits) < letters:
            for key, _ in self._selector.select(30):
                client: _Client = key.data
                client.heard += client.connection.recv(4096)
                if not _is_whole(client.heard):
                    continue
                if client.heard[:1] not in b"23":
                    raise ValueError(f"the server said {client.heard!r}")
                client.heard = b""
                if client.said % 4:
                    self._say(client)
                    continue
                waits.append(time.perf_counter() - client.begun)
                if left:
                    left -= 1
                    self._say(client)
        return Measured(letters, time.perf_counter() - begun, sorted(waits))

    def close(self) -> None:
        """Hang up."""
        self._selector.close()
        for client in self._clients:
            client.connection.close()

    def _say(self, client: _Client) -> None:
        """The next of the four things of a letter."""
        step = client.said % 4
        client.said += 1
        if step == 0:
            octets = b"MAIL FROM:<bench@bench.test>\r\n"
        elif step == 1:
            octets = b"RCPT TO:<%s>\r\n" % self._recipient.format((client.said * 7 + client.number) % 100 + 1).encode()
        else:
            octets = b"DATA\r\n" if step == 2 else self._content
            client.begun = time.perf_counter()
        client.connection.send(octets)

    @staticmethod
    def _hear(client: _Client) -> None:
        while not _is_whole(client.heard):
            more = client.connection.recv(4096)
            if not more:
                raise ConnectionError("the server hung up")
            client.heard += more
        client.heard = b""


def _is_whole(heard: bytes) -> bool:
    """Whether the last line of a reply is there (RFC 5321 §4.2.1)."""
    last = heard[heard.rfind(b"\n", 0, -1) + 1 :]
    return heard.endswith(b"\r\n") and last[3:4] in (b" ", b"\r")
