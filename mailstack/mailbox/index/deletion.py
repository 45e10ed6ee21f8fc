"""Deletion of letters: hidden under a token for undo, then dropped."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mailstack.letter import LetterId
from mailstack.mailbox.index.database import FILE, PATIENCE
from mailstack.mailbox.index.items import MOST_TOLD, DeletedItems, ItemFilter
from mailstack.mailbox.index.queries import GIVEN, numbers_in, numbers_of
from mailstack.mailbox.index.schema import SEARCHED
from mailstack.mailbox.index.writes import TABLES, counted
from mailstack.store.sqlite_reading import ReadableDatabase


def soft_delete(connection: sqlite3.Connection, which: ItemFilter, token: str) -> DeletedItems:
    """Hide letters from all, until `undelete` or `drop`."""
    given = numbers_of(connection, which)
    with counted(connection, given):
        statement = f"UPDATE letters SET deleted = ? WHERE number {GIVEN} RETURNING number, id"
        rows = connection.execute(statement, (token, given)).fetchall()
    return DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in sorted(rows)[:MOST_TOLD]]))


def hide_for_account(
    connection: sqlite3.Connection, which: ItemFilter, account: str, token: str
) -> tuple[DeletedItems, DeletedItems]:
    """Hide letters from an account, and delete those that no other account has; both results."""
    given = numbers_of(connection, which)
    with counted(connection, given):
        hide = f"UPDATE holders SET hidden = ? WHERE mailbox = ? AND number {GIVEN}"
        connection.execute(hide, (token, account, given))
        rows = connection.execute(
            "SELECT number, id, NOT EXISTS (SELECT 1 FROM holders WHERE number = letters.number AND hidden IS NULL)"
            f" FROM letters WHERE number {GIVEN} ORDER BY number",
            (given,),
        ).fetchall()
        gone = [(number, letter) for number, letter, is_last in rows if is_last]
        of_gone = json.dumps([number for number, _ in gone])
        connection.execute(f"UPDATE letters SET deleted = ? WHERE number {GIVEN}", (token, of_gone))
    return (
        DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in rows[:MOST_TOLD]]), account),
        DeletedItems(len(gone), token, tuple([LetterId(letter) for _, letter in gone[:MOST_TOLD]])),
    )


def undelete(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """The numbers of those that are seen again, at most `limit`; what one account does not see, others may."""
    hidden = "SELECT number FROM holders WHERE hidden = ? ORDER BY number LIMIT ?"
    deleted = "SELECT number FROM letters WHERE deleted = ? ORDER BY number LIMIT ?"
    numbers = numbers_in(connection, hidden, [token, limit]) or numbers_in(connection, deleted, [token, limit])
    given = json.dumps(numbers)
    with counted(connection, given):
        connection.execute(f"UPDATE holders SET hidden = NULL WHERE hidden = ? AND number {GIVEN}", (token, given))
        connection.execute(f"UPDATE letters SET deleted = NULL WHERE deleted = ? AND number {GIVEN}", (token, given))
    return numbers


def keep_undoable(connection: sqlite3.Connection, token: str, until: float) -> None:
    """What is deleted under a token may be brought back until then, in seconds since 1970, by whichever process is asked."""
    connection.execute(
        "INSERT INTO undoing (token, until) VALUES (?, ?) ON CONFLICT (token) DO UPDATE SET until = excluded.until",
        (token, until),
    )


def claim(connection: sqlite3.Connection, token: str, now: float, until: float) -> bool:
    """Return whether a deletion can still be undone, and claim it until `until`; a second claim fails."""
    statement = "UPDATE undoing SET until = ?, claimed = 1 WHERE token = ? AND until > ? AND NOT claimed"
    return connection.execute(statement, (until, token, now)).rowcount > 0


def delete_token(connection: sqlite3.Connection, token: str) -> None:
    """Nothing is left that it could bring back."""
    connection.execute("DELETE FROM undoing WHERE token = ?", (token,))


def overdue(connection: sqlite3.Connection, now: float) -> list[str]:
    """Return the expired tokens."""
    return [str(token) for (token,) in connection.execute("SELECT token FROM undoing WHERE until <= ?", (now,))]


def deleted(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """Some of what was deleted under a token."""
    return numbers_in(connection, "SELECT number FROM letters WHERE deleted = ? LIMIT ?", [token, limit])


def beyond(connection: sqlite3.Connection, *, keep: int | None, before: float | None, limit: int) -> list[int]:
    """Some of what is too much: older than the newest `keep`, or arrived before a time."""
    found: set[int] = set()
    if keep is not None:
        statement = (
            "SELECT number FROM letters WHERE number <= (SELECT number FROM letters WHERE deleted IS NULL"
            " ORDER BY number DESC LIMIT 1 OFFSET ?) AND deleted IS NULL ORDER BY number LIMIT ?"
        )
        found.update(numbers_in(connection, statement, [keep, limit]))
    if before is not None:
        statement = "SELECT number FROM letters WHERE arrived < ? AND deleted IS NULL ORDER BY arrived LIMIT ?"
        found.update(numbers_in(connection, statement, [before, limit]))
    return sorted(found)


def drop(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[LetterId]:
    """For good; the ids of the letters."""
    given = json.dumps(numbers)
    ids = [LetterId(each) for (each,) in connection.execute(f"SELECT id FROM letters WHERE number {GIVEN}", (given,))]
    with counted(connection, given):
        for table in SEARCHED:
            connection.execute(f"DELETE FROM {table} WHERE rowid {GIVEN}", (given,))
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE number {GIVEN}", (given,))
    return ids


def hidden_numbers(directory: Path) -> frozenset[int]:
    """Return the numbers of deleted letters that can still come back, for programs that read the archive without an index.

    Empty where there is no index, or one that can't be read.
    """
    file = directory / FILE
    if not file.exists():
        return frozenset()
    try:
        with closing(ReadableDatabase(file)) as database, closing(database.connect(timeout=PATIENCE)) as connection:
            return frozenset(
                int(number) for (number,) in connection.execute("SELECT number FROM letters WHERE deleted IS NOT NULL")
            )
    except (sqlite3.Error, OSError):
        return frozenset()
