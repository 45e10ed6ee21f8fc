"""SQLite store in memory, with one connection and no threads."""

from __future__ import annotations

import atexit
import sqlite3
from collections.abc import Awaitable, Callable
from functools import cache
from math import inf
from typing import Any, TypeVar

from mailstack.letter import Content
from mailstack.letter.letter import Octets
from mailstack.store import ContentWriter
from mailstack.store.batch import Batch, Operation, Transaction
from mailstack.store.connection import Connection
from mailstack.store.contents import WritingInMemory
from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.schema import migrate, migrations
from mailstack.store.settings import StoreSettings
from mailstack.store.sql_parts.contents import SqlContents
from mailstack.store.sql_store import SqlStore
from mailstack.store.sqlite.connection import SqliteConnection
from mailstack.store.writer import trouble

T = TypeVar("T")


class RowContents(SqlContents):
    """Contents of a store without large contents: every content is in a row."""

    def new(self) -> ContentWriter:
        return WritingInMemory()

    async def sweep(self) -> int:
        """Finds nothing."""
        return 0

    async def own(self, content: Content) -> Content:
        return content if isinstance(content, Octets) else await self._copy(content)


class InMemoryStore(SqlStore):
    """See `mailstack.store.Store`. Its coroutines never wait, and no other process sees what it holds.

    What is stored stays after `close`, so that a server can be started again on the same store.
    """

    contents_class = RowContents

    def __init__(self, *, archiving: bool = False) -> None:
        super().__init__(StoreSettings(recent_octets=0, address_seconds=inf, archiving=archiving))
        connection = _connect()
        no_large_contents: Any = None  # `RowContents` uses none
        self._build(_Reader(connection), _Writer(connection, self.changes), no_large_contents, addresses=_Version())

    async def open(self) -> None:
        """Does nothing: the schema exists already."""

    async def close(self) -> None:
        """Does nothing."""

    def lock_server(self) -> None:
        """Does nothing: no other process sees this store."""

    def claims_valid_since(self) -> float | None:
        return 0.0

    def on_external_change(self, callback: Callable[[], None]) -> None:
        """Does nothing."""


class _Connection(SqliteConnection):
    """Connection that is closed with its last user: `InMemoryStore.close` leaves it open."""

    def __del__(self) -> None:
        self.close()


class _Version:
    """Number of changes of the accounts, in the place of a `Mark`."""

    def __init__(self) -> None:
        self._changes = 1

    def seen(self) -> int:
        return self._changes

    def set(self) -> None:
        self._changes += 1


class _Reader:
    """Runs queries at once, where a store on disk has threads for them."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    async def do(self, job: Callable[[Connection], T]) -> T:
        try:
            return job(self._connection)
        except sqlite3.Error as error:
            raise trouble(error) from error


class _Writer:
    """Runs each change at once, in a transaction of its own."""

    def __init__(self, connection: SqliteConnection, changes: MailboxChanges) -> None:
        self._connection = connection
        self._changes = changes

    def write(self, batch: Batch) -> Awaitable[None]:
        return self.do(batch.write)

    async def do(self, operation: Operation) -> Any:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(connection)
            result = operation(transaction)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise trouble(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        self._changes.publish(transaction.changed)
        return result


@cache
def _template() -> sqlite3.Connection:
    """Database with the schema and nothing else, since a copy costs a twentieth of what making it does."""
    made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    atexit.register(made.close)
    migrate(made, migrations())
    return made


def _connect() -> SqliteConnection:
    connection = sqlite3.connect(
        ":memory:", isolation_level=None, cached_statements=256, check_same_thread=False, factory=_Connection
    )
    _template().backup(connection)
    connection.execute("PRAGMA secure_delete = OFF")
    return connection
