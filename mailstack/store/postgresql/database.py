"""PostgreSQL connections with timeouts, a watchdog and back-off, and their reader threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql as names
from psycopg.conninfo import conninfo_to_dict
from twisted.internet.defer import Deferred

from mailstack.store import StoreError
from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.connection import PostgresConnection, trouble
from mailstack.store.writer import CallsFromThreads, Workers


class Cuttable(Protocol):
    """A connection."""

    def cut(self) -> None:
        """Closes the connection; may be called from any thread."""


class Watch:
    """One thread, which begins with the first thing to watch, and ends soon after `close`."""

    def __init__(self, seconds: float, look: float = 0.5) -> None:
        """`seconds` that anything may take. `look`: seconds between two looks."""
        self._seconds = seconds
        self._look = look
        self._lock = threading.Lock()
        self._deadlines: dict[Cuttable, float] = {}
        self._wake = threading.Event()
        self._closed = False
        self._running = False

    @contextmanager
    def over(self, connection: Cuttable) -> Iterator[None]:
        """Cut the connection if what is done within takes too long."""
        with self._lock:
            self._deadlines[connection] = time.monotonic() + self._seconds
            if not self._running and not self._closed:
                self._running = True
                threading.Thread(target=self._run, name="mailstack-watch", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.pop(connection, None)

    def close(self) -> None:
        """Watch no more."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._wake.wait(self._look):
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Shut down each connection with an expired deadline, once."""
        with self._lock:
            # Under the lock: a closed connection's descriptor may belong to another file.
            for connection in [each for each, end in self._deadlines.items() if end <= now]:
                del self._deadlines[connection]
                connection.cut()


_OPTIONAL = (
    # What the server acknowledges is on its disk, whatever its default is; more than that (remote_apply) stays.
    """SELECT set_config('synchronous_commit', 'on', FALSE) WHERE current_setting('synchronous_commit') = 'off'""",
    "SET jit = off",
    # Every statement has its index, and few rows to find by it. Where a table was small when the database last looked, it
    # would read all of it instead, and go on so for as long as it keeps the plan.
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET random_page_cost = 1.1",
    # A machine that vanished keeps its locks no longer than this.
    "SET tcp_keepalives_idle = 5",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
)
"""Settings of a session that what only speaks PostgreSQL's protocol may not have."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds after which a database that can't be reached is tried again."""


def parameters_of(url: str) -> dict[str, str]:
    """Parameters of libpq from a URL. Raises StoreError, without quoting text that may contain a password."""
    try:
        found: Mapping[str, Any] = conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError(
            "`store` is no connection URI as PostgreSQL has them: postgresql://user@host:port/database?sslmode=verify-full"
        ) from None
    return {name: str(value) for name, value in found.items() if value is not None}


def shown(url: str) -> str:
    """A URL for people: where it leads, without password."""
    found = parameters_of(url)
    hosts = ",".join(
        f"{host}:{port}" if port else host
        for host, port in zip(
            found.get("host", "localhost").split(","), (found.get("port", "").split(",") * 99), strict=False
        )
    )
    user = f"{found['user']}@" if "user" in found else ""
    return f"postgresql://{user}{hosts}/{found.get('dbname', '')}"


class Database:
    """Factory of connections, in any thread. During an outage each request fails at once."""

    def __init__(self, reach: DatabaseAddress, name: str = "mailstack") -> None:
        """`name` is what the database's own lists call us. Raises StoreError for a URL that is none."""
        self.reach = reach
        self.watch = Watch(reach.timeout)
        ours = {
            "application_name": name[:63],
            "keepalives": "1",
            "keepalives_idle": "5",
            "keepalives_interval": "2",
            "keepalives_count": "3",
            "tcp_user_timeout": str(int(reach.timeout * 1000)),
            # Of several hosts the one that may be written to, and of one host none that may not.
            "target_session_attrs": "read-write",
            "connect_timeout": str(max(1, round(reach.connect_timeout))),
        }
        self._parameters = {**ours, **parameters_of(reach.url)}
        self._lock = threading.Lock()
        self._pause = _FIRST_PAUSE
        self._closed_until = 0.0
        self._trouble = StoreError("the database was not tried yet")
        self._given_up = False

    def __str__(self) -> str:
        return shown(self.reach.url)

    def refusal(self) -> StoreError | None:
        """Why nothing can be done at this moment, if that is so."""
        return self._trouble if self._given_up or time.monotonic() < self._closed_until else None

    def give_up(self, why: StoreError) -> None:
        """Refuses all further use by this process."""
        self._trouble, self._given_up = why, True

    def connect(self, set_up: Callable[[PostgresConnection], object] = lambda _: None) -> PostgresConnection:
        """A new one, which `set_up` makes fit for its use. Raises StoreError; at once while it failed just now."""
        if (refusal := self.refusal()) is not None:
            raise StoreError(str(refusal))
        try:
            connection = self._connected()
            try:
                with self.watch.over(connection):
                    self._settle_in(connection)
                    set_up(connection)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            found = trouble(error)
            assert isinstance(found, StoreError)
            self._failed(found)
            raise found from error
        with self._lock:
            self._pause, self._closed_until = _FIRST_PAUSE, 0.0
        return connection

    def _connected(self) -> PostgresConnection:
        return PostgresConnection(psycopg.connect(autocommit=True, **self._parameters))  # type: ignore[arg-type]

    def _failed(self, found: StoreError) -> None:
        """Refuse new connections for a moment, which grows with each failure."""
        with self._lock:
            now = time.monotonic()
            if now >= self._closed_until:
                self._closed_until = now + self._pause
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self._trouble = found

    def _settle_in(self, connection: PostgresConnection) -> None:
        """The settings of a session."""
        milliseconds = str(int(self.reach.timeout * 1000))
        connection.execute(
            """SELECT set_config('statement_timeout', ?, FALSE), set_config('lock_timeout', ?, FALSE),
                set_config('idle_in_transaction_session_timeout', ?, FALSE), set_config('TimeZone', 'UTC', FALSE),
                set_config('client_min_messages', 'warning', FALSE)""",
            (milliseconds, milliseconds, milliseconds),
        )
        for statement in _OPTIONAL:
            try:
                connection.execute(statement)
            except psycopg.Error:
                if connection.is_lost:
                    raise
        if self.reach.schema:
            connection.raw.execute(names.SQL("SET search_path TO {}").format(names.Identifier(self.reach.schema)))


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
    """Threads like `mailstack.store.writer.Workers`, with connections; calls fail at once during an outage."""

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
