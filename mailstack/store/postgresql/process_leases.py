"""Process leases in a shared database, dead processes and transactions in doubt.

All times are the database's, so that differing clocks of machines do no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any

import psycopg
from msgspec import Struct

from mailstack.store import claims, rows, sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.claims import Claimed
from mailstack.store.connection import Connection
from mailstack.store.postgresql.connection import NOW
from mailstack.store.sql_parts.outbox import RECOVER
from mailstack.store.writer import Job

# ruff: noqa: S608  # no text is made of anything but our own names


_PREDECESSORS = "DELETE FROM process_leases WHERE owner = ? AND owner <> '' AND id <> ? RETURNING id"
_FREE_ALL = "DELETE FROM held_maildrops WHERE process = ?"
_JOIN = f"INSERT INTO process_leases (id, owner, program, until) VALUES (?, ?, ?, {NOW} + ?)"
_RENEW = f"UPDATE process_leases SET until = {NOW} + ? WHERE id = ?"
_LEAVE = "DELETE FROM process_leases WHERE id = ?"
_LATE = f"SELECT id, owner FROM process_leases WHERE until < {NOW} ORDER BY id FOR UPDATE SKIP LOCKED"
_HAS_SUCCESSOR = "SELECT 1 FROM process_leases WHERE owner = ? AND id <> ? LIMIT 1"
_TWIN = f"SELECT 1 FROM process_leases WHERE owner = ? AND id <> ? AND until > {NOW} LIMIT 1"
_LIVING = f"SELECT owner FROM process_leases WHERE owner <> '' AND until > {NOW} ORDER BY owner"
_TAKE = f"""INSERT INTO held_maildrops (mailbox, process) SELECT ?, id FROM process_leases WHERE id = ? AND until > {NOW}
    ON CONFLICT (mailbox) DO UPDATE SET process = excluded.process WHERE NOT EXISTS
    (SELECT 1 FROM process_leases WHERE process_leases.id = held_maildrops.process AND process_leases.until > {NOW})"""
_FREE = "DELETE FROM held_maildrops WHERE mailbox = ? AND process = ?"
_HELD = "SELECT mailbox FROM held_maildrops WHERE process = ?"
_HOLDS = "SELECT 1 FROM held_maildrops WHERE mailbox = ? AND process = ? FOR UPDATE"


def join(transaction: Transaction, life: str, owner: str, *, program: int, seconds: float, now: float) -> None:
    """Registers a process, or registers it again after others have released its claims.

    Releases the claims of its owner: those of an earlier process of the same name, or of this one.
    """
    for (dead,) in transaction.execute(_PREDECESSORS, (owner, life)).fetchall():
        transaction.execute(_FREE_ALL, (dead,))
    transaction.execute(_JOIN, (life, owner, program, seconds))
    if owner:
        _let_go(transaction, owner, now)


def renew(transaction: Transaction, life: str, seconds: float) -> bool:
    """Whether the lease could be extended; False: its claims were released."""
    return transaction.execute(_RENEW, (seconds, life)).rowcount == 1


def has_twin(transaction: Transaction, life: str, owner: str) -> bool:
    """Returns whether another live process has the same owner name: the two would release each other's claims."""
    return bool(owner) and bool(transaction.execute(_TWIN, (owner, life)).fetchall())


def leave(transaction: Transaction, life: str, owner: str, now: float) -> bool:
    """Deregisters a process and releases its unattempted claims. Returns whether it was still registered.

    If it was not, others have released its claims, and a successor of the same name may have claims of its own.
    """
    transaction.execute(_FREE_ALL, (life,))
    was_there = transaction.execute(_LEAVE, (life,)).rowcount == 1
    if owner and was_there:
        _let_go(transaction, owner, now)
    return was_there


def take_over(transaction: Transaction, now: float) -> list[str]:
    """Release the claims of processes with an expired lease; returns their owners. `now` is the database's time."""
    owners = []
    for life, owner in transaction.execute(_LATE).fetchall():
        transaction.execute(_FREE_ALL, (life,))
        # A restarted process with the same name has released them already, and has claims of its own.
        if owner and not transaction.execute(_HAS_SUCCESSOR, (owner, life)).fetchall():
            _let_go(transaction, owner, now)
            owners.append(owner)
        transaction.execute(_LEAVE, (life,))
    return owners


def _let_go(transaction: Transaction, owner: str, now: float) -> None:
    claims.recover(transaction, [owner], now)
    transaction.execute(RECOVER, (now, owner))


def living(connection: Connection) -> list[str]:
    """The owners that serve now."""
    return [owner for (owner,) in connection.execute(_LIVING)]


def take_maildrop(transaction: Transaction, mailbox: str, life: str) -> bool:
    """Whether a maildrop could be locked (RFC 1939 §4)."""
    return transaction.execute(_TAKE, (mailbox, life)).rowcount == 1


def free_maildrop(transaction: Transaction, mailbox: str, life: str) -> None:
    transaction.execute(_FREE, (mailbox, life))


def may_have_strays(connection: Connection, life: str, held: Callable[[], Collection[str]]) -> bool:
    """Whether it is worth to look closer; one that is being freed just now looks like one."""
    return bool({mailbox for (mailbox,) in connection.execute(_HELD, (life,))} - set(held()))


def free_strays(transaction: Transaction, life: str, held: Callable[[], Collection[str]]) -> list[str]:
    """Free what this life holds by the database, but not by itself: it could not be freed, or whether it was taken was lost.

    The rows are locked before `held` says what it holds, so that nothing is freed that is being taken.
    """
    locked = {mailbox for (mailbox,) in transaction.execute(f"{_HELD} FOR UPDATE", (life,))}
    strays = sorted(locked - set(held()))
    for mailbox in strays:
        free_maildrop(transaction, mailbox, life)
    return strays


def holds_maildrop(transaction: Transaction, mailbox: str, life: str) -> bool:
    """Whether it is still locked by this life; until the transaction ends it stays so."""
    return bool(transaction.execute(_HOLDS, (mailbox, life)).fetchall())


_ENDED = "SELECT number FROM commits WHERE writer = ? FOR UPDATE NOWAIT"
_END_COUNT = "DELETE FROM commits WHERE writer = ?"
_LETTER, _NUMBER, _ATTEMPTS, _CLAIMED_BY = map(rows.DELIVERY_ROW.index, ("letter", "number", "attempts", "claimed_by"))


class InDoubtTransaction(Struct, frozen=True):
    """One transaction."""

    writer: str
    """The row of `commits` that it holds while it has not ended."""
    claimed: list[Any]
    """Letter, number and attempts of each delivery that it claims."""


class InDoubtTransactions:
    """In-doubt transactions of a process; used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doubts: list[InDoubtTransaction] = []

    def add(self, writer: str, group: Iterable[Job], outcomes: Iterable[Any]) -> None:
        """A connection of this name was lost when the group was committed, of which this would have come."""
        claimed: list[Any] = []
        width = len(rows.DELIVERY_ROW)
        for job in group:
            flat = job.batch.deliveries if job.batch is not None else []
            for start in range(0, len(flat), width):
                row = flat[start : start + width]
                if row[_CLAIMED_BY] is not None:
                    claimed += (row[_LETTER], row[_NUMBER], row[_ATTEMPTS])
        for outcome in outcomes:
            if isinstance(outcome, Claimed):
                for one in [each for claim in outcome.claims for each in claim.deliveries]:
                    claimed += (one.letter, one.number, one.attempts)
        with self._lock:
            self._doubts.append(InDoubtTransaction(writer, claimed))

    def waiting(self) -> list[InDoubtTransaction]:
        with self._lock:
            return list(self._doubts)

    def settle(self, transaction: Transaction, doubt: InDoubtTransaction, owner: str, now: float) -> None:
        """Let go of what it claimed. Raises psycopg.errors.LockNotAvailable while it has not ended."""
        transaction.execute(_ENDED, (doubt.writer,)).fetchall()
        transaction.execute(_END_COUNT, (doubt.writer,))
        for part in pieces(doubt.claimed, 3):
            transaction.execute(sql.let_go_of(len(part) // 3), (now, now, now, now, owner, *part))

    def is_settled(self, doubt: InDoubtTransaction) -> None:
        with self._lock:
            self._doubts.remove(doubt)


def has_not_ended(error: psycopg.Error) -> bool:
    """Whether a transaction still holds its row."""
    return isinstance(error, psycopg.errors.LockNotAvailable)
