"""Pruning of the history of finished letters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.store import sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.connection import Connection

PageStart = tuple[float, str]
"""Arrival time and id of a letter."""

START: PageStart = (-math.inf, "")


class PrunablePage(Struct, frozen=True):
    """Some letters that are past, in their order."""

    prunable: list[LetterId]
    """Letters of the page without pending deliveries or mailbox entries."""
    last: PageStart | None
    """Start of the next page; None: this page is the last."""


def prunable(connection: Connection, server: str, before: float, after: PageStart, limit: int) -> PrunablePage:
    """The next of the letters that arrived `before`."""
    rows = list(connection.execute(sql.PRUNABLE, (before, server, *after, limit)))
    last = (rows[-1][1], rows[-1][0]) if len(rows) == limit else None
    return PrunablePage([letter for letter, _, unneeded in rows if unneeded], last)


def surplus(connection: Connection, server: str, keep: int, limit: int) -> list[LetterId]:
    """Letters beyond the newest `keep` without pending deliveries."""
    return [letter for (letter,) in connection.execute(sql.SURPLUS, (server, keep, limit))]


def delete(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> int:
    """Delete those of `letters` without pending deliveries, nor entries unless `kept_too`; returns the number."""
    count = 0
    for part in pieces(list(letters), 1):
        if not transaction.connection.has_one_writer:
            _lock(transaction, part, kept_too=kept_too)
        statement = sql.still_prunable(len(part), kept_too=kept_too)
        ids = [letter for (letter,) in transaction.execute(statement, part)]
        if ids:
            count += len(ids)
            if kept_too:
                transaction.execute(sql.subtract_octets_of_letters(len(ids)), (*ids, *ids))
                transaction.execute(sql.remove_entries_of(len(ids)), ids)
            transaction.drop_contents(ids)
            for deletion in sql.delete_letters(len(ids)):
                transaction.execute(deletion, ids)
    return count


def _lock(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> None:
    """Lock the contents, and with `kept_too` the mailboxes, of these letters against concurrent changes."""
    if kept_too:
        transaction.execute(sql.lock_mailboxes_of(len(letters)), letters).fetchall()
    transaction.hold_contents(letters)
