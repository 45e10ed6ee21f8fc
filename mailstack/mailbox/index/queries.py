"""SQL queries of the index: items, counts, tags and mailboxes."""

# ruff: noqa: S608  # statements contain only names of the schema

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.mailbox.index.database import has_trigrams
from mailstack.mailbox.index.items import MAX_COUNTED, Item, ItemFilter, ItemList, MailboxCount
from mailstack.mailbox.index.selection import SqlSelection, selection
from mailstack.store import Damaged

IN_NUMBERS = "IN (SELECT value FROM json_each(?))"
_decode = msgspec.json.Decoder(Item).decode


def progress(connection: sqlite3.Connection) -> int:
    """Uid of the last indexed entry of the archive."""
    (number,) = connection.execute("SELECT number FROM progress").fetchone()
    return int(number)


def newest(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and id of the newest letter, deleted or not; 0 and "" if there is none."""
    found = connection.execute("SELECT number, id FROM letters ORDER BY number DESC LIMIT 1").fetchone()
    return (0, "") if found is None else (int(found[0]), str(found[1]))


def selection_of(connection: sqlite3.Connection, item_filter: ItemFilter) -> SqlSelection:
    return selection(item_filter, trigrams=has_trigrams(connection))


def find(
    connection: sqlite3.Connection, item_filter: ItemFilter, limit: int, start: int = 0, *, exact: bool = False
) -> ItemList:
    """The newest `limit` letters after `start`, and the total counts, which ignore `before`; see `ItemList.is_exact`."""
    selected = selection_of(connection, item_filter)
    items = _items(
        connection,
        f"SELECT l.number FROM {selected.source} WHERE {selected.condition} ORDER BY {selected.order} DESC LIMIT ? OFFSET ?",
        [*selected.values, limit, start],
    )
    items.reverse()
    if item_filter.before is None and not start and len(items) < limit:
        # The list is complete.
        return ItemList(tuple(items), len(items), sum(item.unread for item in items))
    item_filter = replace(item_filter, before=None)
    if (counted := _counted(connection, item_filter)) is not None:
        return ItemList(tuple(items), *counted)
    # A search may find too many letters to count.
    selected = selection_of(connection, item_filter)
    max_counted = -1 if exact else MAX_COUNTED
    total, unread = connection.execute(
        "SELECT count(*), coalesce(sum(unread), 0) FROM"
        f" (SELECT l.unread FROM {selected.source} WHERE {selected.condition} LIMIT ?)",
        [*selected.values, max_counted],
    ).fetchone()
    return ItemList(tuple(items), int(total), int(unread), is_exact=total != max_counted)


def _counted(connection: sqlite3.Connection, item_filter: ItemFilter) -> tuple[int, int] | None:
    """Stored counts, total and unread, of all letters, a mailbox or an account; None for other filters."""
    condition, values = "mailbox = ?", [item_filter.seen_by or ""]
    if item_filter.mailbox is not None:
        if item_filter.seen_by not in {None, item_filter.mailbox}:
            return None
        condition, values = "mailbox = ? AND is_sender = 0", [item_filter.mailbox]
    if replace(item_filter, mailbox=None, seen_by=None) != ItemFilter():
        return None
    statement = f"SELECT coalesce(sum(total), 0), coalesce(sum(unread), 0) FROM counts WHERE {condition}"
    total, unread = connection.execute(statement, values).fetchone()
    return int(total), int(unread)


def first(connection: sqlite3.Connection, item_filter: ItemFilter, limit: int) -> list[Item]:
    """The oldest `limit` of them, the oldest first."""
    selected = selection_of(connection, item_filter)
    statement = f"SELECT l.number FROM {selected.source} WHERE {selected.condition} ORDER BY {selected.order} LIMIT ?"
    return _items(connection, statement, [*selected.values, limit])


def numbers(connection: sqlite3.Connection, item_filter: ItemFilter, limit: int) -> tuple[int, ...]:
    """The oldest `limit` of them, the oldest first."""
    selected = selection_of(connection, item_filter)
    statement = f"{selected.numbers} ORDER BY {selected.order} LIMIT ?"
    return tuple(numbers_in(connection, statement, [*selected.values, limit]))


def _items(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[Item]:
    """The letters with the numbers that a statement returns, the oldest first.

    The statement uses an index, so that only these large rows are read.
    """
    numbers = json.dumps(numbers_in(connection, statement, values))
    rows = connection.execute(
        "SELECT letters.number, unread, flagged, item FROM letters JOIN items ON items.number = letters.number"
        f" WHERE letters.number {IN_NUMBERS} ORDER BY letters.number",
        (numbers,),
    ).fetchall()
    more: dict[str, dict[int, list[str]]] = {}
    for name, table in (("name", "tags"), ("id", "copies"), ("mailbox", "holders")):
        of = more.setdefault(table, {})
        only = " AND is_sender = 0 AND hidden IS NULL" if table == "holders" else ""
        for number, value in connection.execute(
            f"SELECT number, {name} FROM {table} WHERE number {IN_NUMBERS}{only} ORDER BY {name}", (numbers,)
        ):
            of.setdefault(number, []).append(value)
    return [_item(row, more) for row in rows]


def _item(row: tuple[int, int, int, str], more: dict[str, dict[int, list[str]]]) -> Item:
    number, unread, flagged, text = row
    try:
        item = _decode(text)
    except msgspec.MsgspecError as error:
        raise Damaged(f"index, message {number}: {error}; delete the index file, and it is rebuilt") from error
    return replace(
        item,
        unread=bool(unread),
        flagged=bool(flagged),
        tags=tuple(more["tags"].get(number, ())),
        copies=tuple([LetterId(each) for each in more["copies"].get(number, ())]),
        mailboxes=tuple(more["holders"].get(number, ())),
    )


def numbers_of(connection: sqlite3.Connection, item_filter: ItemFilter) -> str:
    """Numbers of the matching letters, as JSON; a change may alter which letters match."""
    selected = selection_of(connection, item_filter)
    return json.dumps(numbers_in(connection, selected.numbers, selected.values))


def tags(connection: sqlite3.Connection, seen_by: str | None = None) -> dict[str, int]:
    """Number of letters by tag, of the letters that an account may see."""
    selected = selection_of(connection, ItemFilter(seen_by=seen_by))
    rows = connection.execute(
        f"SELECT min(t.name), count(*) FROM {selected.source} JOIN tags AS t ON l.number = t.number"
        f" WHERE {selected.condition} GROUP BY t.tag ORDER BY t.tag",
        selected.values,
    )
    return {str(name): int(count) for name, count in rows}


def mailboxes(connection: sqlite3.Connection) -> list[MailboxCount]:
    """Mailboxes that have letters, with their counts, by name."""
    rows = connection.execute(
        "SELECT mailbox, total, unread FROM counts WHERE is_sender = 0 AND mailbox <> '' AND total > 0 ORDER BY mailbox"
    )
    return [MailboxCount(str(name), int(total), int(unread)) for name, total, unread in rows]


def numbers_in(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[int]:
    return sorted([int(number) for (number,) in connection.execute(statement, values).fetchall()])
