"""Queries of the tables of the index, each an operation on a connection."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.mailbox.index.database import has_trigrams
from mailstack.mailbox.index.items import MOST_COUNTED, Item, ItemFilter, ItemList, MailboxCount
from mailstack.mailbox.index.sql_filter import SqlSelection, selection
from mailstack.store import Damaged

GIVEN = "IN (SELECT value FROM json_each(?))"
_decode = msgspec.json.Decoder(Item).decode


def progress(connection: sqlite3.Connection) -> int:
    """How far the archive has been read: a uid of it."""
    (number,) = connection.execute("SELECT number FROM progress").fetchone()
    return int(number)


def newest(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and id of the newest letter, deleted or not; 0 and "" when there is none."""
    found = connection.execute("SELECT number, id FROM letters ORDER BY number DESC LIMIT 1").fetchone()
    return (0, "") if found is None else (int(found[0]), str(found[1]))


def chosen_by(connection: sqlite3.Connection, which: ItemFilter) -> SqlSelection:
    return selection(which, trigrams=has_trigrams(connection))


def listed(connection: sqlite3.Connection, which: ItemFilter, limit: int, start: int = 0) -> ItemList:
    """The newest `limit` after `start` of them, and how many there are; `before` leaves the counts as they are."""
    chosen = chosen_by(connection, which)
    items = _items(
        connection,
        f"SELECT l.number FROM {chosen.source} WHERE {chosen.condition} ORDER BY {chosen.order} DESC LIMIT ? OFFSET ?",
        [*chosen.values, limit, start],
    )
    items.reverse()
    if which.before is None and not start and len(items) < limit:
        # That is all there is.
        return ItemList(tuple(items), len(items), sum(item.unread for item in items))
    which = replace(which, before=None)
    if (counted := _counted(connection, which)) is not None:
        return ItemList(tuple(items), *counted)
    # Of what is searched for there may be too many.
    most = MOST_COUNTED
    chosen = chosen_by(connection, which)
    total, unread = connection.execute(
        "SELECT count(*), coalesce(sum(unread), 0) FROM"
        f" (SELECT l.unread FROM {chosen.source} WHERE {chosen.condition} LIMIT ?)",
        [*chosen.values, most],
    ).fetchone()
    return ItemList(tuple(items), int(total), int(unread), is_exact=total != most)


def _counted(connection: sqlite3.Connection, which: ItemFilter) -> tuple[int, int] | None:
    """How many and how many unread, of all, of a mailbox, or of what an account sees: those are never counted anew."""
    condition, values = "mailbox = ?", [which.seen_by or ""]
    if which.mailbox is not None:
        if which.seen_by not in {None, which.mailbox}:
            return None
        condition, values = "mailbox = ? AND is_sender = 0", [which.mailbox]
    if replace(which, mailbox=None, seen_by=None) != ItemFilter():
        return None
    statement = f"SELECT coalesce(sum(total), 0), coalesce(sum(unread), 0) FROM counts WHERE {condition}"
    total, unread = connection.execute(statement, values).fetchone()
    return int(total), int(unread)


def first(connection: sqlite3.Connection, which: ItemFilter, limit: int) -> list[Item]:
    """The oldest `limit` of them, the oldest first."""
    chosen = chosen_by(connection, which)
    statement = f"SELECT l.number FROM {chosen.source} WHERE {chosen.condition} ORDER BY {chosen.order} LIMIT ?"
    return _items(connection, statement, [*chosen.values, limit])


def numbers(connection: sqlite3.Connection, which: ItemFilter, limit: int) -> tuple[int, ...]:
    """The oldest `limit` of them, the oldest first."""
    chosen = chosen_by(connection, which)
    statement = f"{chosen.numbers} ORDER BY {chosen.order} LIMIT ?"
    return tuple(numbers_in(connection, statement, [*chosen.values, limit]))


def _items(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[Item]:
    """Return the letters with the numbers that a statement gives, the oldest first.

    They are chosen in an index, and only then are the letters, which are large, looked at.
    """
    numbers = json.dumps(numbers_in(connection, statement, values))
    rows = connection.execute(
        "SELECT letters.number, unread, item FROM letters JOIN items ON items.number = letters.number"
        f" WHERE letters.number {GIVEN} ORDER BY letters.number",
        (numbers,),
    ).fetchall()
    more: dict[str, dict[int, list[str]]] = {}
    for name, table in (("name", "tags"), ("id", "copies"), ("mailbox", "holders")):
        of = more.setdefault(table, {})
        only = " AND is_sender = 0 AND hidden IS NULL" if table == "holders" else ""
        for number, value in connection.execute(
            f"SELECT number, {name} FROM {table} WHERE number {GIVEN}{only} ORDER BY {name}", (numbers,)
        ):
            of.setdefault(number, []).append(value)
    return [_item(row, more) for row in rows]


def _item(row: tuple[int, int, str], more: dict[str, dict[int, list[str]]]) -> Item:
    number, unread, text = row
    try:
        item = _decode(text)
    except msgspec.MsgspecError as error:
        raise Damaged(f"index, letter {number}: {error}; remove the file, and it is made anew") from error
    return replace(
        item,
        unread=bool(unread),
        tags=tuple(more["tags"].get(number, ())),
        copies=tuple([LetterId(each) for each in more["copies"].get(number, ())]),
        mailboxes=tuple(more["holders"].get(number, ())),
    )


def numbers_of(connection: sqlite3.Connection, which: ItemFilter) -> str:
    """Chosen once: by a tag that is taken off they could not be chosen again."""
    chosen = chosen_by(connection, which)
    return json.dumps(numbers_in(connection, chosen.numbers, chosen.values))


def tags(connection: sqlite3.Connection, seen_by: str | None = None) -> dict[str, int]:
    """Each tag that a letter has, of those that an account may see, and how many have it."""
    chosen = chosen_by(connection, ItemFilter(seen_by=seen_by))
    rows = connection.execute(
        f"SELECT min(t.name), count(*) FROM {chosen.source} JOIN tags AS t ON l.number = t.number"
        f" WHERE {chosen.condition} GROUP BY t.tag ORDER BY t.tag",
        chosen.values,
    )
    return {str(name): int(count) for name, count in rows}


def mailboxes(connection: sqlite3.Connection) -> list[MailboxCount]:
    """Return the mailboxes that have letters, with their counts, by name."""
    rows = connection.execute(
        "SELECT mailbox, total, unread FROM counts WHERE is_sender = 0 AND mailbox <> '' AND total > 0 ORDER BY mailbox"
    )
    return [MailboxCount(str(name), int(total), int(unread)) for name, total, unread in rows]


def numbers_in(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[int]:
    return sorted([int(number) for (number,) in connection.execute(statement, values).fetchall()])
