"""Steps that other programs are still to be told of, in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.logger import Logger

from mailstack.store import Damaged, rows, sql
from mailstack.store.batch import ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import Connection
from mailstack.store.outbox_types import RETRY_NOW, OutboxBacklog, OutboxEntry, OutboxSubscriptions, Wants

_log = Logger()

_ALL = ", ".join(rows.ANNOUNCEMENT)
_DUE = f"SELECT {_ALL} FROM outbox WHERE target = ? AND due <= ? ORDER BY due, at LIMIT ?"  # noqa: S608
_CLAIM = "UPDATE outbox SET attempts = attempts + 1, claimed_by = ?, due = ? WHERE id IN "
_TOLD = "DELETE FROM outbox WHERE claimed_by = ? AND id IN "
_DROP = "DELETE FROM outbox WHERE id = ?"
_AGAIN = "UPDATE outbox SET claimed_by = NULL, due = ?, trouble = ? WHERE claimed_by = ? AND id = ?"
RECOVER = "UPDATE outbox SET claimed_by = NULL, due = ? WHERE claimed_by = ?"
_NEXT = "SELECT MIN(due) FROM outbox WHERE target = ?"
_LIST = f"SELECT {_ALL} FROM outbox WHERE CAST(? AS TEXT) IS NULL OR target = ? ORDER BY at, id LIMIT ?"  # noqa: S608
_WAITING = "SELECT target, COUNT(*), MIN(at) FROM outbox GROUP BY target ORDER BY target"
_HURRY = "UPDATE outbox SET due = ? WHERE target = ? AND due > ? AND claimed_by IS NULL"
_COUNT = "SELECT COUNT(*) FROM outbox WHERE target = ?"
_FIRST = f"""UPDATE outbox SET due = {RETRY_NOW} WHERE id IN
    (SELECT id FROM outbox WHERE target = ? AND claimed_by IS NULL ORDER BY at, id LIMIT 1)"""  # noqa: S608
_TARGETS = "SELECT DISTINCT target FROM outbox"
_FORGET = """DELETE FROM outbox WHERE id IN
    (SELECT id FROM outbox WHERE target = ? AND at < ? AND (claimed_by IS NULL OR due <= ?) LIMIT ?)"""
_FORGOTTEN_AT_ONCE = 5000


class StoredAnnouncements:
    """The part of `mailstack.store.Store` that keeps them."""

    _readers: ReaderPool
    _writer: WriterPool
    _subscriptions: OutboxSubscriptions

    def announce(self, target: str, wants: Wants) -> None:
        self._subscriptions.add(target, wants)

    async def add_announcements(self, announcements: Sequence[OutboxEntry]) -> None:
        flat = [value for each in announcements for value in rows.announcement_row(each)]
        await self._writer.do(lambda transaction: transaction.insert("outbox", rows.ANNOUNCEMENT, flat))

    async def claim_announcements(
        self, target: str, owner: str, now: float, *, limit: int, lease: float
    ) -> list[OutboxEntry]:
        claimed: list[OutboxEntry | Damaged] = await self._writer.do(
            partial(_claim, target=target, owner=owner, now=now, limit=limit, until=now + lease)
        )
        for damage in claimed:
            if isinstance(damage, Damaged):
                _log.error("an announcement is dropped, since it can't be read: {damage}", damage=damage)
        return [each for each in claimed if not isinstance(each, Damaged)]

    async def settle_announcements(
        self, owner: str, *, told: Collection[str] = (), again: Sequence[OutboxEntry] = ()
    ) -> None:
        await self._writer.do(partial(_settle, owner=owner, told=list(told), again=tuple(again)))

    async def recover_announcements(self, owner: str, now: float) -> int:
        return await self._change(RECOVER, (now, owner))

    async def next_announcement(self, target: str) -> float | None:
        return await self._readers.do(lambda connection: _next(connection, target))

    async def announcements(self, target: str | None, limit: int) -> list[OutboxEntry]:
        return await self._readers.do(lambda connection: _list(connection, target, limit))

    async def waiting_announcements(self) -> list[OutboxBacklog]:
        return await self._readers.do(_waiting)

    async def hurry_announcements(self, target: str, now: float) -> int:
        count: int = await self._writer.do(partial(_hurry, target=target, now=now))
        return count

    async def forget_announcements(self, target: str | None, before: float) -> int:
        targets = [target] if target is not None else await self._readers.do(_targets)
        return sum([await self._forget(each, before) for each in targets])

    async def _forget(self, target: str, before: float) -> int:
        """In parts, so that no commit waits long."""
        total = 0
        while True:
            count = await self._change(_FORGET, (target, before, before, _FORGOTTEN_AT_ONCE))
            total += count
            if count < _FORGOTTEN_AT_ONCE:
                return total

    async def _change(self, statement: str, parameters: Sequence[Any]) -> int:
        """How many rows it touched."""
        count: int = await self._writer.do(lambda transaction: transaction.execute(statement, parameters).rowcount)
        return count


def _claim(
    transaction: Transaction, *, target: str, owner: str, now: float, limit: int, until: float
) -> list[OutboxEntry | Damaged]:
    claimed: list[OutboxEntry | Damaged] = []
    ids: list[str] = []
    for found in transaction.connection.fetch_free(_DUE, rows.ANNOUNCEMENT, (target, now, limit)):
        try:
            each = rows.announcement_from(found)
        except Damaged as damage:
            claimed.append(damage)
            transaction.execute(_DROP, (found[0],))
            continue
        ids.append(each.id)
        claimed.append(replace(each, due=until, attempts=each.attempts + 1, claimed_by=owner))
    for part in pieces(ids, 1):
        transaction.execute(_CLAIM + sql.marks(len(part)), (owner, until, *part))
    return claimed


def _settle(transaction: Transaction, owner: str, told: list[str], again: Sequence[OutboxEntry]) -> None:
    for part in pieces(told, 1):
        transaction.execute(_TOLD + sql.marks(len(part)), (owner, *part))
    for each in again:
        transaction.execute(_AGAIN, (each.due, each.trouble, owner, each.id))


def _hurry(transaction: Transaction, target: str, now: float) -> int:
    # Most were never tried, and are due already: few rows are touched, whatever waits.
    transaction.execute(_HURRY, (now, target, now))
    transaction.execute(_FIRST, (target,))
    ((count,),) = transaction.execute(_COUNT, (target,)).fetchall()
    return rows.checked("outbox", target, lambda: rows.number(count))


def _next(connection: Connection, target: str) -> float | None:
    ((due,),) = connection.execute(_NEXT, (target,)).fetchall()
    return None if due is None else rows.checked("outbox", target, lambda: float(due))


def _targets(connection: Connection) -> list[str]:
    return [rows.text(target) for (target,) in connection.execute(_TARGETS)]


def _list(connection: Connection, target: str | None, limit: int) -> list[OutboxEntry]:
    return [rows.announcement_from(found) for found in connection.execute(_LIST, (target, target, limit))]


def _waiting(connection: Connection) -> list[OutboxBacklog]:
    def decode(found: Sequence[Any]) -> OutboxBacklog:
        return OutboxBacklog(rows.text(found[0]), rows.number(found[1]), float(found[2]))

    return [rows.checked("outbox", found[0], partial(decode, found)) for found in connection.execute(_WAITING)]
