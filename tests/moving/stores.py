"""Offices made by hypothesis: any rows in every table, contents in rows and in files; and a copy that is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mailstack.moving import Progress, Said, Target
from mailstack.store import sql
from mailstack.store.digests import digest_of
from mailstack.store.schema import migrate, migrations
from mailstack.store.sqlite import DATABASE
from mailstack.store.tables import Key, Row, Table, tables

Office = dict[str, list[Row]]
"""The rows of each table; a content that is a pair of a name and octets is in a file."""

SMALL = {"warned", "utf8", "priority"}
"""Columns of which another database may have a narrower type."""

_texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
_values: dict[str, st.SearchStrategy[Any]] = {
    "TEXT": _texts,
    "INTEGER": st.integers(0, 2**62),
    "REAL": st.floats(allow_nan=False, allow_infinity=False).map(lambda time: time + 0.0),  # SQLite has no -0.0
    "BLOB": st.binary(max_size=200),
}


def _value(table: Table, place: int) -> st.SearchStrategy[Any]:
    strategy = st.integers(0, 1) if table.columns[place] in SMALL else _values[table.kinds[place]]
    return st.none() | strategy if table.nullable[place] else strategy


def _rows(table: Table) -> st.SearchStrategy[list[Row]]:
    if table.name == "contents":
        return st.dictionaries(_texts, st.binary(max_size=300), max_size=4).map(_contents)
    row = st.tuples(*(_value(table, place) for place in range(len(table.columns))))
    return st.lists(row, max_size=5, unique_by=(table.key_of, *_uniques(table)))


def _uniques(table: Table) -> list[Any]:
    """What else no two rows share."""
    others = {"mailboxes": ("name",), "entries": ("letter", "number")}.get(table.name)
    return [lambda row: tuple(row[table.columns.index(name)] for name in others)] if others else []


def _contents(octets: dict[str, bytes]) -> list[Row]:
    """Every second one in a file."""
    return [
        (letter, f"{number:032x}" if number % 2 else None, each, digest_of(each))
        for number, (letter, each) in enumerate(octets.items())
    ]


offices: st.SearchStrategy[Office] = st.fixed_dictionaries({table.name: _rows(table) for table in tables()})


def write_office(directory: Path, office: Office) -> None:
    directory.mkdir(parents=True)
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        migrate(connection, migrations())
        for table in tables():
            for row in office[table.name]:
                values = list(row)
                if table.name == "contents" and row[1] is not None:
                    path = directory / "contents" / row[1][:2] / row[1]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(row[2])
                    values[2] = None
                connection.execute(sql.insert(table.name, table.columns, 1), values)


def silent(_: Said) -> None:
    """Tells nobody."""


class Killed(BaseException):
    """No except clause of the program catches it."""


class Mortal:
    """A target that is killed after so many of the things that it does; it counts the rows that it was given."""

    def __init__(self, target: Target, lives: int) -> None:
        self._target = target
        self.lives = lives
        self.written = 0
        self.name = target.name

    def _live(self) -> None:
        if self.lives == 0:
            raise Killed
        self.lives -= 1

    def begin(self, source: str) -> Progress:
        self._live()
        progress = self._target.begin(source)
        self._live()
        return progress

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        self._live()
        kept = self._target.keep(name, self._living(octets))
        self._live()
        return kept

    def _living(self, octets: Iterable[bytes]) -> Iterator[bytes]:
        for part in octets:
            self._live()
            yield part

    def write(self, table: Table, rows: Sequence[Row], progress: Progress) -> None:
        self._live()
        self._target.write(table, rows, progress)
        self.written += len(rows)
        self._live()

    def finish(self) -> None:
        self._target.finish()

    def close(self) -> None:
        self._target.close()

    def count(self, table: Table) -> int:
        return self._target.count(table)

    def rows(self, table: Table, after: Key = ()) -> Iterator[Row]:
        return self._target.rows(table, after)

    def letters(self, statement: str) -> Iterator[str]:
        return self._target.letters(statement)

    def octets(self, name: str) -> Iterator[bytes] | None:
        return self._target.octets(name)

    def places(self, letter: str) -> list[str]:
        return self._target.places(letter)

    def integrity(self) -> Iterator[str]:
        return self._target.integrity()

    def name_of(self, name: str) -> str:
        return self._target.name_of(name)
