"""Table columns and keys, read from the schema's migrations."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from typing import Any, Literal

from msgspec import Struct

from mailstack.store import Damaged
from mailstack.store.schema import VERSION_TABLE, migrate, migrations

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
