"""Control channel between master and worker: heartbeats and log lines."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from mailstack.net.log import Stream

STOP = b"stop"
"""Message of the master: stop in order."""
READY = b"ready"
"""Message of a worker: it is ready."""
FAILED = b"failed "
"""Message of a worker: it can't start; the reason follows."""
ALIVE = b"alive"
"""Heartbeat of a worker."""
WAKE = b"wake"
"""Message of a worker, forwarded to the others: the index has changed."""


class ControlChannel(LineOnlyReceiver):
    """One end of a pair of connected sockets. The system closes it with its process, however that ends."""

    delimiter = b"\n"
    MAX_LENGTH = 65536

    def __init__(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """`heard` is given what the other says, `ended` is called once, when the other has gone."""
        self._heard = heard
        self._ended = ended

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        self._heard(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        self._ended()

    def say(self, line: bytes) -> None:
        """Soon; lost when the other is gone."""
        if self.transport is not None:
            self.sendLine(line.replace(b"\n", b" "))  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Close when all is said."""
        if self.transport is not None:
            self.transport.loseConnection()

    def let_go(self) -> None:
        """Close the descriptor in a forked process, without notice to the other end."""
        if self.transport is not None:
            cast("Any", self.transport).socket.close()


def watch(reactor: Any, end: socket.socket, lifeline: ControlChannel) -> None:
    """Begin; the end is the lifeline's from now on."""
    with end:
        end.setblocking(False)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: lifeline))


BEATS = 4
"""Number of heartbeats in the time after which a worker counts as hung."""


class HeartbeatSender:
    """A call again and again from `start` to `stop`. With a `patience` of 0 seconds there are none."""

    def __init__(self, reactor: Any, patience: float, beat: Callable[[], object]) -> None:
        self._reactor = reactor
        self._interval = patience / BEATS
        self._beat = beat
        self._next: Any = None

    def start(self) -> None:
        if self._interval:
            self._next = self._reactor.callLater(self._interval, self._once)

    def stop(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _once(self) -> None:
        self.start()
        self._beat()


class HeartbeatMonitor:
    """Heartbeats that the master received. It counts its own beats, not seconds, because a machine may sleep."""

    def __init__(self) -> None:
        self._silent = 0

    def heard(self) -> None:
        self._silent = 0

    def is_gone(self) -> bool:
        """At each beat of the master: whether the worker was silent for longer than it may be."""
        self._silent += 1
        return self._silent > BEATS


_LONGEST = 65536
"""Octets of a line; what is longer is told in pieces."""


class _Lines(Protocol):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._begun = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        whole, newline, rest = (self._begun + data).rpartition(b"\n")
        if len(rest) > _LONGEST:
            whole, newline, rest = whole + newline + rest, b"", b""
        self._begun = rest
        if whole:
            self._stream.write(whole.decode(errors="replace") + "\n")
            self._stream.flush()


def relay_log(reactor: Any, stream: Stream) -> socket.socket:
    """The end that a worker writes to; it ends with the worker."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.setblocking(False)
        reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: _Lines(stream)))
    return theirs
