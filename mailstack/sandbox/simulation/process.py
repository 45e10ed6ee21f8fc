"""Simulated process with its store on disk, killed at any write."""

from __future__ import annotations

import atexit
import inspect
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError, ConnectError
from twisted.internet.interfaces import IConnector, IDelayedCall, IListeningPort, IReadDescriptor, IWriteDescriptor
from twisted.internet.protocol import ClientFactory, ServerFactory

from mailstack.sandbox.faults.install import IMAP_WRITES, PARTS, CallWrapper, WrappedPart
from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.reactor import SimulatedReactor
from mailstack.store import Settlement, Store, StoreError
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore

# ruff: noqa: N802, N803 - the names of methods and arguments are Twisted's


WRITES = frozenset(
    {"queue.accept", "queue.claim", "queue.settle", "queue.recover", "mailboxes.update", "greylist.set", *IMAP_WRITES}
)
"""Store operations at which a process can be killed; each is one transaction."""


class SimulatedProcess(Host):
    """Process on a host: its calls, listeners and connections end when it is killed.

    States: alive, dead (`kill`).
    """

    def __init__(self, host: Host) -> None:
        super().__init__(host._loop, host._machine)  # noqa: SLF001 - the same loop and machine
        self.is_alive = True
        self.writes = 0
        """Number of writes to the store."""
        self._end: tuple[int, bool, Callable[[], object]] | None = None
        self._suspended: list[Any] = []
        self._lock_releases: dict[tuple[str, str], Callable[[], Any]] = {}
        """Release functions of locked maildrops: a lock ends with its process."""

    def kill(self) -> None:
        """Kills the process as SIGKILL does. The kernel resets its connections."""
        if not self.is_alive:
            return
        self.is_alive = False
        loop = self._loop
        for call in loop.clock.calls_of(self):
            call.cancel()
        # These references prevent garbage collection, which would close the coroutines and run their clean-up.
        self._suspended += loop.poll.remove_machine(self._machine)
        for socket in list(loop.network.sockets.values()):
            if socket.machine is self._machine:
                socket.vanish()
        for release in self._lock_releases.values():
            Deferred.fromCoroutine(release())

    def kill_at(self, write: int, *, after: bool, then: Callable[[], object]) -> None:
        """Kills the process before or after its n-th write from now, and calls `then`."""
        self._end = (self.writes + write, after, then)

    async def never(self) -> None:
        """Suspends a coroutine of a dead process forever."""
        waiting: Deferred[None] = Deferred()
        self._suspended.append(waiting)
        await waiting

    async def write(self, work: Callable[[], Any]) -> Any:
        """Runs a write to the store, and kills the process before or after it, as `kill_at` specifies."""
        await self.check()
        self.writes += 1
        write, after, then = self._end or (-1, False, _nothing)
        if write == self.writes and not after:
            self._kill(then)
            await self.never()
        result = await work()
        if write == self.writes and after:
            self._kill(then)
        await self.check()
        return result

    async def check(self) -> None:
        """Suspends the caller forever if the process is dead."""
        if not self.is_alive:
            await self.never()

    def register_lock(self, mailbox: str, owner: str, release: Callable[[], Any] | None) -> None:
        """Registers a locked maildrop with its release function; None removes it."""
        if release is None:
            self._lock_releases.pop((mailbox, owner), None)
        else:
            self._lock_releases[mailbox, owner] = release

    def _kill(self, then: Callable[[], object]) -> None:
        self.kill()
        then()

    # --- reactor

    def callLater(self, delay: float, callable: Callable[..., Any], *args: object, **kwargs: object) -> IDelayedCall:  # noqa: A002
        call = self._loop.clock.callLater(delay, callable, *args, **kwargs)
        call.owner = self
        if not self.is_alive:
            call.cancel()
        return call

    def listenTCP(self, port: int, factory: ServerFactory, backlog: int = 50, interface: str = "") -> IListeningPort:
        if not self.is_alive:
            raise CannotListenError(interface, port, OSError("the process is dead"))
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
            raise ConnectError(string="the process is dead")
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
    """Store as one process sees it: completed writes stay, a write interrupted by `kill` never happened."""

    def __init__(self, store: Any, process: SimulatedProcess) -> None:
        self._store = store
        self._process = process
        for part in PARTS:
            setattr(self, part, WrappedPart(part, getattr(store, part), self._call))
        self.queue = CrashableQueue("queue", store.queue, self._call)
        self.mailboxes = CrashableMailboxes(store.mailboxes, self._call, process)

    async def _call(self, name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        if name in WRITES:
            return await self._process.write(operation)
        await self._process.check()
        result = await operation()
        await self._process.check()
        return result

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(name, lambda: found(*args, **kwargs))

        return call


class CrashableQueue(WrappedPart):
    """Part `queue` of a `CrashableStore`."""

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        """Settles in one transaction each, so that the process can be killed between any two."""
        errors: list[Exception | None] = []
        for settlement in settlements:
            try:
                await self.settle(settlement)
            except (StoreError, KeyError) as error:
                errors.append(error)
            else:
                errors.append(None)
        return errors


class CrashableMailboxes(WrappedPart):
    """Part `mailboxes` of a `CrashableStore`: a maildrop's lock ends with the process."""

    def __init__(self, mailboxes: Any, wrapper: CallWrapper, process: SimulatedProcess) -> None:
        super().__init__("mailboxes", mailboxes, wrapper)
        self._process = process

    async def open(self, mailbox: str, owner: str) -> Any:
        await self._process.check()
        drop = await self._part.open(mailbox, owner)
        self._process.register_lock(mailbox, owner, lambda: self._part.release(mailbox, owner))
        await self._process.check()
        return drop

    async def release(self, mailbox: str, owner: str) -> None:
        if not self._process.is_alive:
            return  # the lock ended with the process; this call is Python's clean-up
        self._process.register_lock(mailbox, owner, None)
        await self._part.release(mailbox, owner)


def crashable(store: Store, process: SimulatedProcess) -> Store:
    """Store as one process sees it."""
    crashable: Any = CrashableStore(store, process)
    return crashable  # type: ignore[no-any-return]


def _nothing() -> None:
    pass


def sqlite_store(reactor: SimulatedReactor, host: Host) -> Store:
    """New SQLite store in a temporary directory that is removed when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix="mailstack-simulation-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    made = SqliteStore(host, directory, StoreSettings(notifies_others=False))
    # No other process changes this store; polls of its mark would take hours of real time for a month.
    made.changes.close()
    store: Any = AwaitedStore(made)
    reactor.hold_time_while(store.busy)
    return store  # type: ignore[no-any-return]


class AwaitedStore:
    """Store that counts its pending calls, so that virtual time waits for them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._waiting = 0
        for part in PARTS:
            setattr(self, part, WrappedPart(part, getattr(store, part), self._call))

    def busy(self) -> bool:
        """Whether a call is pending."""
        return self._waiting > 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(name, lambda: found(*args, **kwargs))

        return call

    async def _call(self, _name: str, operation: Callable[[], Awaitable[Any]]) -> Any:
        self._waiting += 1
        try:
            return await operation()
        finally:
            self._waiting -= 1
