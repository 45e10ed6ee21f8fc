"""Control channel between master and worker: a socket pair with lines."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

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
