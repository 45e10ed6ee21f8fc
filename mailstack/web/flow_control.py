"""Flow control of HTTP connections: waits for buffer space and for octets, with limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

MAX_UNREAD = 65536
"""Maximum unread octets of an upgraded connection; reading is paused above."""


@implementer(IPushProducer)
class FlowControl:
    """Push producer that waits for space in the send buffer; a client that reads nothing for `timeout` seconds is dropped."""

    def __init__(self, call_later: Callable[..., IDelayedCall], timeout: float, drop: Callable[[], object]) -> None:
        self._call_later = call_later
        self._timeout = timeout
        self._drop = drop
        self._full: Deferred[None] | None = None
        self._end: IDelayedCall | None = None

    async def room(self) -> None:
        """Return when the send buffer has space."""
        while self._full is not None:
            await _branch(self._full)

    def pauseProducing(self) -> None:  # noqa: N802
        if self._full is None:
            self._full = Deferred()
            self._end = self._call_later(self._timeout, self._drop)

    def resumeProducing(self) -> None:  # noqa: N802
        full, self._full = self._full, None
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._end = None
        if full is not None:
            full.callback(None)

    def stopProducing(self) -> None:  # noqa: N802
        self.resumeProducing()


def _branch(trunk: Deferred[None]) -> Deferred[None]:
    """Return a Deferred that fires with `trunk` and can be cancelled without it."""
    branch: Deferred[None] = Deferred()

    def fire(_: object) -> None:
        if not branch.called:
            branch.callback(None)

    trunk.addCallback(fire)
    return branch


class UpgradedStream:
    """StreamLine of an upgraded connection."""

    def __init__(self, transport: Any, source: Any, flow: FlowControl) -> None:
        """`source` is the producer that reads from the connection."""
        self._transport = transport
        self._source = source
        self._flow = flow
        self._unread = bytearray()
        self._waiting: Deferred[None] | None = None
        self._ended = False
        self._paused = False

    def feed(self, octets: bytes) -> None:
        """Add received octets; pause the source above the limit."""
        self._unread += octets
        if len(self._unread) > MAX_UNREAD and not self._paused:
            self._paused = True
            self._source.pauseProducing()
        self._wake()

    def end(self) -> None:
        """Signal the end of the connection."""
        self._ended = True
        self._flow.stopProducing()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.callback(None)

    async def read(self) -> bytes:
        while not self._unread and not self._ended:
            self._waiting = Deferred()
            await self._waiting
        octets = bytes(self._unread)
        self._unread.clear()
        if self._paused and not self._ended:
            self._paused = False
            self._source.resumeProducing()
        return octets

    async def write(self, octets: bytes) -> None:
        if not self._ended:
            self._transport.write(octets)
            await self._flow.room()
