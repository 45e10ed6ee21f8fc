"""PostgreSQL reader threads, each with a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred

from mailstack.store.postgresql.connection import PostgresConnection, trouble
from mailstack.store.postgresql.database import Database
from mailstack.store.worker_threads import CallsFromThreads, Workers

T = TypeVar("T")


class _Held:
    """One thread's connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: PostgresConnection | None = None

    def do(self, job: Callable[[PostgresConnection], T], *, once_more: bool) -> T:
        """`once_more`: on a new connection, if the one that was there turns out to be lost."""
        fresh = self._connection is None
        connection = self._connection = self._connection or self._database.connect()
        try:
            with self._database.watch.over(connection):
                return job(connection)
        except Exception:
            if not connection.is_lost:
                raise
            self.close()
            if fresh or not once_more:
                raise
        return self.do(job, once_more=False)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Connections:
    """Threads like `mailstack.store.worker_threads.Workers`, with connections; calls fail at once during an outage."""

    def __init__(
        self, reactor: CallsFromThreads, database: Database, name: str, threads: int, *, once_more: bool = False
    ) -> None:
        """`once_more`: whether what was lost on the way may be done again, as what only reads may."""
        self._once_more = once_more
        self._workers = Workers(
            reactor,
            name,
            threads,
            start=lambda: _Held(database),
            stop=_Held.close,
            trouble=trouble,
            refusal=database.refusal,
        )

    def do(self, job: Callable[[PostgresConnection], T], *, once_more: bool = False) -> Deferred[T]:
        """`once_more`: of this one job."""
        return self._workers.do(lambda held: held.do(job, once_more=once_more or self._once_more))

    def close(self) -> Deferred[None]:
        return self._workers.close()
