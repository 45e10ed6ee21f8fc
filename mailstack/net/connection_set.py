"""Connection set of one service, with a wait for its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Abortable(Protocol):
    """Connection that can be aborted."""

    def abort(self) -> None:
        """Drop the connection now."""


ConnectionT = TypeVar("ConnectionT", bound=Abortable)


class ConnectionSet(Generic[ConnectionT]):
    """Open connections; their owner adds each, and removes it when it is lost."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._members: set[ConnectionT] = set()
        self._empty: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[ConnectionT]:
        """A copy, because connections can be lost during the iteration."""
        return iter(list(self._members))

    def add(self, connection: ConnectionT) -> None:
        self._members.add(connection)

    def gone(self, connection: ConnectionT) -> None:
        self._members.discard(connection)
        if not self._members and self._empty is not None:
            empty, self._empty = self._empty, None
            empty.callback(None)

    async def wait_until_empty(self, timeout: float) -> None:
        """Wait until all connections are lost; after `timeout` seconds they are aborted."""
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
