"""Database connection interface for the store's statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from mailstack.letter import LetterId


class Cursor(Protocol):
    """What came of a statement."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Statements are those of `mailstack.store.sql`: parameters are `?`."""

    @property
    def IntegrityError(self) -> type[Exception]:  # noqa: N802  # as the DB-API has it
        """Raised for a row that is there already."""

    @property
    def has_one_writer(self) -> bool:
        """Whether no other connection can write until this transaction ends."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Cursor: ...

    def fetch(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:
        """The rows of a SELECT of these columns, however many, at the least price."""

    def fetch_free(self, statement: str, columns: tuple[str, ...], parameters: Sequence[Any]) -> list[Any]:
        """Lock and return those of the rows that no other transaction has locked."""

    def hold_mailbox(self, name: str) -> list[Any]:
        """Lock a mailbox until this transaction ends; its id and validity, in a row if it exists."""

    def uncollected(self, mailbox: int, uids: Sequence[int]) -> list[Any]:
        """Unfetched deliveries in a locked mailbox: rows of `sql.UNCOLLECTED`, locked too."""

    def take_out(self, mailbox: int, uids: Sequence[int]) -> list[LetterId]:
        """Remove entries of a mailbox that is held, and count it anew; the letters that they were."""

    def drop_unneeded(self, letters: Sequence[LetterId]) -> list[str]:
        """Remove those contents that no delivery or mailbox needs; returns the names of the large ones."""

    def listing(self, mailbox: int, after: int, limit: int) -> tuple[str | None, int | None]:
        """Entries of a mailbox in order, as lines of uid, size and letter; and the last uid. None, None for none."""

    def small_contents(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        """Those contents that are in rows and were found, as they are."""

    def small_letters(self, mailbox: str, uids: Sequence[int]) -> dict[int, bytes]:
        """The same of letters in a mailbox, by uid, with their trace fields on top; without those that are not as they should be."""

    def close(self) -> None: ...
