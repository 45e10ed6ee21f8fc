"""Reactor patches: bounded turns and accepts, immediate writes, and frozen start-up objects.

Each patch changes private parts of Twisted, or CPython's defaults, for a measured reason (decision 41).
`MAILSTACK_REACTOR_PATCHES=off` in the environment leaves all of them out.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from OpenSSL.SSL import Error
from twisted.internet.interfaces import IListeningPort
from twisted.internet.tcp import Connection, Port
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport

try:
    from twisted.internet.epollreactor import EPollReactor
except ImportError:  # macOS has no epoll
    EPollReactor = None  # type: ignore[assignment, misc]

_log = Logger()

SWITCH = "MAILSTACK_REACTOR_PATCHES"
"""Environment variable that turns the patches off."""


def enabled(environ: Mapping[str, str]) -> bool:
    """Whether the environment leaves the patches on."""
    return environ.get(SWITCH, "on").lower() not in ("off", "0", "no", "false")


ENABLED = enabled(os.environ)

MAX_EVENTS = 64
"""Maximum number of events that one turn handles."""

MAX_TURN = 0.01
"""Seconds after which a turn starts no further event.

One event may last as long again (a TLS handshake, a large read), and 20 ms is the limit for the reactor."""

MAX_ACCEPTS = 32
"""Maximum number of connections that a port accepts in one turn."""

TLS_RECORD = 16384
"""Maximum octets of plaintext in one TLS record (RFC 8446 §5.1)."""

Events = Sequence[tuple[int, int]]
"""File descriptors, each with its epoll events."""


class BoundedTurn:
    """One turn of Twisted's epoll reactor (`EPollReactor.doPoll`), bounded in events and time.

    Twisted handles every event that epoll reports before it runs timers and calls from threads. With a thousand
    clients that send at the same moment, nothing else runs for a fifth of a second. Twisted also enters a log context
    for each event, which names the connection in log lines; mailstack's lines name it themselves.
    """

    __slots__ = ("_clock", "_pending", "_reactor")

    def __init__(self, reactor: Any, clock: Callable[[], float] = monotonic) -> None:
        self._reactor = reactor
        self._clock = clock
        self._pending: list[tuple[object, int, int]] = []

    def __call__(self, timeout: float | None) -> None:
        """Handles pending events, else waits `timeout` seconds for new ones; None waits without a limit."""
        reactor = self._reactor
        events: Events
        if self._pending:
            # A descriptor that was closed may belong to another connection by now.
            selectables = reactor._selectables  # noqa: SLF001 - as all of these
            events = [(fd, event) for owner, fd, event in self._pending if selectables.get(fd) is owner]
            self._pending = []
        else:
            try:
                events = reactor._poller.poll(-1 if timeout is None else timeout, MAX_EVENTS)  # noqa: SLF001
            except InterruptedError:
                return
        self._handle(events)

    def _handle(self, events: Events) -> None:
        selectables, serve = self._reactor._selectables, self._reactor._doReadOrWrite  # noqa: SLF001
        clock = self._clock
        end = clock() + MAX_TURN
        for number, (fd, event) in enumerate(events, 1):
            selectable = selectables.get(fd)
            if selectable is None:
                continue  # an earlier event of this turn closed it
            try:
                serve(selectable, fd, event)
            except Exception:  # noqa: BLE001  # a bug of one connection stops no other
                _log.failure("unhandled error in a connection")
            if clock() >= end:
                self._pending = [(selectables.get(fd), fd, event) for fd, event in events[number:]]
                return


def bound_turns(reactor: Any) -> None:
    """Bounds the turns of an epoll reactor; other reactors stay as they are."""
    if ENABLED and EPollReactor is not None and isinstance(reactor, EPollReactor):
        reactor.doIteration = BoundedTurn(reactor)  # type: ignore[method-assign]


def bound_accepts(port: IListeningPort) -> None:
    """Bounds the connections that a port accepts in one turn; Twisted accepts ever more while a burst lasts."""
    if not ENABLED or not isinstance(port, Port):
        return
    accept: Callable[[], object] = port.doRead

    def accept_bounded() -> None:
        port.numberAccepts = min(port.numberAccepts, MAX_ACCEPTS)
        accept()

    port.doRead = accept_bounded  # type: ignore[method-assign]


def freeze_startup_objects() -> None:
    """Freezes start-up objects out of the garbage collector: a full collection of them lasts some 40 ms."""
    if ENABLED:
        gc.collect()
        gc.freeze()


def write(transport: Any, octets: bytes) -> None:
    """Writes at once when nothing is buffered, else as `transport.write`, in order.

    Twisted buffers each write until epoll reports the socket as writable: two `epoll_ctl` and one turn for each reply,
    and one turn more under TLS, where small writes are aggregated.
    """
    if ENABLED:
        if isinstance(transport, Connection):
            if not transport.TLS:
                octets = send_now(transport, octets)
            elif isinstance(transport.protocol, BufferingTLSTransport):
                octets = _encrypt_now(transport.protocol, transport, octets)
        elif isinstance(transport, BufferingTLSTransport) and isinstance(transport.transport, Connection):
            octets = _encrypt_now(transport, transport.transport, octets)
    if octets:
        transport.write(octets)


def send_now(connection: Connection, octets: bytes) -> bytes:
    """Sends as many octets as the socket accepts at once, none while others are buffered. Returns the unsent octets."""
    if not ENABLED or not _buffer_is_empty(connection):
        return octets
    try:
        return octets[connection.socket.send(octets) :]
    except OSError:
        return octets  # the socket is full, or lost: Twisted's own write finds that out and notifies the protocol


def _encrypt_now(tls: Any, connection: Connection, octets: bytes) -> bytes:
    """Does the same under TLS for octets that fit into one record; encrypted octets that don't fit the socket wait."""
    if (
        len(octets) > TLS_RECORD
        or tls.disconnecting
        or not tls._handshakeDone  # noqa: SLF001 - Twisted shows none of these otherwise
        or tls._appSendBuffer  # noqa: SLF001
        or getattr(tls._aggregator, "_buffer", True)  # noqa: SLF001 - small writes; absent when the connection is lost
        or tls._lostTLSConnection  # noqa: SLF001
        or not _buffer_is_empty(connection)
    ):
        return octets
    try:
        tls._tlsConnection.send(octets)  # noqa: SLF001 - into memory, and so all of it
        encrypted = tls._tlsConnection.bio_read(2 * TLS_RECORD)  # noqa: SLF001
    except Error:
        return octets
    unsent = send_now(connection, encrypted)
    if unsent:
        tls.transport.write(unsent)
    return b""


def _buffer_is_empty(connection: Connection) -> bool:
    """Whether the connection is open and has no buffered octets."""
    return bool(
        connection.connected
        and not connection.disconnecting
        and not connection._tempDataBuffer  # noqa: SLF001 - octets wait there and in dataBuffer
        and connection.offset == len(connection.dataBuffer)
    )
