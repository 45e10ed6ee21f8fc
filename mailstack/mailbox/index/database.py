"""Database of the index: a thread for writes, and threads for reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from mailstack.mailbox.index.schema import set_up
from mailstack.store.directory_check import Location
from mailstack.store.locks import Turn
from mailstack.store.worker_threads import CallsFromThreads, Workers

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

FILE = "index.sqlite3"
TURN = "index.turn"
PATIENCE = 10.0
"""Seconds to wait for other processes."""


class IndexDatabase(Protocol):
    """Runs operations on it; they raise StoreError when it can't be used."""

    def read(self, operation: Operation[T]) -> Deferred[T]: ...

    def write(self, operation: Operation[T]) -> Deferred[T]:
        """In a transaction."""

    async def close(self) -> None:
        """Once all that was asked is done."""


class FileDatabase:
    """On disk. A power cut may cost the last changes: letters come again from the archive, marks and tags don't."""

    def __init__(
        self,
        reactor: CallsFromThreads,
        directory: Path,
        *,
        reader_threads: int = 2,
        location: Location | None = None,
    ) -> None:
        """`location`: of the directory; nothing is made or written in another one that took its place."""
        self._path = directory / FILE
        self._location = location or Location()
        self._turn = Turn(directory / TURN, PATIENCE)
        self._writer = Workers(
            reactor, "mailstack-index-writer", 1, start=self._open_writer, stop=sqlite3.Connection.close
        )
        self._readers = Workers(
            reactor,
            "mailstack-index-reader",
            reader_threads,
            start=self._open_reader,
            stop=sqlite3.Connection.close,
        )

    def _connect(self) -> sqlite3.Connection:
        # Never makes a database, as it would where the directory was moved away.
        url = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(url, uri=True, timeout=PATIENCE, isolation_level=None, cached_statements=256)
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _open_writer(self) -> sqlite3.Connection:
        self._location.check()
        # Letters are private, also where the directory is readable by others.
        self._path.touch(mode=0o600)
        connection = self._connect()
        # SQLite does not wait here: of two processes that create a database at once, one would get an error.
        with self._turn.taken():
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        set_up(connection)
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only = TRUE")
        connection.execute("PRAGMA cache_size = -32768")
        return connection

    def read(self, operation: Operation[T]) -> Deferred[T]:
        return self._readers.do(operation)

    def write(self, operation: Operation[T]) -> Deferred[T]:
        return self._writer.do(lambda connection: self._in_turn(connection, operation))

    def _in_turn(self, connection: sqlite3.Connection, operation: Operation[T]) -> T:
        """SQLite's own way to wait for another process is to look again and again, ever more seldom."""
        self._location.check()
        with self._turn.taken():
            return transact(connection, operation)

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()


def transact(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    """Run an operation in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = operation(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
