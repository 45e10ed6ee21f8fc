"""Writes to the tables of the index, each an operation on a connection."""

# ruff: noqa: S608  # statements hold only names of the schema and numbers of rows

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec.structs import replace

from mailstack.mailbox.index.database import SEARCHED
from mailstack.mailbox.index.items import Copy, ItemFilter, NewItem
from mailstack.mailbox.index.queries import IN_NUMBERS, numbers_in, numbers_of

TABLES = ("items", "addresses", "heads", "tags", "holders", "copies", "letters")

_encode = msgspec.json.Encoder().encode

_OF_ALL = """UPDATE counts SET total = total + {sign} * (SELECT count(*) FROM {seen}),
    unread = unread + {sign} * (SELECT coalesce(sum(letters.unread), 0) FROM {seen}) WHERE mailbox = ''"""
_SEEN = "letters WHERE number IN (SELECT value FROM json_each(:given)) AND deleted IS NULL"
_OF_HOLDERS = """INSERT INTO counts (mailbox, is_sender, total, unread)
    SELECT mailbox, is_sender, {sign} * count(*), {sign} * sum(letters.unread)
    FROM holders JOIN letters ON letters.number = holders.number
    WHERE holders.number IN (SELECT value FROM json_each(:given)) AND hidden IS NULL AND deleted IS NULL
    GROUP BY mailbox, is_sender
    ON CONFLICT (mailbox, is_sender) DO UPDATE SET total = total + excluded.total, unread = unread + excluded.unread"""
_NOTHING = "DELETE FROM counts WHERE total <= 0 AND mailbox <> ''"


@contextmanager
def counted(connection: sqlite3.Connection, numbers_json: str) -> Iterator[None]:
    """Updates the counts for the letters that the block changes; `numbers_json` are their numbers.

    Letters are counted before and after, by two statements each: a trigger would run once per letter.
    """
    _count(connection, numbers_json, "-1")
    yield
    _count(connection, numbers_json, "+1")
    connection.execute(_NOTHING)


def _count(connection: sqlite3.Connection, numbers_json: str, sign: str) -> None:
    connection.execute(_OF_ALL.format(sign=sign, seen=_SEEN), {"given": numbers_json})
    connection.execute(_OF_HOLDERS.format(sign=sign), {"given": numbers_json})


def add(connection: sqlite3.Connection, new_item: Sequence[NewItem], copies: Sequence[Copy], read_to: int) -> None:
    """Adds letters and copies, and stores the progress. An existing letter is not changed."""
    existing = [number for copy in copies if (number := _number_of(connection, copy.of)) is not None]
    with counted(connection, json.dumps([*existing, *[each.item.number for each in new_item]])):
        for each in new_item:
            _add(connection, each)
        for copy in copies:
            _add_copy(connection, copy)
    connection.execute("UPDATE progress SET number = max(number, ?)", (read_to,))


def _add(connection: sqlite3.Connection, new_item: NewItem) -> None:
    item, columns = new_item.item, _columns(new_item)
    added = connection.execute(
        "INSERT OR IGNORE INTO letters (number, id, arrived, size, attachments, inline, unread)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (item.number, item.id, item.arrived, item.size, item.attachments, item.inline, int(item.unread)),
    )
    if not added.rowcount:
        return
    text = _encode(replace(item, tags=(), copies=(), mailboxes=())).decode()
    connection.execute("INSERT INTO items (number, item) VALUES (?, ?)", (item.number, text))
    connection.executemany(
        "INSERT OR IGNORE INTO addresses (field, address, number) VALUES (?, ?, ?)",
        [(field, address, item.number) for field, address in new_item.addresses],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO tags (tag, number, name) VALUES (?, ?, ?)",
        [(tag.casefold(), item.number, tag) for tag in item.tags],
    )
    connection.execute("INSERT INTO heads (number, head) VALUES (?, ?)", (item.number, "\n".join(columns[:-2])))
    _hold(connection, item.number, item.mailboxes)
    if item.account:
        connection.execute(
            "INSERT OR IGNORE INTO holders (mailbox, number, is_sender) VALUES (?, ?, 1)", (item.account, item.number)
        )
    for table, names in SEARCHED.items():
        marks = ", ".join("?" * (1 + len(names)))
        connection.execute(
            f"INSERT INTO {table} (rowid, {', '.join(names)}) VALUES ({marks})", (item.number, *columns[: len(names)])
        )


def _columns(new_item: NewItem) -> tuple[str, ...]:
    """Searched texts, in the order of COLUMNS."""
    item = new_item.item
    people = (item.to, item.cc, item.bcc, item.reply_to)
    found = (
        item.subject,
        f"{item.author.name} {item.author.address}" if item.author else "",
        *(" ".join(f"{one.name} {one.address}" for one in group) for group in people),
        item.message_id,
        new_item.words,
    )
    return tuple(text.casefold() for text in found)


def _hold(connection: sqlite3.Connection, number: int, mailboxes: Iterable[str]) -> None:
    """Adds the mailboxes that have a letter; a sender may also be a recipient."""
    connection.executemany(
        "INSERT INTO holders (mailbox, number, is_sender) VALUES (?, ?, 0)"
        " ON CONFLICT (mailbox, number) DO UPDATE SET is_sender = 0",
        [(mailbox, number) for mailbox in mailboxes],
    )


def _add_copy(connection: sqlite3.Connection, copy: Copy) -> None:
    number = _number_of(connection, copy.of)
    if number is not None:
        connection.execute("INSERT OR IGNORE INTO copies (id, number) VALUES (?, ?)", (copy.id, number))
        _hold(connection, number, copy.mailboxes)


def _number_of(connection: sqlite3.Connection, letter: str) -> int | None:
    found = connection.execute(
        "SELECT number FROM letters WHERE id = ? UNION SELECT number FROM copies WHERE id = ?", (letter, letter)
    ).fetchone()
    return None if found is None else int(found[0])


def delete_all(connection: sqlite3.Connection) -> None:
    """Deletes all letters, for another archive."""
    for table in (*TABLES, *SEARCHED):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM counts WHERE mailbox <> ''")
    connection.execute("UPDATE counts SET total = 0, unread = 0")
    connection.execute("UPDATE progress SET number = 0")
    connection.execute("DELETE FROM followed")


def tag(
    connection: sqlite3.Connection, item_filter: ItemFilter, add: Sequence[str], remove: Sequence[str]
) -> list[int]:
    """Adds and removes tags; returns the numbers of changed letters."""
    return _tag(connection, numbers_of(connection, item_filter), add, remove)


def set_tags(connection: sqlite3.Connection, item_filter: ItemFilter, tags: Sequence[str]) -> list[int]:
    """Replaces all tags; returns the numbers of changed letters."""
    numbers_json = numbers_of(connection, item_filter)
    had = numbers_in(connection, f"DELETE FROM tags WHERE number {IN_NUMBERS} RETURNING number", [numbers_json])
    return sorted({*had, *_tag(connection, numbers_json, tags, ())})


def _tag(connection: sqlite3.Connection, numbers_json: str, add: Sequence[str], remove: Sequence[str]) -> list[int]:
    changed: set[int] = set()
    for name in remove:
        statement = f"DELETE FROM tags WHERE tag = ? AND number {IN_NUMBERS} RETURNING number"
        changed.update(numbers_in(connection, statement, [name.casefold(), numbers_json]))
    for name in add:
        statement = (
            "INSERT OR IGNORE INTO tags (tag, number, name) SELECT ?, value, ? FROM json_each(?) RETURNING number"
        )
        changed.update(numbers_in(connection, statement, [name.casefold(), name, numbers_json]))
    return sorted(changed)


def rename_tag(connection: sqlite3.Connection, old: str, new: str) -> list[int]:
    """Renames a tag; returns the numbers of its letters. A letter with both tags has one then."""
    numbers = numbers_in(connection, "SELECT number FROM tags WHERE tag = ?", [old.casefold()])
    connection.execute("DELETE FROM tags WHERE tag = ?", (old.casefold(),))
    connection.execute(
        "INSERT OR IGNORE INTO tags (tag, number, name) SELECT ?, value, ? FROM json_each(?)",
        (new.casefold(), new, json.dumps(numbers)),
    )
    return numbers


def remove_tag(connection: sqlite3.Connection, name: str) -> list[int]:
    return numbers_in(connection, "DELETE FROM tags WHERE tag = ? RETURNING number", [name.casefold()])
