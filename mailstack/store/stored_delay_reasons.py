"""What running processes tell of hosts and destinations, in the database: a row for each process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from mailstack.store import rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.delay_reasons import DelayReason

_FORGET = "DELETE FROM delay_reasons WHERE owner = ?"
_TELL = "INSERT INTO delay_reasons (owner, valid_until, reasons) VALUES (?, ?, ?)"
_TOLD = "SELECT owner, reasons FROM delay_reasons WHERE valid_until > ? ORDER BY owner"
_decode = msgspec.json.Decoder(list[DelayReason]).decode


class StoredConditions:
    """The part of `mailstack.store.Store` that keeps them."""

    _readers: ReaderPool
    _writer: WriterPool

    async def tell_conditions(self, owner: str, conditions: Sequence[DelayReason], valid_until: float) -> None:
        told = rows.as_json(list(conditions)) if conditions else None
        await self._writer.do(partial(_tell, owner=owner, told=told, valid_until=valid_until))

    async def conditions(self, now: float) -> list[DelayReason]:
        return await self._readers.do(lambda connection: _conditions(connection, now))


def _tell(transaction: Transaction, owner: str, told: str | None, valid_until: float) -> None:
    transaction.execute(_FORGET, (owner,))
    if told is not None:
        transaction.execute(_TELL, (owner, valid_until, told))


def _conditions(connection: Connection, now: float) -> list[DelayReason]:
    found: list[DelayReason] = []
    for owner, told in connection.execute(_TOLD, (now,)).fetchall():
        found += rows.checked("delay_reasons", owner, partial(_decode, told))
    return found
