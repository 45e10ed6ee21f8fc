"""The threads that a database is used from: one that writes in groups, and a few that read."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailstack.store import StoreError, StoreFull
from mailstack.store.batch import Batch, Operation, Transaction
from mailstack.store.locks import Turn
from mailstack.store.sqlite_connection import SqliteConnection

T = TypeVar("T")
ResourceT = TypeVar("ResourceT")

COMPANY = 4
"""Jobs in a group after which the next one waits for more."""
LOOK = 0.001
"""Seconds between looks whether enough wait."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSALS = (StoreError, KeyError)


class CallsFromThreads(Protocol):
    """What is needed of a reactor (`IReactorFromThreads`)."""

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: A002, N802
        """Call it soon in the reactor's thread."""


def trouble(error: BaseException) -> BaseException:
    """The error as the store's callers know it; one that is a bug stays what it is."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        name = getattr(error, "sqlite_errorname", "")
        kind = StoreFull if code == sqlite3.SQLITE_FULL else StoreError
        return kind(f"the database says: {error} {name}".rstrip())
    if isinstance(error, OSError):
        kind = StoreFull if error.errno in _FULL else StoreError
        return kind(f"the disk says: {error}")
    return error


def _is_busy(error: BaseException) -> bool:
    """Whether another process kept us waiting: then each alone would only wait as long again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.Error) and code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


class _Failed:
    """An outcome that is an error."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _tell(outcomes: list[tuple[Deferred[Any], Any]]) -> None:
    """In the reactor's thread. A waiter that raises has its error in its own Deferred and stops nobody else."""
    for deferred, outcome in outcomes:
        if isinstance(outcome, _Failed):
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
        is_lost: Callable[[ResourceT], bool] = lambda _: False,
    ) -> None:
        """`trouble` turns what a job raised into what its caller hears. What `is_lost` after that is made anew."""
        self._trouble = trouble
        self._is_lost = is_lost
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
        if self._closed:
            deferred.errback(Failure(StoreError("the store is closed")))
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
            except Exception as error:  # noqa: BLE001  # it is handed to whoever asked
                outcome = _Failed(self._trouble(error))
                if resource is not None and self._is_lost(resource):
                    self._stop(resource)
                    resource = None
            self._reactor.callFromThread(_tell, [(deferred, outcome)])
            del job, do, deferred, outcome
        if resource is not None:
            self._stop(resource)
        self._reactor.callFromThread(self._end)

    def _end(self) -> None:
        self._running -= 1
        if not self._running and self._ended is not None:
            self._ended.callback(None)


class _Job:
    __slots__ = ("batch", "deferred", "operation")

    def __init__(self, batch: Batch | None, operation: Operation | None) -> None:
        self.batch = batch
        self.operation = operation
        self.deferred: Deferred[Any] = Deferred()


class Writer:
    """The one thread that changes the database. All that waits goes into one transaction: natural group commit."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        *,
        connect: Callable[[], SqliteConnection],
        turn: Turn,
        forget: Callable[[list[str]], None],
        group: int,
        linger: float = 0.0,
    ) -> None:
        """`group`: most jobs in one transaction. `linger`: seconds that a group may wait for others, see `_linger`."""
        self._reactor = reactor
        self._connect = connect
        self._turn = turn
        self._forget = forget
        self._group = group
        self._linger = linger
        self._last = 0
        """How many jobs were in the last group."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: Deferred[None] = Deferred()
        self._open = False
        self._started = False

    def open(self) -> Deferred[None]:
        """Start; fires when the connection is there."""
        opened: Deferred[None] = Deferred()
        self._open = self._started = True
        threading.Thread(target=self._run, args=(opened,), name="mailstack-writer", daemon=True).start()
        return opened

    def close(self) -> Deferred[None]:
        """Fires when all that was asked before is committed and the connection is closed."""
        if self._open:
            self._open = False
            self._jobs.put(None)
        elif not self._started:
            self._started = True
            self._ended.callback(None)
        return self._ended

    def write(self, batch: Batch) -> Deferred[None]:
        """Fires when the rows are durable."""
        return self._put(_Job(batch, None))

    def do(self, operation: Operation) -> Deferred[Any]:
        """Fires with what `operation` returns when that is durable."""
        return self._put(_Job(None, operation))

    def _put(self, job: _Job) -> Deferred[Any]:
        if self._open:
            self._jobs.put(job)
        else:
            job.deferred.errback(Failure(StoreError("the store is closed")))
        return job.deferred

    def _run(self, opened: Deferred[None]) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001  # it is handed to whoever opened
            self._reactor.callFromThread(_tell, [(opened, _Failed(trouble(error)))])
            self._reactor.callFromThread(self._refuse)
            return
        self._reactor.callFromThread(_tell, [(opened, None)])
        while (job := self._jobs.get()) is not None:
            group, files = [job], list[str]()
            outcomes = self._in_turn(connection, group, files)
            self._reactor.callFromThread(_tell, list(zip([job.deferred for job in group], outcomes, strict=True)))
            self._forget(files)
            del job, group, outcomes
        connection.close()
        self._reactor.callFromThread(self._ended.callback, None)

    def _refuse(self) -> None:
        """There is no database: nothing that was asked meanwhile can be done."""
        self._open = False
        self._ended.callback(None)
        while (job := self._take()) is not None:
            job.deferred.errback(Failure(StoreError("the store could not be opened")))

    def _in_turn(self, connection: SqliteConnection, group: list[_Job], files: list[str]) -> list[Any]:
        """One outcome for each job of the group, which gets all that waits by the time it is our turn."""
        if self._linger and self._last >= COMPANY:
            self._wait_for_company()
        try:
            with self._turn.taken():
                self._gather(group)
                self._last = len(group)
                return self._commit(connection, group, files)
        except (StoreError, OSError) as error:
            return [_Failed(trouble(error)) for _ in group]

    def _wait_for_company(self) -> None:
        """Where processes take turns, a group costs each of them what it costs one: so have fewer, and larger ones.

        Only while much comes in: who comes alone never waits.
        """
        end = time.monotonic() + self._linger
        while self._jobs.qsize() < 2 * self._last and time.monotonic() < end:
            time.sleep(LOOK)

    def _gather(self, group: list[_Job]) -> None:
        while len(group) < self._group and (job := self._take()) is not None:
            group.append(job)

    def _take(self) -> _Job | None:
        """What waits, if anything does; the end, which is found there as well, goes on waiting."""
        try:
            job = self._jobs.get_nowait()
        except Empty:
            return None
        if job is None:
            self._jobs.put(None)
        return job

    def _commit(self, connection: SqliteConnection, group: list[_Job], files: list[str]) -> list[Any]:
        """One outcome for each job: together if that can be, else each alone, so that only the bad one fails."""
        try:
            return self._transact(connection, group, files)
        except Exception as error:  # noqa: BLE001  # it is handed to whoever asked
            if len(group) == 1 or _is_busy(error):
                return [_Failed(trouble(error)) for _ in group]
        outcomes = []
        for job in group:
            try:
                outcomes += self._transact(connection, [job], files)
            except Exception as error:  # noqa: BLE001  # it is handed to whoever asked
                outcomes.append(_Failed(trouble(error)))
        return outcomes

    def _transact(self, connection: SqliteConnection, group: list[_Job], files: list[str]) -> list[Any]:
        transaction = Transaction(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            together = Batch()
            for job in group:
                if job.batch is not None:
                    together.join(job.batch)
            together.write(transaction)
            outcomes = [None if job.operation is None else _outcome(job.operation, transaction) for job in group]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        files += transaction.files
        return outcomes


def _outcome(operation: Operation, transaction: Transaction) -> Any:
    """What an operation gives; a refusal concerns itself alone, since it has changed nothing."""
    try:
        return operation(transaction)
    except _REFUSALS as refusal:
        return _Failed(refusal)
