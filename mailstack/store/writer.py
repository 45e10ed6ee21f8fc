"""Write queue of a database, committed in groups, and worker threads."""

from __future__ import annotations

import errno
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mailstack.store import Conflict, Damaged, StoreError, StoreFull
from mailstack.store.batch import Batch, Operation, Transaction
from mailstack.store.folders import FolderRefused
from mailstack.store.mailbox_changes import MailboxChanges

T = TypeVar("T")
ResourceT = TypeVar("ResourceT")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class CallsFromThreads(Protocol):
    """Required part of a reactor (`IReactorFromThreads`)."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: A002, N802
        """Call it soon in the reactor's thread."""


def at_end_of_turn(reactor: CallsFromThreads) -> Callable[[Callable[[], None]], object]:
    """Function that calls another at the end of the reactor's turn; at once without a reactor."""
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


def resolve(outcomes: list[tuple[Deferred[Any], Any]]) -> None:
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
        """`trouble` converts the error of a job for its caller. `refusal` is the reason to refuse all jobs at present,
        if any.
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
        """Returns the result of `job` or raises its error; StoreError after `close`."""
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
            self._reactor.callFromThread(resolve, [(deferred, outcome)])
            del job, do, deferred, outcome
        if resource is not None:
            self._stop(resource)
        self._reactor.callFromThread(self._end)

    def _end(self) -> None:
        self._running -= 1
        if not self._running and self._ended is not None:
            self._ended.callback(None)


_REFUSALS = (StoreError, KeyError, FolderRefused)


class Job:
    """A pending change: rows, or an operation."""

    __slots__ = ("batch", "deferred", "operation")

    def __init__(self, batch: Batch | None, operation: Operation | None) -> None:
        self.batch = batch
        self.operation = operation
        self.deferred: Deferred[Any] = Deferred()


class Writer(ABC):
    """States: made, open, closing, closed. What a thread does with the jobs is its database's business."""

    def __init__(self, reactor: CallsFromThreads, *, changes: MailboxChanges, group: int, threads: int = 1) -> None:
        """`group`: maximum jobs in one transaction. `changes`: subscribers to changed mailboxes."""
        self._reactor = reactor
        self._changes = changes
        self._group = group
        self._threads = threads
        self._running = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._ended: Deferred[None] = Deferred()
        self._open = False
        self._started = False

    @abstractmethod
    def _run(self, opened: Deferred[None]) -> None:
        """A thread's life: says once whether it could be `opened`, works until the jobs end, and says `_end`."""

    def open(self) -> Deferred[None]:
        """Starts the thread; fires when the database is open."""
        opened: Deferred[None] = Deferred()
        self._open = self._started = True
        self._start(opened)
        return opened

    def close(self) -> Deferred[None]:
        """Fires when all that was asked before is committed and the threads have ended."""
        if self._open:
            self._open = False
            self._jobs.put(None)
        elif not self._started:
            self._started = True
            self._ended.callback(None)
        return self._ended

    def write(self, batch: Batch) -> Deferred[None]:
        """Fires when the rows are durable."""
        return self._put(Job(batch, None))

    def do(self, operation: Operation) -> Deferred[Any]:
        """Fires with what `operation` returns when that is durable."""
        return self._put(Job(None, operation))

    def _put(self, job: Job) -> Deferred[Any]:
        if self._open:
            self._hand_over(job)
        else:
            job.deferred.errback(Failure(StoreError("the store is closed")))
        return job.deferred

    def _hand_over(self, job: Job) -> None:
        """Hands a job to the first idle thread."""
        self._jobs.put(job)

    # --- threads

    def _start(self, opened: Deferred[None]) -> None:
        """One more thread; in the reactor's."""
        self._running += 1
        name = f"mailstack-writer-{self._running}"
        threading.Thread(target=self._run, args=(opened,), name=name, daemon=True).start()

    def _cannot_open(self, opened: Deferred[None], error: BaseException) -> None:
        """Handles a failed opening in a thread."""
        self._reactor.callFromThread(resolve, [(opened, Failed(trouble(error)))])
        self._reactor.callFromThread(self._refuse)

    def _refuse(self) -> None:
        """There is no database: nothing that was asked meanwhile can be done."""
        self._open = False
        self._end()
        while (job := self._take()) is not None:
            job.deferred.errback(Failure(StoreError("the store could not be opened")))

    def _end(self) -> None:
        """A thread has ended; in the reactor's."""
        self._running -= 1
        if not self._running:
            self._ended.callback(None)

    def _next_job(self) -> Job | None:
        """Waits; None is the end, which the other threads find as well."""
        if (job := self._jobs.get()) is None:
            self._jobs.put(None)
        return job

    def _gather(self, group: list[Job]) -> None:
        while len(group) < self._group and (job := self._take()) is not None:
            group.append(job)

    def _take(self) -> Job | None:
        """Takes the waiting jobs; an end mark stays in the queue."""
        try:
            job = self._jobs.get_nowait()
        except Empty:
            return None
        if job is None:
            self._jobs.put(None)
        return job

    def _report(self, group: list[Job], outcomes: list[Any], changed: set[str]) -> None:
        if changed and self._changes:
            # Before the results, for a command closes the store once it has them.
            self._reactor.callFromThread(self._changes.publish, changed)
        self._reactor.callFromThread(resolve, list(zip([job.deferred for job in group], outcomes, strict=True)))


class Committed:
    """What is to be done after the commits of one group."""

    __slots__ = ("changed", "files")

    def __init__(self) -> None:
        self.files: list[str] = []
        """Large contents that no row names any longer."""
        self.changed: set[str] = set()
        """Names of changed mailboxes."""

    def add(self, transaction: Transaction) -> None:
        """Add a transaction that has been committed."""
        self.files += transaction.files
        self.changed |= transaction.changed


def joined(group: list[Job]) -> Batch:
    """The rows of all of them."""
    if len(group) == 1:
        return group[0].batch or Batch()
    together = Batch()
    for job in group:
        if job.batch is not None:
            together.join(job.batch)
    return together


def outcome(operation: Operation, transaction: Transaction) -> Any:
    """Result of an operation; a refusal fails that operation alone, since it has changed nothing.

    A conflict is raised: rows may have been written before, so the transaction is rolled back.
    """
    try:
        return operation(transaction)
    except Conflict:
        raise
    except _REFUSALS as refusal:
        return Failed(refusal)
