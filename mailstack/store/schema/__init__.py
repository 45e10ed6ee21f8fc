"""Schema migrations, run forward and never back, and their tables and keys."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Literal

from msgspec import Struct

from mailstack.store import Damaged, StoreError

VERSION_TABLE = "schema_info"
PREVIEW_TABLE = "schema_version"
"""Version table of mailstack before 0.1; its schemas can't be migrated."""

_FILE = re.compile(r"(\d{4})_\w+\.sql\Z")


class Migration(Struct, frozen=True):
    """One step from the version before to `version`."""

    version: int
    script: str
    """SQL statements, each ended by a semicolon at the end of a line."""


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """All that this program knows, in order; they come with the package. `folder`: None is SQLite's."""
    found = [
        Migration(int(name.group(1)), file.read_text("utf-8"))
        for file in (folder or resources.files(__name__)).iterdir()
        if (name := _FILE.match(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def migrate(connection: sqlite3.Connection, known: list[Migration]) -> int:
    """Bring the database to the newest version that is known, in one transaction; its version.

    The connection is in autocommit mode. Raises StoreError when a newer program has written the database.
    """
    newest = known[-1].version
    # A database that is up to date is only read, so that a command never waits here for a busy server.
    if _stored_version(connection) == newest:
        return newest
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _stored_version(connection) or 0
        if version > newest:
            raise StoreError(
                f"the database has schema version {version}, this program knows {newest}: start the newer mailstack that"
                " wrote it, or restore a backup of before"
            )
        if version == 0:
            connection.execute("CREATE TABLE schema_info (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO schema_info (version) VALUES (0)")
        for migration in known:
            if migration.version > version:
                for statement in _statements(migration.script):
                    connection.execute(statement)
        connection.execute("UPDATE schema_info SET version = ?", (newest,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return newest


def made_before(version: object) -> StoreError:
    """Error for a store of mailstack before 0.1."""
    return StoreError(
        f"this store was made by a mailstack before 0.1 (schema version {version}), and can't be read by this one: write"
        " its mailboxes to files with the mailstack that made it (`mailstack export`), start on an empty store, and put"
        " them into it (`mailstack import`)"
    )


def _stored_version(connection: sqlite3.Connection) -> int | None:
    """None for a new database. Raises StoreError for a database from before version 0.1."""
    found = connection.execute(
        "SELECT name FROM sqlite_master WHERE name IN (?, ?)", (VERSION_TABLE, PREVIEW_TABLE)
    ).fetchall()
    if (PREVIEW_TABLE,) in found:
        raise made_before(_number_in(connection, PREVIEW_TABLE))
    return _number_in(connection, VERSION_TABLE) if found else None


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a database that has one. Raises StoreError."""
    if (version := _stored_version(connection)) is None:
        raise StoreError("there is no table schema_info: the database holds no store")
    return version


def has_newest(connection: sqlite3.Connection) -> bool:
    """Whether the database has the newest schema that this program knows. Raises StoreError."""
    return _stored_version(connection) == migrations()[-1].version


def _number_in(connection: sqlite3.Connection, table: str) -> int:
    rows = connection.execute(f"SELECT version FROM {table}").fetchall()  # noqa: S608  # one of our names
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise StoreError(f"the table {table} does not hold one version: the database is damaged")
    return int(rows[0][0])


def _statements(script: str) -> list[str]:
    statements, lines = [], []
    for line in script.splitlines():
        lines.append(line)
        if line.rstrip().endswith(";"):
            statements.append("\n".join(lines))
            lines = []
    return statements


Kind = Literal["TEXT", "INTEGER", "REAL", "BLOB"]
Row = tuple[Any, ...]
"""Values in the order of `Table.columns`."""
Key = tuple[Any, ...]
"""Values in the order of `Table.key`."""

_TYPES: dict[str, type] = {"TEXT": str, "INTEGER": int, "REAL": float, "BLOB": bytes}


class Table(Struct, frozen=True):
    """One table of the newest schema."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    nullable: tuple[bool, ...]
    key: tuple[str, ...]
    """The columns that no two rows share, in the order of their index."""

    def key_of(self, row: Row) -> Key:
        return tuple(row[self.columns.index(name)] for name in self.key)

    def checked(self, row: Row) -> Row:
        """The row; raises Damaged when a value is not of its column's kind."""
        for value, kind, column, nullable in zip(row, self.kinds, self.columns, self.nullable, strict=True):
            if type(value) is not _TYPES[kind] and not (value is None and nullable):
                raise Damaged(f"table {self.name}, {self.key_of(row)!r:.200}: {column} holds no {kind}: {value!r:.40}")
        return row


@cache
def tables() -> tuple[Table, ...]:
    """All tables that hold what a server keeps, in the order in which they came; contents, which may be large, last."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection, migrations())
        named = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name = 'contents', rowid"
        ).fetchall()
        return tuple(_table(connection, name) for (name,) in named if name != VERSION_TABLE)


def _table(connection: sqlite3.Connection, name: str) -> Table:
    columns = connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,)).fetchall()
    key = [column for column, _, _, place in sorted(columns, key=lambda each: each[3]) if place]
    return Table(
        name,
        tuple(column for column, *_ in columns),
        tuple(kind for _, kind, *_ in columns),
        tuple(not notnull for _, _, notnull, _ in columns),
        tuple(key or _unique(connection, name)),
    )


def _unique(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of the unique constraint of a table that has no primary key."""
    found = connection.execute(
        "SELECT column.name FROM pragma_index_list(?) AS list JOIN pragma_index_info(list.name) AS column"
        " WHERE list.origin = 'u' ORDER BY column.seqno",
        (table,),
    ).fetchall()
    return [name for (name,) in found]
