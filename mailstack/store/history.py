"""Letters that are past: what is forgotten of them, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailstack.letter import LetterId
from mailstack.store import sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.connection import Connection


def prunable(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[LetterId]:
    """The letters that `sql.FORGOTTEN` or `sql.SURPLUS` give."""
    return [letter for (letter,) in connection.execute(statement, parameters)]


def forget(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> int:
    """Remove those of `letters` that nobody owes, nor keeps in a mailbox unless `kept_too`; how many."""
    count = 0
    for part in pieces(list(letters), 1):
        if not transaction.connection.has_one_writer:
            _hold(transaction, part, kept_too=kept_too)
        statement = sql.still(len(part), kept_too=kept_too)
        ids = [letter for (letter,) in transaction.execute(statement, part)]
        if ids:
            count += len(ids)
            if kept_too:
                transaction.execute(sql.lighten_all(len(ids)), (*ids, *ids))
                transaction.execute(sql.leave_mailboxes(len(ids)), ids)
            transaction.drop_contents(ids)
            for deletion in sql.forget(len(ids)):
                transaction.execute(deletion, ids)
    return count


def _hold(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> None:
    """Have nobody else decide meanwhile to need one of them, or count what their mailboxes hold."""
    if kept_too:
        transaction.execute(sql.hold_mailboxes_of(len(letters)), letters).fetchall()
    transaction.hold_contents(letters)
