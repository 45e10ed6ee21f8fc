"""Waits for room on a connection, and for octets of it, within bounds of time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

MOST_UNREAD = 65536
"""Octets that a client may send ahead on an upgraded connection."""


@implementer(IPushProducer)
class Flow:
    """Writes when there is room. A client that takes nothing for `patience` seconds is dropped."""

    def __init__(self, call_later: Callable[..., IDelayedCall], patience: float, drop: Callable[[], object]) -> None:
        self._call_later = call_later
        self._patience = patience
        self._drop = drop
        self._full: Deferred[None] | None = None
        self._end: IDelayedCall | None = None

    async def room(self) -> None:
        """Return when there is some; cancelled when the client goes."""
        while self._full is not None:
            await _branch(self._full)

    def pauseProducing(self) -> None:  # noqa: N802
        if self._full is None:
            self._full = Deferred()
            self._end = self._call_later(self._patience, self._drop)

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
    """One that may be cancelled, and leaves the other alone."""
    branch: Deferred[None] = Deferred()

    def fire(_: object) -> None:
        if not branch.called:
            branch.callback(None)

    trunk.addCallback(fire)
    return branch


class WebLine:
    """The `asking.Line` of an upgraded connection."""

    def __init__(self, transport: Any, source: Any, flow: Flow) -> None:
        """`source` is who may be told to stop reading, and to go on."""
        self._transport = transport
        self._source = source
        self._flow = flow
        self._unread = bytearray()
        self._waiting: Deferred[None] | None = None
        self._ended = False
        self._paused = False

    def feed(self, octets: bytes) -> None:
        """Octets have come; too many, and no more are asked for."""
        self._unread += octets
        if len(self._unread) > MOST_UNREAD and not self._paused:
            self._paused = True
            self._source.pauseProducing()
        self._wake()

    def end(self) -> None:
        """Nothing more will come."""
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
