"""Worker threads for blocking calls, each with a resource such as a connection."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailstack.store import Damaged, StoreError, StoreFull

T = TypeVar("T")
ResourceT = TypeVar("ResourceT")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class CallsFromThreads(Protocol):
    """What is needed of a reactor (`IReactorFromThreads`)."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: A002, N802
        """Call it soon in the reactor's thread."""


def at_end_of_turn(reactor: CallsFromThreads) -> Callable[[Callable[[], None]], object]:
    """What calls something soon in the reactor's thread, from there; at once where there is no reactor and so no turn."""
    if IReactorTime.providedBy(reactor):
        return partial(reactor.callLater, 0)
    return lambda do: do()


def trouble(error: BaseException) -> BaseException:
    """The error as the store's callers know it; one that is a bug stays what it is."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        name = getattr(error, "sqlite_errorname", "")
        # Without room the index of the write-ahead log can't be made.
        is_full = code == sqlite3.SQLITE_FULL or name == "SQLITE_IOERR_SHMSIZE"
        kind = StoreFull if is_full else Damaged if code in _DAMAGED else StoreError
        return kind(f"the database says: {error} {name}".rstrip())
    if isinstance(error, OSError):
        kind = StoreFull if error.errno in _FULL else StoreError
        return kind(f"the disk says: {error}")
    return error


class Failed:
    """An outcome that is an error."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def tell(outcomes: list[tuple[Deferred[Any], Any]]) -> None:
    """Resolve Deferreds in the reactor's thread. An error in a callback stays in its Deferred."""
    for deferred, outcome in outcomes:
        if isinstance(outcome, Failed):
            deferred.errback(Failure(outcome.error))
        else:
            deferred.callback(outcome)


class Workers(Generic[ResourceT]):
    """A few threads that do one job after the other, each with something of its own, such as a connection."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        name: str,
        threads: int,
        *,
        start: Callable[[], ResourceT],
        stop: Callable[[ResourceT], None],
        trouble: Callable[[BaseException], BaseException] = trouble,
        refusal: Callable[[], StoreError | None] = lambda: None,
    ) -> None:
        """`trouble` turns what a job raised into what its caller hears.

        `refusal` says why nothing can be done at this moment, if that is so.
        """
        self._refusal = refusal
        self._trouble = trouble
        self._reactor = reactor
        self._jobs: SimpleQueue[tuple[Callable[[ResourceT], Any], Deferred[Any]] | None] = SimpleQueue()
        self._start, self._stop = start, stop
        self._names = [f"{name}-{number}" for number in range(threads)]
        self._running = 0
        self._ended: Deferred[None] | None = None
        self._closed = False

    def do(self, job: Callable[[ResourceT], T]) -> Deferred[T]:
        """What `job` returns, or a failure with what it raises; StoreError after `close`."""
        deferred: Deferred[T] = Deferred()
        refusal = StoreError("the store is closed") if self._closed else self._refusal()
        if refusal is not None:
            deferred.errback(Failure(refusal))
            return deferred
        if self._running < len(self._names):
            threading.Thread(target=self._run, name=self._names[self._running], daemon=True).start()
            self._running += 1
        self._jobs.put((job, deferred))
        return deferred

    def close(self) -> Deferred[None]:
        """Fires when all that was asked before is done and the threads have ended."""
        self._closed = True
        self._ended = Deferred()
        if not self._running:
            self._ended.callback(None)
        for _ in range(self._running):
            self._jobs.put(None)
        return self._ended

    def _run(self) -> None:
        resource: ResourceT | None = None
        while (job := self._jobs.get()) is not None:
            do, deferred = job
            try:
                if resource is None:
                    resource = self._start()
                outcome: Any = do(resource)
            except Exception as error:  # noqa: BLE001  # passed to the caller
                outcome = Failed(self._trouble(error))
            self._reactor.callFromThread(tell, [(deferred, outcome)])
            del job, do, deferred, outcome
        if resource is not None:
            self._stop(resource)
        self._reactor.callFromThread(self._end)

    def _end(self) -> None:
        self._running -= 1
        if not self._running and self._ended is not None:
            self._ended.callback(None)
