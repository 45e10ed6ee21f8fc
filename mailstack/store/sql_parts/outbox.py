"""Outbox in the database: journey steps pending for webhooks and copies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.logger import Logger

from mailstack.store import Damaged, rows, sql
from mailstack.store.batch import ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import Connection
from mailstack.store.outbox import RETRY_NOW, OutboxBacklog, OutboxEntry, OutboxSubscriptions, Wants

_log = Logger()

_ALL = ", ".join(rows.OUTBOX)
_DUE = f"SELECT {_ALL} FROM outbox WHERE target = ? AND due <= ? ORDER BY due, at LIMIT ?"  # noqa: S608
_CLAIM = "UPDATE outbox SET attempts = attempts + 1, claimed_by = ?, due = ? WHERE id IN "
_SENT = "DELETE FROM outbox WHERE claimed_by = ? AND id IN "
_DROP = "DELETE FROM outbox WHERE id = ?"
_AGAIN = "UPDATE outbox SET claimed_by = NULL, due = ?, trouble = ? WHERE claimed_by = ? AND id = ?"
RECOVER = "UPDATE outbox SET claimed_by = NULL, due = ? WHERE claimed_by = ?"
_NEXT = "SELECT MIN(due) FROM outbox WHERE target = ?"
_LIST = f"SELECT {_ALL} FROM outbox WHERE CAST(? AS TEXT) IS NULL OR target = ? ORDER BY at, id LIMIT ?"  # noqa: S608
_WAITING = "SELECT target, COUNT(*), MIN(at) FROM outbox GROUP BY target ORDER BY target"
_RETRY = "UPDATE outbox SET due = ? WHERE target = ? AND due > ? AND claimed_by IS NULL"
_COUNT = "SELECT COUNT(*) FROM outbox WHERE target = ?"
_FIRST = f"""UPDATE outbox SET due = {RETRY_NOW} WHERE id IN
    (SELECT id FROM outbox WHERE target = ? AND claimed_by IS NULL ORDER BY at, id LIMIT 1)"""  # noqa: S608
_TARGETS = "SELECT DISTINCT target FROM outbox"
_PURGE = """DELETE FROM outbox WHERE id IN
    (SELECT id FROM outbox WHERE target = ? AND at < ? AND (claimed_by IS NULL OR due <= ?) LIMIT ?)"""
_PURGED_AT_ONCE = 5000


class SqlOutbox:
    """See `mailstack.store.outbox.OutboxStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, subscriptions: OutboxSubscriptions) -> None:
        self._readers = readers
        self._writer = writer
        self._subscriptions = subscriptions

    def subscribe(self, target: str, wants: Wants) -> None:
        self._subscriptions.add(target, wants)

    async def add(self, entries: Sequence[OutboxEntry]) -> None:
        flat = [value for each in entries for value in rows.outbox_row(each)]
        await self._writer.do(lambda transaction: transaction.insert("outbox", rows.OUTBOX, flat))

    async def claim(self, target: str, owner: str, now: float, *, limit: int, lease: float) -> list[OutboxEntry]:
        claimed: list[OutboxEntry | Damaged] = await self._writer.do(
            partial(_claim, target=target, owner=owner, now=now, limit=limit, until=now + lease)
        )
        for damage in claimed:
            if isinstance(damage, Damaged):
                _log.error("an outbox entry is dropped, since it can't be read: {damage}", damage=damage)
        return [each for each in claimed if not isinstance(each, Damaged)]

    async def settle(self, owner: str, *, sent: Collection[str] = (), again: Sequence[OutboxEntry] = ()) -> None:
        await self._writer.do(partial(_settle, owner=owner, sent=list(sent), again=tuple(again)))

    async def recover(self, owner: str, now: float) -> int:
        return await self._change(RECOVER, (now, owner))

    async def next_due(self, target: str) -> float | None:
        return await self._readers.do(lambda connection: _next(connection, target))

    async def entries(self, target: str | None, limit: int) -> list[OutboxEntry]:
        return await self._readers.do(lambda connection: _list(connection, target, limit))

    async def backlogs(self) -> list[OutboxBacklog]:
        return await self._readers.do(_waiting)

    async def retry_now(self, target: str, now: float) -> int:
        count: int = await self._writer.do(partial(_retry_now, target=target, now=now))
        return count

    async def purge(self, target: str | None, before: float) -> int:
        targets = [target] if target is not None else await self._readers.do(_targets)
        return sum([await self._purge(each, before) for each in targets])

    async def _purge(self, target: str, before: float) -> int:
        """Purges in parts, so that no commit takes long."""
        total = 0
        while True:
            count = await self._change(_PURGE, (target, before, before, _PURGED_AT_ONCE))
            total += count
            if count < _PURGED_AT_ONCE:
                return total

    async def _change(self, statement: str, parameters: Sequence[Any]) -> int:
        """Number of changed rows."""
        count: int = await self._writer.do(lambda transaction: transaction.execute(statement, parameters).rowcount)
        return count


def _claim(
    transaction: Transaction, *, target: str, owner: str, now: float, limit: int, until: float
) -> list[OutboxEntry | Damaged]:
    claimed: list[OutboxEntry | Damaged] = []
    ids: list[str] = []
    for found in transaction.connection.fetch_free(_DUE, rows.OUTBOX, (target, now, limit)):
        try:
            each = rows.outbox_entry_from(found)
        except Damaged as damage:
            claimed.append(damage)
            transaction.execute(_DROP, (found[0],))
            continue
        ids.append(each.id)
        claimed.append(replace(each, due=until, attempts=each.attempts + 1, claimed_by=owner))
    for part in pieces(ids, 1):
        transaction.execute(_CLAIM + sql.placeholders(len(part)), (owner, until, *part))
    return claimed


def _settle(transaction: Transaction, owner: str, sent: list[str], again: Sequence[OutboxEntry]) -> None:
    for part in pieces(sent, 1):
        transaction.execute(_SENT + sql.placeholders(len(part)), (owner, *part))
    for each in again:
        transaction.execute(_AGAIN, (each.due, each.trouble, owner, each.id))


def _retry_now(transaction: Transaction, target: str, now: float) -> int:
    # Most were never tried, and are due already: few rows are touched, whatever waits.
    transaction.execute(_RETRY, (now, target, now))
    transaction.execute(_FIRST, (target,))
    ((count,),) = transaction.execute(_COUNT, (target,)).fetchall()
    return rows.checked("outbox", target, lambda: rows.number(count))


def _next(connection: Connection, target: str) -> float | None:
    ((due,),) = connection.execute(_NEXT, (target,)).fetchall()
    return None if due is None else rows.checked("outbox", target, lambda: float(due))


def _targets(connection: Connection) -> list[str]:
    return [rows.text(target) for (target,) in connection.execute(_TARGETS)]


def _list(connection: Connection, target: str | None, limit: int) -> list[OutboxEntry]:
    return [rows.outbox_entry_from(found) for found in connection.execute(_LIST, (target, target, limit))]


def _waiting(connection: Connection) -> list[OutboxBacklog]:
    def decode(found: Sequence[Any]) -> OutboxBacklog:
        return OutboxBacklog(rows.text(found[0]), rows.number(found[1]), float(found[2]))

    return [rows.checked("outbox", found[0], partial(decode, found)) for found in connection.execute(_WAITING)]
