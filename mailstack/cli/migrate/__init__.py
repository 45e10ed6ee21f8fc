"""Migration of a store: dump of one, restore into another, and verification of both.

`StoreEndpoint` is what a dump is read from, and `RestoreTarget` what it is restored into. `directory` has both for a
data directory, `database` for a PostgreSQL database, `verify` for an object store behind either. All calls block:
a command has nothing else to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.store.schema import Row, Table


class CannotMove(Exception):
    """Migration refused; nothing was lost. str() gives the reason and the remedy."""


class Progress(Struct, frozen=True):
    """Progress of one step in one table."""

    what: str
    """Step: "copied", "read" or "compared"."""
    table: str
    done: int
    """Number of rows done so far."""
    total: int
    """Number of rows in the table."""


OnProgress = Callable[[Progress], object]


class StoreEndpoint(Protocol):
    """Store at one moment, locked against servers and writing commands. All calls raise StoreError."""

    name: str
    """Path or URL for messages, without a password."""

    def close(self) -> None:
        """Release locks and connections."""

    def count(self, table: Table) -> int:
        """Return the number of rows."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield all rows in the order of their keys."""

    def letters(self, statement: str) -> Iterator[str]:
        """Yield the single column of a SELECT that SQLite and PostgreSQL both accept."""

    def places(self, letter: str) -> list[str]:
        """Return some mailboxes and waiting recipients of a letter, for messages."""

    def integrity(self) -> Iterator[str]:
        """Yield the database's own complaints about its pages, indexes and references."""

    def octets(self, name: str) -> Iterator[bytes] | None:
        """Yield a large content; None for one in an object store."""


class RestoreTarget(StoreEndpoint, Protocol):
    """Empty store that a dump is restored into.

    Nothing of it is visible to a server before `commit`. If the target is closed before that, or its process
    is killed, it stays empty.
    """

    def keep(self, name: str, octets: Iterable[bytes]) -> str:
        """Store a large content durably before its row; return its name here.

        An exception from `octets` passes through, and nothing has the name then.
        """

    def name_of(self, name: str) -> str:
        """Return the name here of a large content that could not be read."""

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows of a dump."""

    def commit(self) -> None:
        """Make the restored store durable and visible."""
