"""Write queue of a database, committed in groups."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from queue import Empty, SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailstack.store import StoreError
from mailstack.store.batch import Batch, Operation, Transaction
from mailstack.store.worker_threads import CallsFromThreads, Failed, tell, trouble

_REFUSALS = (StoreError, KeyError)


class Job:
    """A pending change: rows, or an operation."""

    __slots__ = ("batch", "deferred", "operation")

    def __init__(self, batch: Batch | None, operation: Operation | None) -> None:
        self.batch = batch
        self.operation = operation
        self.deferred: Deferred[Any] = Deferred()


class Writer(ABC):
    """States: made, open, closing, closed. What a thread does with the jobs is its database's business."""

    def __init__(self, reactor: CallsFromThreads, *, group: int, threads: int = 1) -> None:
        """`group`: most jobs in one transaction."""
        self._reactor = reactor
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
        """Start; fires when the database is there."""
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
        """To the thread that is free first."""
        self._jobs.put(job)

    # --- threads

    def _start(self, opened: Deferred[None]) -> None:
        """One more thread; in the reactor's."""
        self._running += 1
        name = f"mailstack-writer-{self._running}"
        threading.Thread(target=self._run, args=(opened,), name=name, daemon=True).start()

    def _cannot_open(self, opened: Deferred[None], error: BaseException) -> None:
        """From the thread that tried."""
        self._reactor.callFromThread(tell, [(opened, Failed(trouble(error)))])
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
        """What waits, if anything does; the end, which is found there as well, goes on waiting."""
        try:
            job = self._jobs.get_nowait()
        except Empty:
            return None
        if job is None:
            self._jobs.put(None)
        return job

    def _tell(self, group: list[Job], outcomes: list[Any]) -> None:
        self._reactor.callFromThread(tell, list(zip([job.deferred for job in group], outcomes, strict=True)))


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
    """What an operation gives; a refusal concerns itself alone, since it has changed nothing."""
    try:
        return operation(transaction)
    except _REFUSALS as refusal:
        return Failed(refusal)
