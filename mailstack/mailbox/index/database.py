"""Database of the index: schema, a thread for writes, and threads for reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from mailstack.store.data_directory import Location
from mailstack.store.locks import Turn
from mailstack.store.writer import CallsFromThreads, Workers

VERSION = 9

TABLES = """
CREATE TABLE letters (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    arrived REAL NOT NULL,
    size INTEGER NOT NULL,
    attachments INTEGER NOT NULL,
    inline INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    flagged INTEGER NOT NULL DEFAULT 0,
    deleted TEXT -- token of the undo
);
-- The constant part of each letter, as JSON: apart, so that marking many letters writes little.
CREATE TABLE items (
    number INTEGER NOT NULL PRIMARY KEY,
    item TEXT NOT NULL
);
-- All searched columns but texts, so that a scan of all letters reads only this index.
CREATE INDEX letters_shown ON letters (number, unread, arrived, size, attachments, inline) WHERE deleted IS NULL;
CREATE INDEX letters_unread ON letters (number) WHERE unread = 1 AND deleted IS NULL;
CREATE INDEX letters_flagged ON letters (number) WHERE flagged = 1 AND deleted IS NULL;
CREATE INDEX letters_by_arrival ON letters (arrived, number);
CREATE INDEX letters_deleted ON letters (deleted, number) WHERE deleted IS NOT NULL;

-- Subject and people, folded: narrow, for scans.
CREATE TABLE heads (
    number INTEGER NOT NULL PRIMARY KEY,
    head TEXT NOT NULL
);

-- Addresses by field, for searches by a whole address or domain.
CREATE TABLE addresses (
    field TEXT NOT NULL,
    address TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (field, address, number)
) WITHOUT ROWID;
CREATE INDEX addresses_of ON addresses (number);

CREATE TABLE tags (
    tag TEXT NOT NULL, -- folded
    number INTEGER NOT NULL,
    name TEXT NOT NULL, -- as written
    PRIMARY KEY (tag, number)
) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (number);

-- Accounts that have each letter.
CREATE TABLE holders (
    mailbox TEXT NOT NULL,
    number INTEGER NOT NULL,
    is_sender INTEGER NOT NULL,
    hidden TEXT, -- deleted by this account while others have it: token of the undo
    PRIMARY KEY (mailbox, number)
) WITHOUT ROWID;
CREATE INDEX holders_of ON holders (number);
CREATE INDEX holders_hidden ON holders (hidden, number) WHERE hidden IS NOT NULL;

-- Number of letters of each holder, and of all (""); updated by `writes.counted`, so that no list counts rows.
CREATE TABLE counts (
    mailbox TEXT NOT NULL,
    is_sender INTEGER NOT NULL,
    total INTEGER NOT NULL,
    unread INTEGER NOT NULL,
    PRIMARY KEY (mailbox, is_sender)
) WITHOUT ROWID;
INSERT INTO counts VALUES ('', 0, 0, 0);

CREATE TABLE copies (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX copies_of ON copies (number);

-- End of the undo time of each deletion.
CREATE TABLE undoing (
    token TEXT NOT NULL PRIMARY KEY,
    until REAL NOT NULL, -- seconds since 1970
    claimed INTEGER NOT NULL DEFAULT 0 -- an undo is under way
) WITHOUT ROWID;

-- Events between the processes of one server; only the newest, and only while a stream is open.
CREATE TABLE news (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    text TEXT NOT NULL -- JSON
);

-- Name of this file's sequence of events.
CREATE TABLE run (name TEXT NOT NULL);
INSERT INTO run VALUES (lower(hex(randomblob(4))));

-- State of each mailbox up to which its flags are followed.
CREATE TABLE followed (
    mailbox TEXT NOT NULL PRIMARY KEY,
    validity INTEGER NOT NULL,
    modseq INTEGER NOT NULL
) WITHOUT ROWID;

-- Number of the last indexed letter of the archive.
CREATE TABLE progress (number INTEGER NOT NULL);
INSERT INTO progress (number) VALUES (0);
"""


COLUMNS = ("subject", "author", "recipients", "copied", "hidden", "reply", "message", "words")
"""Searched columns, the short ones first, which are read from the beginning of a row."""

HEAD = COLUMNS[:-1]
"""Columns of `headed`, without the text, so that a search for a subject reads short posting lists."""

INDEX = "fts5"
"""SQLite module of full-text indices."""

SEARCHED = {"searched": COLUMNS, "headed": HEAD}
"""Trigram indices by number of letter. Without FTS5 and trigrams (SQLite 3.34) they are plain, slower tables."""


def set_up(connection: sqlite3.Connection) -> None:
    """Creates missing tables, and replaces tables of another version."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) == VERSION:
        # Another process has just created them.
        connection.execute("COMMIT")
        return
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name in SEARCHED or not name.startswith(("sqlite_", *[f"{each}_" for each in SEARCHED])):
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in TABLES.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    for name, columns in SEARCHED.items():
        try:
            connection.execute(f"CREATE VIRTUAL TABLE {name} USING {INDEX}({', '.join(columns)}, tokenize = 'trigram')")
        except sqlite3.OperationalError:
            connection.execute(f"CREATE TABLE {name} (rowid INTEGER PRIMARY KEY, {', '.join(columns)})")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def has_trigrams(connection: sqlite3.Connection) -> bool:
    """Whether `searched` is an index of trigrams."""
    found = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'searched'").fetchone()
    return found is not None and "fts5" in str(found[0])


T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]

FILE = "index.sqlite3"
TURN = "index.turn"
TIMEOUT_S = 10.0
"""Seconds to wait for other processes."""


class IndexDatabase(Protocol):
    """Runs operations on the database of the index. They raise StoreError."""

    def read(self, operation: Operation[T]) -> Deferred[T]: ...

    def write(self, operation: Operation[T]) -> Deferred[T]:
        """Runs an operation in a transaction."""

    async def close(self) -> None:
        """Closes the database after all pending operations."""


class FileDatabase:
    """Index in a file. A power failure may lose the last changes: letters are indexed again, marks and tags are not."""

    def __init__(
        self, reactor: CallsFromThreads, directory: Path, *, reader_threads: int = 2, location: Location | None = None
    ) -> None:
        """`location` identifies the directory; nothing is written to another one in its place."""
        self._path = directory / FILE
        self._location = location or Location()
        self._turn = Turn(directory / TURN, TIMEOUT_S)
        self._writer = Workers(
            reactor, "mailstack-index-writer", 1, start=self._open_writer, stop=sqlite3.Connection.close
        )
        self._readers = Workers(
            reactor, "mailstack-index-reader", reader_threads, start=self._open_reader, stop=sqlite3.Connection.close
        )

    def _connect(self) -> sqlite3.Connection:
        # Creates no database, because the directory may have been moved away.
        url = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(url, uri=True, timeout=TIMEOUT_S, isolation_level=None, cached_statements=256)
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def _open_writer(self) -> sqlite3.Connection:
        self._location.check()
        # Letters are private, even in a directory that other users can read.
        self._path.touch(mode=0o600)
        connection = self._connect()
        # SQLite does not wait here: of two processes that create a database at once, one would get an error.
        with self._turn.acquired():
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
        """Runs an operation under a lock between processes, because SQLite waits by polling, at growing intervals."""
        self._location.check()
        with self._turn.acquired():
            return transact(connection, operation)

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()


def transact(connection: sqlite3.Connection, operation: Operation[T]) -> T:
    """Runs an operation in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = operation(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
