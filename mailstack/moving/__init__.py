"""Moves an office from one store to another: row by row in the order of keys, and able to go on where it was killed.

`Side` is one store for who moves it, beneath all that an office does with it; blocking, for a command has nothing else to
do. `directory` is the one of a data directory; `copying` copies, and `comparing` looks whether two sides hold the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.store.tables import Key, Row, Table


class CannotMove(Exception):
    """It can't be done as things are; nothing was lost. str() says why and what to do about it."""


class Progress(Struct, frozen=True):
    """How far a copy is: all tables before `table` are there, and of that one what is not after `after`."""

    source: str
    table: str = ""
    """Empty: nothing is there yet."""
    after: Key = ()


class Said(Struct, frozen=True):
    """One thing that was done, for people who wait."""

    what: str
    """"copied", "read" or "compared"."""
    table: str
    done: int
    """Rows of it so far."""
    of: int
    """Rows of it in all."""


Say = Callable[[Said], object]


class Side(Protocol):
    """One store that nobody else uses meanwhile, read as it was at one moment. All calls raise StoreError."""

    name: str
    """What people call it, without a password: part of what makes a copy the same."""

    def close(self) -> None:
        """Let go of it."""

    def count(self, table: Table) -> int:
        """How many rows it has."""

    def rows(self, table: Table, after: Key = ()) -> Iterator[Row]:
        """Those whose key is greater, in the order of the keys; all of them for (). Raises Damaged for a value of a wrong kind."""

    def letters(self, statement: str) -> Iterator[str]:
        """The ids that a SELECT of one column gives, which SQLite and PostgreSQL both take."""

    def places(self, letter: str) -> list[str]:
        """The mailboxes that a letter is in, and the recipients that it waits for; some of them, for people."""

    def integrity(self) -> Iterator[str]:
        """What the database itself finds wrong with its pages, indexes and references, a line each."""

    def octets(self, name: str) -> Iterator[bytes] | None:
        """The large content of this name; None where it is outside of this store, and stays where it is."""


class Target(Side, Protocol):
    """One that is filled."""

    def begin(self, source: str) -> Progress:
        """Make the schema, and mark it as unfinished; how far a copy that was begun before came.

        Raises CannotMove when something else is there.
        """

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        """Have a large content for good before its row comes; its name here. The same again does no harm.

        What reading the octets raises goes through, and nothing is there under that name.
        """

    def name_of(self, name: str) -> str:
        """The name here of a large content that has this one where it comes from."""

    def write(self, table: Table, rows: Sequence[Row], progress: Progress) -> None:
        """Add rows and say how far that is, in one transaction."""

    def finish(self) -> None:
        """Take the mark away: from now on an office may begin here."""
