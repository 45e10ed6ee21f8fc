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
"""Message of a worker, forwarded to all other workers: the index has changed."""


class ControlChannel(LineOnlyReceiver):
    """One end of a socket pair. The kernel closes it when its process ends."""

    delimiter = b"\n"
    MAX_LENGTH = 65536

    def __init__(self, on_message: Callable[[bytes], None], on_close: Callable[[], None]) -> None:
        """`on_close` is called once, when the other process has ended."""
        self._on_message = on_message
        self._on_close = on_close

    def lineReceived(self, line: bytes) -> None:  # noqa: N802
        self._on_message(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        self._on_close()

    def send(self, line: bytes) -> None:
        """Send a message; it is lost if the other process has ended."""
        if self.transport is not None:
            self.sendLine(line.replace(b"\n", b" "))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Close the channel once all messages are sent."""
        if self.transport is not None:
            self.transport.loseConnection()

    def close_descriptor(self) -> None:
        """Close the descriptor in a forked process, without notice to the other end."""
        if self.transport is not None:
            cast("Any", self.transport).socket.close()


def watch(reactor: Any, end: socket.socket, channel: ControlChannel) -> None:
    """Connect a channel to its socket, which the reactor owns from then on."""
    with end:
        end.setblocking(False)
        reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: channel))


BEATS = 4
"""Number of heartbeats in the time after which a worker counts as hung."""


class HeartbeatSender:
    """Periodic call of `beat` from `start` to `stop`; a `timeout` of 0 seconds disables it."""

    def __init__(self, reactor: Any, timeout: float, beat: Callable[[], object]) -> None:
        self._reactor = reactor
        self._interval = timeout / BEATS
        self._beat = beat
        self._next: Any = None

    def start(self) -> None:
        if self._interval:
            self._next = self._reactor.callLater(self._interval, self._send)

    def stop(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def _send(self) -> None:
        self.start()
        self._beat()


class HeartbeatMonitor:
    """Heartbeats of one worker, received by the master. Time is counted in beats of the master: a machine may sleep."""

    def __init__(self) -> None:
        self._silent = 0

    def reset(self) -> None:
        self._silent = 0

    def is_hung(self) -> bool:
        """Count one beat of the master; true if the worker has sent nothing for too long."""
        self._silent += 1
        return self._silent > BEATS


_MAX_LINE = 65536
"""Octets of a log line; a longer one is split."""


class _LogForwarder(Protocol):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._partial = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        whole, newline, partial = (self._partial + data).rpartition(b"\n")
        if len(partial) > _MAX_LINE:
            whole, newline, partial = whole + newline + partial, b"", b""
        self._partial = partial
        if whole:
            self._stream.write(whole.decode(errors="replace") + "\n")
            self._stream.flush()


def forward_log(reactor: Any, stream: Stream) -> socket.socket:
    """Return the socket that a worker logs to; its lines are written to `stream`."""
    master_end, worker_end = socket.socketpair()
    with master_end:
        master_end.setblocking(False)
        reactor.adoptStreamConnection(
            master_end.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: _LogForwarder(stream))
        )
    return worker_end
