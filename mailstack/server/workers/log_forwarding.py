"""Log forwarding from a worker to its master."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from mailstack.net.log import Stream

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
