"""Process leases in a shared database, dead processes and transactions in entry.

All times are the database's, so that differing clocks of machines do no harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any

import psycopg
from msgspec import Struct

from mailstack.store import rows, sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.connection import Connection
from mailstack.store.postgresql.connection import NOW
from mailstack.store.sql_parts import claims
from mailstack.store.sql_parts.claims import Claimed
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
_DUPLICATE = f"SELECT 1 FROM process_leases WHERE owner = ? AND id <> ? AND until > {NOW} LIMIT 1"
_LIVE_OWNERS = f"SELECT owner FROM process_leases WHERE owner <> '' AND until > {NOW} ORDER BY owner"
_TAKE = f"""INSERT INTO held_maildrops (mailbox, process) SELECT ?, id FROM process_leases WHERE id = ? AND until > {NOW}
    ON CONFLICT (mailbox) DO UPDATE SET process = excluded.process WHERE NOT EXISTS
    (SELECT 1 FROM process_leases WHERE process_leases.id = held_maildrops.process AND process_leases.until > {NOW})"""
_FREE = "DELETE FROM held_maildrops WHERE mailbox = ? AND process = ?"
_HELD = "SELECT mailbox FROM held_maildrops WHERE process = ?"
_HOLDS = "SELECT 1 FROM held_maildrops WHERE mailbox = ? AND process = ? FOR UPDATE"


def join(transaction: Transaction, lease: str, owner: str, *, program: int, seconds: float, now: float) -> None:
    """Registers a process, or registers it again after others have released its claims.

    Releases the claims of its owner: those of an earlier process of the same name, or of this one.
    """
    for (dead,) in transaction.execute(_PREDECESSORS, (owner, lease)).fetchall():
        transaction.execute(_FREE_ALL, (dead,))
    transaction.execute(_JOIN, (lease, owner, program, seconds))
    if owner:
        _release(transaction, owner, now)


def renew(transaction: Transaction, lease: str, seconds: float) -> bool:
    """Extends a lease. False: it had expired, and its claims were released."""
    return transaction.execute(_RENEW, (seconds, lease)).rowcount == 1


def has_duplicate(transaction: Transaction, lease: str, owner: str) -> bool:
    """Returns whether another live process has the same owner name: the two would release each other's claims."""
    return bool(owner) and bool(transaction.execute(_DUPLICATE, (owner, lease)).fetchall())


def leave(transaction: Transaction, lease: str, owner: str, now: float) -> bool:
    """Deregisters a process and releases its unattempted claims. Returns whether it was still registered.

    If it was not, others have released its claims, and a successor of the same name may have claims of its own.
    """
    transaction.execute(_FREE_ALL, (lease,))
    was_there = transaction.execute(_LEAVE, (lease,)).rowcount == 1
    if owner and was_there:
        _release(transaction, owner, now)
    return was_there


def take_over(transaction: Transaction, now: float) -> list[str]:
    """Release the claims of processes with an expired lease; returns their owners. `now` is the database's time."""
    owners = []
    for lease, owner in transaction.execute(_LATE).fetchall():
        transaction.execute(_FREE_ALL, (lease,))
        # A restarted process with the same name has released them already, and has claims of its own.
        if owner and not transaction.execute(_HAS_SUCCESSOR, (owner, lease)).fetchall():
            _release(transaction, owner, now)
            owners.append(owner)
        transaction.execute(_LEAVE, (lease,))
    return owners


def _release(transaction: Transaction, owner: str, now: float) -> None:
    claims.recover(transaction, [owner], now)
    transaction.execute(RECOVER, (now, owner))


def live_owners(connection: Connection) -> list[str]:
    """Owners with a valid lease."""
    return [owner for (owner,) in connection.execute(_LIVE_OWNERS)]


def take_maildrop(transaction: Transaction, mailbox: str, lease: str) -> bool:
    """Tries to lock a maildrop; returns whether that succeeded (RFC 1939 §4)."""
    return transaction.execute(_TAKE, (mailbox, lease)).rowcount == 1


def free_maildrop(transaction: Transaction, mailbox: str, lease: str) -> None:
    transaction.execute(_FREE, (mailbox, lease))


def may_have_strays(connection: Connection, lease: str, held: Callable[[], Collection[str]]) -> bool:
    """Returns whether `free_strays` may find something; a maildrop that is being released counts."""
    return bool({mailbox for (mailbox,) in connection.execute(_HELD, (lease,))} - set(held()))


def free_strays(transaction: Transaction, lease: str, held: Callable[[], Collection[str]]) -> list[str]:
    """Releases maildrops locked in the database but not by the process: their release failed, or their lock was in doubt.

    The rows are locked before `held` is called, so that no maildrop is released that is just being locked.
    """
    locked = {mailbox for (mailbox,) in transaction.execute(f"{_HELD} FOR UPDATE", (lease,))}
    strays = sorted(locked - set(held()))
    for mailbox in strays:
        free_maildrop(transaction, mailbox, lease)
    return strays


def holds_maildrop(transaction: Transaction, mailbox: str, lease: str) -> bool:
    """Returns whether the lease holds the maildrop, and locks the row until the transaction ends."""
    return bool(transaction.execute(_HOLDS, (mailbox, lease)).fetchall())


_ENDED = "SELECT number FROM commits WHERE writer = ? FOR UPDATE NOWAIT"
_END_COUNT = "DELETE FROM commits WHERE writer = ?"
_LETTER, _NUMBER, _ATTEMPTS, _CLAIMED_BY = map(rows.DELIVERY_ROW.index, ("letter", "number", "attempts", "claimed_by"))


class InDoubtTransaction(Struct, frozen=True):
    """Transaction with an unknown outcome."""

    writer: str
    """Key of the row of `commits` that it locks while it runs."""
    claimed: list[Any]
    """Letter, number and attempts of each claimed delivery, in one list."""


class InDoubtTransactions:
    """In-doubt transactions of a process; used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[InDoubtTransaction] = []

    def add(self, writer: str, group: Iterable[Job], outcomes: Iterable[Any]) -> None:
        """Adds the transaction of a connection that was lost during the commit of `group`."""
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
            self._entries.append(InDoubtTransaction(writer, claimed))

    def waiting(self) -> list[InDoubtTransaction]:
        with self._lock:
            return list(self._entries)

    def settle(self, transaction: Transaction, entry: InDoubtTransaction, owner: str, now: float) -> None:
        """Releases the claims of a transaction. Raises psycopg.errors.LockNotAvailable while it runs."""
        transaction.execute(_ENDED, (entry.writer,)).fetchall()
        transaction.execute(_END_COUNT, (entry.writer,))
        for part in pieces(entry.claimed, 3):
            transaction.execute(sql.release_deliveries(len(part) // 3), (now, now, now, now, owner, *part))

    def is_settled(self, entry: InDoubtTransaction) -> None:
        with self._lock:
            self._entries.remove(entry)


def is_unfinished(error: psycopg.Error) -> bool:
    """Whether a transaction still holds its row."""
    return isinstance(error, psycopg.errors.LockNotAvailable)
