"""Transactions in doubt: their outcome is unknown, and their claims are released later.

The caller got an error and so does not hold these claims. Without their release the deliveries would wait for the end
of the lease, hours later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import psycopg
from msgspec import Struct

from mailstack.store import rows, sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.claims import Claimed
from mailstack.store.writer import Job

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
    """Those of a process; used from several threads."""

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
