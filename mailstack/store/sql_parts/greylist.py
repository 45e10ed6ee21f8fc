"""Greylist in the database."""

from __future__ import annotations

from functools import partial

from mailstack.store import rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.greylist import GreylistEntry

_FIND = "SELECT name, first, until FROM greylist WHERE name = ?"
_SET = "INSERT INTO greylist (name, first, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET first = excluded.first, until = excluded.until"
_EXPIRED = "DELETE FROM greylist WHERE until <= ?"
_SURPLUS = f"DELETE FROM greylist WHERE name IN (SELECT name FROM greylist ORDER BY until DESC LIMIT {2**62} OFFSET ?)"  # noqa: S608  # a number


class SqlGreylist:
    """See `mailstack.store.greylist.GreylistStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def find(self, name: str) -> GreylistEntry | None:
        return await self._readers.do(lambda connection: _find(connection, name))

    async def set(self, entry: GreylistEntry) -> None:
        await self._writer.do(partial(_set, new=entry))

    async def purge(self, now: float, max_entries: int) -> int:
        count: int = await self._writer.do(partial(_purge, now=now, max_entries=max_entries))
        return count


def _find(connection: Connection, name: str) -> GreylistEntry | None:
    found = connection.execute(_FIND, (name,)).fetchall()
    return (
        rows.checked("greylist", name, lambda: GreylistEntry(name, float(found[0][1]), float(found[0][2])))
        if found
        else None
    )


def _set(transaction: Transaction, new: GreylistEntry) -> None:
    transaction.execute(_SET, (new.name, new.first, new.until))


def _purge(transaction: Transaction, now: float, max_entries: int) -> int:
    """Returns the number of deleted entries."""
    return transaction.execute(_EXPIRED, (now,)).rowcount + transaction.execute(_SURPLUS, (max_entries,)).rowcount
