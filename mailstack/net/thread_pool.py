"""Thread pool, bounded, with a time limit at shutdown; SCRAM keys of clients."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl.client import Derive
from mailstack.protocols.sasl.scram_keys import salted

_log = logging.getLogger(__name__)

EXIT_TIMEOUT_S = 28.0
"""Seconds after the start of a shutdown at which the process exits in any case; a master kills its workers earlier."""
JOIN_TIMEOUT_S = 5.0
"""Seconds that the shutdown waits for the reactor's own threads."""


class PoolFull(Exception):
    """All threads are busy and the queue is full; or the pool is closed."""


class _Job:
    """One job. States: waiting, started, cancelled before its start."""

    __slots__ = ("deferred", "is_begun", "is_dropped", "work")

    def __init__(self, work: Callable[[], Any], deferred: Deferred[Any]) -> None:
        self.work = work
        self.deferred = deferred
        self.is_begun = False
        self.is_dropped = False


class BoundedPool:
    """Pool of daemon threads, started on demand; the process does not wait for them at its end."""

    def __init__(self, reactor: Any, name: str, threads: int, max_waiting: int) -> None:
        """`threads` is the maximum number of threads, `max_waiting` that of jobs in the queue."""
        self._reactor = reactor
        self._name = name
        self._threads = threads
        self._max_jobs = threads + max_waiting
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._jobs: set[_Job] = set()
        """Jobs that are waiting or running."""
        self._started = 0
        self._lock = threading.Lock()
        """Lock for the state of jobs."""
        self._closed = False

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """The result of `work`. Raises PoolFull. A job that is cancelled before its start is never called."""
        if self._closed or len(self._jobs) >= self._max_jobs:
            raise PoolFull("shutting down" if self._closed else f"{len(self._jobs)} jobs are waiting or running")
        job = _Job(work, Deferred(lambda _: self._drop(job)))
        self._jobs.add(job)
        if self._started < min(self._threads, len(self._jobs)):
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()
            self._started += 1
        self._queue.put(job)
        return job.deferred

    def close(self) -> None:
        """Drop the jobs that wait; running jobs continue."""
        self._closed = True
        for job in list(self._jobs):
            self._drop(job)
            if job.is_dropped:
                job.deferred.errback(Failure(PoolFull("shutting down")))
        for _ in range(self._started):
            self._queue.put(None)

    def _drop(self, job: _Job) -> None:
        with self._lock:
            job.is_dropped = not job.is_begun
        if job.is_dropped:
            self._jobs.discard(job)

    def _work(self) -> None:
        """Runs in a thread."""
        while (job := self._queue.get()) is not None:
            with self._lock:
                job.is_begun = not job.is_dropped
            if job.is_begun:
                try:
                    result = job.work()
                except BaseException:  # noqa: BLE001  # the caller gets it as a Failure
                    result = Failure()
                self._reactor.callFromThread(self._end, job, result)
                del result
            del job

    def _end(self, job: _Job, result: Any) -> None:
        self._jobs.discard(job)
        if not job.deferred.called:
            job.deferred.callback(result)


def limit_shutdown_time(reactor: Any) -> None:
    """Makes a process exit at most `EXIT_TIMEOUT_S` seconds after the start of its shutdown, even with busy threads."""
    pool = reactor.getThreadPool()
    pool.threadFactory = partial(threading.Thread, daemon=True)
    pool.stop = partial(_stop_within, pool.stop, JOIN_TIMEOUT_S)
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: threading.Thread(target=_exit_later, args=(EXIT_TIMEOUT_S,), daemon=True).start()
    )


def _stop_within(stop: Callable[[], None], seconds: float) -> None:
    stopping = threading.Thread(target=stop, daemon=True)
    stopping.start()
    stopping.join(seconds)
    if stopping.is_alive():
        _log.error("threads are still running %g s after the shutdown; exiting without them", seconds)


def _exit_later(seconds: float) -> None:
    """Runs in a thread."""
    time.sleep(seconds)
    _log.critical("the shutdown took more than %g s; exiting now", seconds)
    os._exit(1)


def derive_in_thread(reactor: Any, clock: Clock, *, remember: float = 3600.0, capacity: int = 16) -> Derive:
    """Function that calls `salted` in the reactor's thread pool, and caches results for `remember` seconds."""
    cached: TTLCache[tuple[str, bytes, int], bytes] = TTLCache(clock.steady, remember, capacity)

    async def derive(password: str, salt: bytes, iterations: int) -> bytes:
        key = (password, salt, iterations)
        found = cached.get(key)
        if found is None:
            pool = reactor.getThreadPool()
            found = cast("bytes", await deferToThreadPool(reactor, pool, salted, password, salt, iterations))
            cached.put(key, found)
        return found

    return derive
