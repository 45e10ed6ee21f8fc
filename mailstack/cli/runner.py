"""Runners of commands: store access without a reactor, and calls in a reactor."""

from __future__ import annotations

import collections
import contextlib
import os
import queue
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailstack.cli.output import CommandError
from mailstack.cli.target import TargetServer, has_database
from mailstack.store import Store, StoreError
from mailstack.store.settings import StoreSettings
from mailstack.store.sql_store import SqlStore
from mailstack.store.sqlite.connection import is_current
from mailstack.store.sqlite.store import DATABASE, SqliteStore

T = TypeVar("T")

TIMEOUT_S = 60.0
"""Maximum seconds to wait for a thread of the store."""


class Pending(Generic[T]):
    """Running coroutine."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.results: list[T | Failure] = []
        Deferred.fromCoroutine(work).addBoth(self.results.append)


class StoreRunner:
    """Minimal reactor for threads: `callFromThread` and the time."""

    seconds = staticmethod(time.time)

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()

    def callFromThread(self, callable: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: A002, N802 - Twisted's names
        self._calls.put(lambda: callable(*args, **kwargs))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of a coroutine. Raises its exception, or TimeoutError."""
        return self.wait_for(Pending(work))

    def wait_for(self, pending: Pending[T]) -> T:
        """Result of a running coroutine; other coroutines continue. Raises its exception, or TimeoutError."""
        while not pending.results:
            try:
                call = self._calls.get(timeout=TIMEOUT_S)
            except queue.Empty:
                raise TimeoutError from None
            call()
        result = pending.results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result


class OpenStore:
    """Store of a target, as a context manager; a server may have it open at the same time."""

    def __init__(self, target: TargetServer, *, announces: bool = True, only_reads: bool = False) -> None:
        """`announces`: whether changes are published to webhooks.

        With `only_reads`, an SQLite database with the latest schema is opened read-only, so that it works on a read-only disk.
        """
        self._place = target
        self._data = target.data
        self._runner = StoreRunner()
        store = _store(self._runner, target, only_reads=only_reads)
        self.store: Store = store
        self._now = store.now
        if announces and target.settings is not None and target.settings.webhooks:
            from mailstack.server.wiring.webhooks import subscribe

            subscribe(target.settings, self.store)

    def __enter__(self) -> Self:
        before = set(self._data.iterdir()) if self._data.is_dir() else None
        self.run(self.store.open())
        if self._now is not None:
            self._place.ahead.seconds = self._now() - time.time()
        if before is not None and os.geteuid() == 0:
            set_owner(self._data, set(self._data.iterdir()) - before)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.store.close())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Result of a call to the store. Raises CommandError for a StoreError, else the exception of the call."""
        return self._result(Pending(work))

    def run_each(self, works: Iterable[Coroutine[Any, Any, T]], *, batch: int = 64) -> Iterator[T]:
        """Results in order; several calls run at once, so that the store commits them together. Raises as `run`."""
        under_way: collections.deque[Pending[T]] = collections.deque()
        for work in works:
            under_way.append(Pending(work))
            if len(under_way) >= batch:
                yield self._result(under_way.popleft())
        while under_way:
            yield self._result(under_way.popleft())

    def _result(self, pending: Pending[T]) -> T:
        try:
            return self._runner.wait_for(pending)
        except StoreError as error:
            raise CommandError(str(error)) from error
        except TimeoutError as error:
            raise CommandError(
                f"the store did not answer within {TIMEOUT_S:.0f} s; check the load of its disk"
            ) from error


def _store(runner: StoreRunner, target: TargetServer, *, only_reads: bool) -> SqlStore:
    """Store of a server, with its archive, so that submitted letters appear in the inbox."""
    settings = target.settings
    read_only = only_reads and not has_database(target) and is_current(target.data / DATABASE)
    if settings is None:
        return SqliteStore(runner, target.data, StoreSettings(archiving=True), read_only=read_only)
    from mailstack.server.wiring.store import content_objects

    archiving = settings.index.enabled
    try:
        large, limit = content_objects(settings, runner), settings.contents.above
        if not settings.store.url:
            store_settings = StoreSettings(memory_limit=limit, archiving=archiving)
            return SqliteStore(runner, target.data, store_settings, large=large, read_only=read_only)
        from mailstack.server.wiring.store import database_address
        from mailstack.store.postgresql.store import PostgresStore

        reach = database_address(settings)
        store_settings = StoreSettings(1, 1, limit, archiving=archiving)
        return PostgresStore(runner, reach, settings=store_settings, large=large)
    except StoreError as error:
        raise CommandError(str(error)) from error


def set_owner(data: Path, made: Iterable[Path]) -> None:
    """Gives files created by root to the owner of the data directory."""
    owner = data.stat()
    for path in made:
        # A file may disappear at any time, such as the write-ahead log when the database is closed.
        with contextlib.suppress(FileNotFoundError):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def run_reactor(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Start the reactor, run `work(reactor)` to its end, stop; once a process. Raises what the coroutine raises."""
    from twisted.internet import reactor

    results: list[T | Failure] = []

    def begin() -> None:
        done = Deferred.fromCoroutine(work(reactor))
        done.addBoth(results.append)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if not results:
        raise KeyboardInterrupt
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
    return result
