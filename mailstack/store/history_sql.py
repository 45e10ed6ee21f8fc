"""SQL statements of the history, valid for both SQLite and PostgreSQL."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

from mailstack.store import rows
from mailstack.store.sql import placeholders

STEPS = f"SELECT {', '.join(rows.STEP)} FROM steps WHERE letter = ?"
COLLECTED = "SELECT letter, number, collected FROM deliveries WHERE letter = ? AND collected IS NOT NULL"


def letters(count: int) -> str:
    """Those letters that have a history."""
    return f"SELECT id FROM letters WHERE id IN {placeholders(count)}"


def read_steps(count: int) -> str:
    """Facts of the steps "read"."""
    return f"SELECT letter, facts FROM steps WHERE letter IN {placeholders(count)} AND step = 'read'"


def records(
    *,
    ids: int,
    server: bool,
    sender: bool,
    recipient: bool,
    since: bool,
    until: bool,
    states: int,
    pending: bool,
    before: bool = False,
) -> str:
    """Letters that pass a filter, newest first. Parameters in the order of the arguments that are set, then the limit.

    `ids`, `states`: their numbers. `pending`: all of the states are pending, so that the index of pending deliveries
    is used. `recipient` and `before` have two parameters each.
    """
    where = ["TRUE"]
    if ids:
        where.append(f"l.id IN {placeholders(ids)}")
    if server:
        where.append("l.server = ?")
    if sender:
        where.append("l.sender = ?")
    if recipient:
        where.append(
            "l.id IN (SELECT letter FROM deliveries WHERE address = ? UNION"
            " SELECT letter FROM deliveries WHERE original = ?)"
        )
    if since:
        where.append("l.arrived >= ?")
    if until:
        where.append("l.arrived <= ?")
    if before:
        where.append("(l.arrived, l.id) < (?, ?)")
    if states and pending:
        where.append(
            f"l.id IN (SELECT letter FROM deliveries WHERE waits_until IS NOT NULL AND state IN {placeholders(states)})"
        )
    elif states:
        where.append(
            f"EXISTS (SELECT 1 FROM deliveries AS d WHERE d.letter = l.id AND d.state IN {placeholders(states)})"
        )
    columns = ", ".join(f"l.{name}" for name in rows.LETTER)
    return f"SELECT {columns} FROM letters AS l WHERE {' AND '.join(where)} ORDER BY l.arrived DESC, l.id DESC LIMIT ?"


def recipients_in(states: int, *, pending: bool) -> str:
    """Letters and addresses of deliveries, newest letters first. Parameters: `states` states, and the limit."""
    # Letters by the index of unfinished deliveries, which the order alone would not use.
    unfinished = "letter IN (SELECT letter FROM deliveries WHERE waits_until IS NOT NULL) AND " if pending else ""
    return (
        f"SELECT letter, address, original FROM deliveries WHERE {unfinished}state IN {placeholders(states)}"
        " ORDER BY letter DESC, number DESC LIMIT ?"
    )
