"""Simulated process that can be killed at any write to its store."""
# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.interfaces import IConnector, IDelayedCall, IListeningPort, IReadDescriptor, IWriteDescriptor
from twisted.internet.protocol import ClientFactory, ServerFactory

from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.store_parts import PARTS, WrappedPart
from mailstack.store import Settlement, Store, StoreError

WRITES = frozenset({"accept", "claim", "settle", "settle_together", "recover", "update_maildrop", "greylist.set"})
"""Operations of a store between which a life can be made to end; each is one transaction."""


class SimulatedProcess(Host):
    """A Host for one life: its calls, listeners and connections end with it, and it never does anything again.

    States: alive, over (`kill`).
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host._loop, host._machine)  # noqa: SLF001 - the same machine, as its program sees it
        self.is_alive = True
        self.writes = 0
        """How often the store was written to."""
        self._end: tuple[int, bool, Callable[[], object]] | None = None
        self._ended: list[Any] = []
        self._drops: dict[tuple[str, str], Callable[[], Any]] = {}
        """The maildrops that are locked, and how to let go of them: a lock ends with the process that has it."""

    def kill(self) -> None:
        """Be over. The kernel resets the connections; nothing else is heard of it."""
        if not self.is_alive:
            return
        self.is_alive = False
        loop = self._loop
        for call in loop.clock.calls_of(self):
            call.cancel()
        # What never ends is kept: else Python would end its coroutines, and they would begin to clean up.
        self._ended += loop.poll.forget(self._machine)
        for socket in list(loop.network.sockets.values()):
            if socket.machine is self._machine:
                socket.vanish()
        for release in self._drops.values():
            Deferred.fromCoroutine(release())

    def kill_at(self, write: int, *, after: bool, then: Callable[[], object]) -> None:
        """Be over at the n-th write from now, before it or right after it; `then` is called."""
        self._end = (self.writes + write, after, then)

    async def never(self) -> None:
        """Wait for what a life that is over will never see."""
        waiting: Deferred[None] = Deferred()
        self._ended.append(waiting)
        await waiting

    async def write(self, work: Callable[[], Any]) -> Any:
        """Write, unless this life ends before or after that."""
        await self.check()
        self.writes += 1
        write, after, then = self._end or (-1, False, _nothing)
        if write == self.writes and not after:
            self._over(then)
            await self.never()
        result = await work()
        if write == self.writes and after:
            self._over(then)
        await self.check()
        return result

    async def check(self) -> None:
        """Go no further when it is over."""
        if not self.is_alive:
            await self.never()

    def locked(self, mailbox: str, owner: str, release: Callable[[], Any] | None) -> None:
        """Know of a maildrop that is locked, or (None) is not any more."""
        if release is None:
            self._drops.pop((mailbox, owner), None)
        else:
            self._drops[mailbox, owner] = release

    def _over(self, then: Callable[[], object]) -> None:
        self.kill()
        then()

    # --- what a program asks of its reactor

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        call = self._loop.clock.callLater(delay, callable, *args, **kwargs)
        call.owner = self
        if not self.is_alive:
            call.cancel()
        return call

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        if not self.is_alive:
            raise CannotListenError(interface, port, OSError("this life is over"))
        return super().listenTCP(port, factory, backlog, interface)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: ClientFactory[Any],
        timeout: float = 30.0,
        bindAddress: tuple[str, int] | None = None,
    ) -> IConnector:
        if not self.is_alive:
            raise ConnectError(string="this life is over")
        return super().connectTCP(host, port, factory, timeout, bindAddress)

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:  # noqa: A002
        super().callFromThread(self._if_alive, callable, args, kwargs)

    def addReader(self, reader: IReadDescriptor) -> None:
        if self.is_alive:
            super().addReader(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        if self.is_alive:
            super().addWriter(writer)

    def _if_alive(self, do: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self.is_alive:
            do(*args, **kwargs)


class CrashableStore:
    """A Store that is another one's, as one life sees it: what it wrote stays, what it was about to write was never there."""

    def __init__(self, store: Any, life: SimulatedProcess) -> None:
        self._store = store
        self._life = life
        for part in PARTS:
            setattr(self, part, WrappedPart(part, getattr(store, part), self._around))

    async def _around(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        if name in WRITES:
            return await self._life.write(operation)
        await self._life.check()
        result = await operation()
        await self._life.check()
        return result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            setattr(self, name, found)
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._around(name, lambda: found(*args, **kwargs))

        setattr(self, name, call)
        return call

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        """Each is a transaction of its own, with a life's end possible between any two."""
        troubles: list[Exception | None] = []
        for settlement in settlements:
            try:
                await self._life.write(lambda one=settlement: self._store.settle(one))  # type: ignore[misc]
            except (StoreError, KeyError) as trouble:
                troubles.append(trouble)
            else:
                troubles.append(None)
        return troubles

    async def open_maildrop(self, mailbox: str, owner: str) -> Any:
        """The lock ends with the life."""
        await self._life.check()
        drop = await self._store.open_maildrop(mailbox, owner)
        self._life.locked(mailbox, owner, lambda: self._store.release_maildrop(mailbox, owner))
        await self._life.check()
        return drop

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if not self._life.is_alive:
            return  # the lock ended with the life; this is Python, cleaning up after it
        self._life.locked(mailbox, owner, None)
        await self._store.release_maildrop(mailbox, owner)


def crashable(store: Store, life: SimulatedProcess) -> Store:
    """The store as one life sees it."""
    seen: Any = CrashableStore(store, life)
    return seen  # type: ignore[no-any-return]


def _nothing() -> None:
    pass
