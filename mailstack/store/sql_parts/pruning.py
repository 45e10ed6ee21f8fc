"""Pruning of the history of finished letters."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.store import imap_sql, sql
from mailstack.store.batch import Transaction, pieces
from mailstack.store.connection import Connection
from mailstack.store.sql_parts import removals

PageStart = tuple[float, str]
"""Arrival time and id of a letter."""

START: PageStart = (-math.inf, "")

PRUNABLE = f"""SELECT id, arrived, {sql.not_pending("letters.id")} AND {sql.in_no_mailbox("letters.id")} FROM letters
    WHERE arrived < ? AND server = ? AND (arrived, id) > (?, ?) ORDER BY arrived, id LIMIT ?"""
"""The next page of old letters, and whether each may be deleted. A letter that stays is read once only."""
SURPLUS = f"""SELECT id FROM (SELECT id, arrived FROM letters WHERE server = ? ORDER BY arrived DESC, id DESC
    LIMIT {2**62} OFFSET ?) AS letters WHERE {sql.not_pending("letters.id")} LIMIT ?"""


class PrunablePage(Struct, frozen=True):
    """Page of old letters, by arrival."""

    prunable: list[LetterId]
    """Letters of the page without pending deliveries or mailbox entries."""
    last: PageStart | None
    """Start of the next page; None: this page is the last."""


def prunable(connection: Connection, server: str, before: float, after: PageStart, limit: int) -> PrunablePage:
    """The next page of letters that arrived before `before`."""
    rows = list(connection.execute(PRUNABLE, (before, server, *after, limit)))
    last = (rows[-1][1], rows[-1][0]) if len(rows) == limit else None
    return PrunablePage([letter for letter, _, unneeded in rows if unneeded], last)


def surplus(connection: Connection, server: str, keep: int, limit: int) -> list[LetterId]:
    """Letters beyond the newest `keep` without pending deliveries."""
    return [letter for (letter,) in connection.execute(SURPLUS, (server, keep, limit))]


def delete(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> int:
    """Delete those of `letters` without pending deliveries, nor entries unless `kept_too`; returns the number."""
    count = 0
    for part in pieces(list(letters), 1):
        if not transaction.connection.has_one_writer:
            _lock(transaction, part, kept_too=kept_too)
        statement = still_prunable(len(part), kept_too=kept_too)
        ids = [letter for (letter,) in transaction.execute(statement, part)]
        if ids:
            count += len(ids)
            if kept_too:
                _remove_entries(transaction, ids)
            transaction.drop_contents(ids)
            for deletion in delete_letters(len(ids)):
                transaction.execute(deletion, ids)
    return count


def _lock(transaction: Transaction, letters: Sequence[LetterId], *, kept_too: bool) -> None:
    """Lock the contents, and with `kept_too` the mailboxes, of these letters against concurrent changes."""
    if kept_too:
        transaction.execute(lock_mailboxes_of(len(letters)), letters).fetchall()
    transaction.hold_contents(letters)


def lock_mailboxes_of(count: int) -> str:
    """Row locks for the mailboxes of letters, in the order in which `enlarge_mailboxes` locks them."""
    return f"""SELECT id FROM mailboxes WHERE id IN (SELECT ABS(mailbox) FROM entries WHERE letter IN {sql.placeholders(count)})
        ORDER BY name FOR UPDATE"""


def still_prunable(count: int, *, kept_too: bool) -> str:
    """Letters among these that may still be removed, under locks."""
    kept = "" if kept_too else f" AND {sql.in_no_mailbox('letters.id')}"
    return f"SELECT id FROM letters WHERE id IN {sql.placeholders(count)} AND {sql.not_pending('letters.id')}{kept}"


def entries_of(count: int) -> str:
    """Mailbox and uid of letters that leave every mailbox."""
    return f"""SELECT m.name, e.uid FROM entries AS e JOIN mailboxes AS m ON m.id = e.mailbox
        WHERE e.letter IN {sql.placeholders(count)} ORDER BY m.name, e.uid"""


def _remove_entries(transaction: Transaction, letters: Sequence[LetterId]) -> None:
    """Remove letters from all mailboxes, which are locked."""
    found: dict[str, list[int]] = {}
    for mailbox, uid in transaction.execute(entries_of(len(letters)), letters):
        found.setdefault(mailbox, []).append(uid)
    for mailbox, uids in found.items():
        if (held := removals.hold(transaction, mailbox)) is not None:
            removals.remove(transaction, held, uids, keeps=False)
    transaction.execute(imap_sql.drop_kept(len(letters)), letters)


def delete_letters(count: int) -> list[str]:
    """Statements that delete the remaining rows of letters without contents and mailbox entries."""
    columns = {"steps": "letter", "deliveries": "letter", "letters": "id"}
    return [f"DELETE FROM {table} WHERE {column} IN {sql.placeholders(count)}" for table, column in columns.items()]
