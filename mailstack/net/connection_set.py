"""The connections of one service that are under way, and the wait for the last of them to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Abortable(Protocol):
    """A connection."""

    def abort(self) -> None:
        """Drop it now."""


ConnectionT = TypeVar("ConnectionT", bound=Abortable)


class ConnectionSet(Generic[ConnectionT]):
    """Whoever makes a connection adds it, and says when it is gone."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._members: set[ConnectionT] = set()
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[ConnectionT]:
        """Those of now: they may go while one looks at them."""
        return iter(list(self._members))

    def add(self, connection: ConnectionT) -> None:
        self._members.add(connection)

    def gone(self, connection: ConnectionT) -> None:
        self._members.discard(connection)
        if not self._members and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait for the connections to end; after `timeout` seconds they are dropped."""
        if not self._members:
            return
        self._empty = Deferred()
        call = self._reactor.callLater(timeout, self._abort)
        await self._empty
        if call.active():
            call.cancel()

    def _abort(self) -> None:
        for connection in self:
            connection.abort()
