"""Control channel between master and worker: a socket pair with lines."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

STOP = b"stop"
"""From the master: end in order."""
READY = b"ready"
"""From a worker: it serves."""
FAILED = b"failed "
"""From a worker: it can't start, and why."""
ALIVE = b"alive"
"""From a worker, again and again: its reactor turns."""
WAKE = b"wake"
"""From a worker, and on to the others: the index of letters has something new."""


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
        """In a forked process, whose copy this is not to be: close the descriptor without a word."""
        if self.transport is not None:
            cast("Any", self.transport).socket.close()


def watch(reactor: Any, end: socket.socket, lifeline: ControlChannel) -> None:
    """Begin; the end is the lifeline's from now on."""
    with end:
        end.setblocking(False)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: lifeline))
