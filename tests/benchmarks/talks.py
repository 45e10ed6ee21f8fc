"""Many clients in one thread: each follows a generator that yields what to say, and gets what was answered."""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

from attrs import define


class Say(NamedTuple):
    """Octets, and how one sees that the answer to them is whole."""

    octets: bytes
    whole: Callable[[bytes], bool]


PARK = Say(b"", bool)
"""Say nothing until `run` is called again."""

START_TLS = Say(b"", bool)
"""Shake hands; the talk goes on when that is done."""

Talk = Generator[Say, bytes, None]

PIECE = 65_536
"""Octets that are read at a time; for more, memory would be had from the system each time."""


@define
class _Client:
    connection: socket.socket
    talk: Talk
    whole: Callable[[bytes], bool] = bool
    heard: bytes = b""
    unsent: memoryview | bytes = b""
    shaking: bool = False


def trusting() -> ssl.SSLContext:
    """For who is on this machine, and has a certificate of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Talks:
    """Connections to one port, or to several in turn, each with its talk."""

    def __init__(
        self,
        host: str,
        port: int | Sequence[int],
        *,
        patience: float = 120.0,
        before_sending: Callable[[], None] | None = None,
    ) -> None:
        """`patience`: seconds that one `run` may take. `before_sending` is called before each piece that a client sends."""
        self._host = host
        self._ports = itertools.cycle([port] if isinstance(port, int) else port)
        self._patience = patience
        self._before_sending = before_sending
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._parked: list[_Client] = []
        self._context = trusting()

    def begin(self, talk: Talk) -> None:
        """Connect, and let the talk say its first word."""
        connection = socket.create_connection((self._host, next(self._ports)), 30)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = _Client(connection, talk)
        self._clients[connection.fileno()] = client
        self._epoll.register(connection, select.EPOLLIN)
        self._say(client, next(talk))

    def run(self, following: Iterator[Talk] | None = None) -> None:
        """Until every talk has ended or is parked; where one ends, the next of `following` begins.

        Raises ConnectionError where the server hangs up, TimeoutError after `patience`, and what a talk raises.
        """
        parked, self._parked = self._parked, []
        for client in parked:
            if not self._go_on(client, b""):
                self._end(client)
        deadline = time.monotonic() + self._patience
        while len(self._clients) > len(self._parked):
            events = self._epoll.poll(self._patience)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._clients) - len(self._parked)} clients still wait for {self._host}")
            for descriptor, event in events:
                client = self._clients[descriptor]
                if event & select.EPOLLOUT:
                    self._flush(client)
                if event & ~select.EPOLLOUT and not self._hear(client):
                    self._end(client)
                    talk = next(following, None) if following is not None else None
                    if talk is not None:
                        self.begin(talk)

    def close(self) -> None:
        """Hang up."""
        for client in self._clients.values():
            client.connection.close()
        self._clients.clear()
        self._epoll.close()

    def _hear(self, client: _Client) -> bool:
        """Take what has come. False: the talk is over."""
        if client.shaking:
            return self._shake(client)
        try:
            data = client.connection.recv(PIECE)
            if isinstance(client.connection, ssl.SSLSocket):
                while client.connection.pending():
                    data += client.connection.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        if not data:
            raise ConnectionError(f"{client.connection.getpeername()} hung up, after {client.heard[-200:]!r}")
        heard = client.heard + data
        if not client.whole(heard):
            client.heard = heard
            return True
        client.heard = b""
        return self._go_on(client, heard)

    def _go_on(self, client: _Client, heard: bytes) -> bool:
        try:
            self._say(client, client.talk.send(heard))
        except StopIteration:
            return False
        return True

    def _say(self, client: _Client, say: Say) -> None:
        if say is PARK:
            self._parked.append(client)
            return
        if self._before_sending is not None:
            self._before_sending()
        if say is START_TLS:
            client.connection = self._context.wrap_socket(client.connection, do_handshake_on_connect=False)
            client.shaking = True
            self._shake(client)
        else:
            client.whole = say.whole
            if say.octets:
                client.unsent = say.octets
                self._flush(client)

    def _flush(self, client: _Client) -> None:
        """Send what the connection takes; the rest waits until it takes more."""
        unsent = client.unsent
        try:
            sent = client.connection.send(unsent)
        except (BlockingIOError, ssl.SSLWantWriteError):
            sent = 0
        waited = isinstance(unsent, memoryview)
        if sent < len(unsent):
            client.unsent = memoryview(unsent)[sent:]
            if not waited:
                self._epoll.modify(client.connection, select.EPOLLIN | select.EPOLLOUT)
        elif waited:
            self._epoll.modify(client.connection, select.EPOLLIN)

    def _shake(self, client: _Client) -> bool:
        assert isinstance(client.connection, ssl.SSLSocket)
        try:
            client.connection.do_handshake()
        except ssl.SSLWantReadError:
            return True
        client.shaking = False
        return self._go_on(client, b"")

    def _end(self, client: _Client) -> None:
        del self._clients[client.connection.fileno()]
        self._epoll.unregister(client.connection)
        client.connection.close()
