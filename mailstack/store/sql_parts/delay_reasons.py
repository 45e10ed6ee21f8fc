"""Delay reasons in the database: one row for each process."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from mailstack.store import rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.delay_reasons import DelayReason

_DELETE = "DELETE FROM delay_reasons WHERE owner = ?"
_INSERT = "INSERT INTO delay_reasons (owner, valid_until, reasons) VALUES (?, ?, ?)"
_CURRENT = "SELECT owner, reasons FROM delay_reasons WHERE valid_until > ? ORDER BY owner"
_decode = msgspec.json.Decoder(list[DelayReason]).decode


class SqlDelayReasons:
    """See `mailstack.store.delay_reasons.DelayReasonStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def publish(self, owner: str, reasons: Sequence[DelayReason], valid_until: float) -> None:
        text = rows.as_json(list(reasons)) if reasons else None
        await self._writer.do(partial(_publish, owner=owner, text=text, valid_until=valid_until))

    async def current(self, now: float) -> list[DelayReason]:
        return await self._readers.do(lambda connection: _current(connection, now))


def _publish(transaction: Transaction, owner: str, text: str | None, valid_until: float) -> None:
    transaction.execute(_DELETE, (owner,))
    if text is not None:
        transaction.execute(_INSERT, (owner, valid_until, text))


def _current(connection: Connection, now: float) -> list[DelayReason]:
    found: list[DelayReason] = []
    for owner, text in connection.execute(_CURRENT, (now,)).fetchall():
        found += rows.checked("delay_reasons", owner, partial(_decode, text))
    return found
