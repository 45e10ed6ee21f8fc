"""Database connection interface, database address, and change marker for caches of other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol

from mailstack.letter import LetterId
from mailstack.protocols.log import Redacted


class Cursor(Protocol):
    """Result of a statement."""

    @property
    def rowcount(self) -> int:
        """Number of changed rows."""

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Statements are those of `mailstack.store.sql`: parameters are `?`."""

    @property
    def IntegrityError(self) -> type[Exception]:  # noqa: N802  # as the DB-API has it
        """Duplicate row."""

    @property
    def has_one_writer(self) -> bool:
        """Whether no other connection can write until this transaction ends."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor: ...

    def fetch(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:
        """The rows of a SELECT of these columns, however many, at the least price."""

    def fetch_free(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:
        """Lock and return those of the rows that no other transaction has locked."""

    def hold_mailbox(self, name: str) -> list[Any]:
        """Lock a mailbox until this transaction ends; row of `imap_sql.HELD`, if it exists."""

    def uncollected(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        """Unfetched deliveries in a locked mailbox: rows of `sql.UNCOLLECTED`, locked too."""

    def take_out(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        """Removes entries of a locked mailbox; returns rows of `imap_sql.TAKEN`. The caller counts."""

    def drop_unneeded(self, letters: Sequence[LetterId]) -> list[str]:
        """Remove those contents that no delivery or mailbox needs; returns the names of the large ones."""

    def listing(self, mailbox: int, after: int, limit: int) -> tuple[str | None, int | None]:
        """Entries of a mailbox in order, as lines of uid, size and letter; and the last uid. None, None for none."""

    def small_contents(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        """Contents in rows, unchanged; missing ones are left out."""

    def small_letters(self, mailbox: str, uids: Sequence[int]) -> dict[int, bytes]:
        """The same of letters in a mailbox, by uid, with their trace fields on top; without those that are not as they should be."""

    def close(self) -> None: ...


class DatabaseAddress(Redacted, frozen=True):
    """Address of PostgreSQL, or of a server with its protocol."""

    SECRETS: ClassVar[tuple[str, ...]] = ("url",)

    url: str
    """Connection string for libpq, which adds defaults from the environment, its files and the password file."""
    schema: str = ""
    """The PostgreSQL schema; empty: as the role's search_path says."""
    connect_timeout: float = 3.0
    """Total timeout in seconds for a connection."""
    timeout: float = 15.0
    """Seconds that a change or a question may take."""


SETTLING = 5_000_000_000
"""Nanoseconds from a mark to the end of the change that it is for: one commit."""


class ChangeMark(Protocol):
    """Another value after each change of the accounts, whichever process made it."""

    def seen(self) -> int:
        """Another number after each `set`."""

    def set(self) -> None:
        """Something changes, or has changed."""


class ChangeMarker:
    """Marker in the modification time of an empty file. Reading it costs one system call.

    It is set before a change is durable, for a process killed after the commit sets nothing, and once more after it. A
    read between the two sees data from before the change, so a new mark compares as different at each read.
    """

    def __init__(self, path: Path, now: Callable[[], int] = time.time_ns) -> None:
        """`now`: nanoseconds since 1970."""
        self._path = path
        self._now = now

    def seen(self) -> int:
        """Another number after each `set`, and until what it was set for must have ended; 0 while there is no file."""
        try:
            mark = self._path.stat().st_mtime_ns
        except OSError:
            return 0
        now = self._now()
        # Below zero, so that it is never what a mark says.
        return -now if 0 <= now - mark < SETTLING else mark

    def set(self) -> None:
        """Mark a change that is about to happen or has happened. If that fails, caches stay valid a little longer."""
        # Written out, for the system's own time of a file is exact to some milliseconds only.
        now = self._now()
        with suppress(OSError):
            os.utime(self._path, ns=(now, now))
