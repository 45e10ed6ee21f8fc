"""What greylisting remembers, in the database."""

from __future__ import annotations

from functools import partial

from mailstack.store import GreylistEntry, rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection

_CONTACT = "SELECT name, first, until FROM greylist WHERE name = ?"
_SET = "INSERT INTO greylist (name, first, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET first = excluded.first, until = excluded.until"
_FORGET = "DELETE FROM greylist WHERE until <= ?"
_SURPLUS = f"DELETE FROM greylist WHERE name IN (SELECT name FROM greylist ORDER BY until DESC LIMIT {2**62} OFFSET ?)"  # noqa: S608  # a number


class StoredContacts:
    """The part of `mailstack.store.Store` that keeps it."""

    _readers: ReaderPool
    _writer: WriterPool

    async def contact(self, name: str) -> GreylistEntry | None:
        return await self._readers.do(lambda connection: _contact(connection, name))

    async def set_contact(self, contact: GreylistEntry) -> None:
        await self._writer.do(partial(_set_contact, new=contact))

    async def forget_contacts(self, now: float, most: int) -> int:
        forgotten: int = await self._writer.do(partial(_forget_contacts, now=now, most=most))
        return forgotten


def _contact(connection: Connection, name: str) -> GreylistEntry | None:
    found = connection.execute(_CONTACT, (name,)).fetchall()
    return (
        rows.checked("greylist", name, lambda: GreylistEntry(name, float(found[0][1]), float(found[0][2])))
        if found
        else None
    )


def _set_contact(transaction: Transaction, new: GreylistEntry) -> None:
    transaction.execute(_SET, (new.name, new.first, new.until))


def _forget_contacts(transaction: Transaction, now: float, most: int) -> int:
    """How many were forgotten."""
    return transaction.execute(_FORGET, (now,)).rowcount + transaction.execute(_SURPLUS, (most,)).rowcount
