"""What is done to the tables of the catalogue, each an operation on a connection."""

# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from mailstack.catalogue.counting import counted
from mailstack.catalogue.items import (
    MOST_COUNTED,
    Copy,
    Entering,
    Item,
    Listed,
    MailboxCount,
    Which,
)
from mailstack.catalogue.schema import SEARCHED, has_trigrams
from mailstack.catalogue.selecting import Selection, selection
from mailstack.catalogue.tagging import TagFilter
from mailstack.letter import LetterId
from mailstack.store import Damaged

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Item).decode

GIVEN = "IN (SELECT value FROM json_each(?))"
TABLES = ("items", "addresses", "heads", "tags", "holders", "copies", "letters")


def add(
    connection: sqlite3.Connection,
    entering: Sequence[Entering],
    copies: Sequence[Copy],
    read_to: int,
    filters: Sequence[TagFilter] = (),
) -> dict[int, tuple[str, ...]]:
    """Letters, copies of letters, and how far the archive is read with that. A letter that is there already stays.

    Gives the tags that `filters` have given besides, by number.
    """
    there = [number for copy in copies if (number := _number_of(connection, copy.of)) is not None]
    with counted(connection, json.dumps([*there, *[each.item.number for each in entering]])):
        for each in entering:
            _add(connection, each)
        for copy in copies:
            _add_copy(connection, copy)
    connection.execute("UPDATE progress SET number = max(number, ?)", (read_to,))
    return _tag_found(connection, [each.item.number for each in entering], filters) if filters and entering else {}


def _tag_found(
    connection: sqlite3.Connection, new: Sequence[int], filters: Sequence[TagFilter]
) -> dict[int, tuple[str, ...]]:
    given: dict[int, tuple[str, ...]] = {}
    for each in filters:
        if each.terms:
            for number in numbers(connection, Which(numbers=tuple(new), terms=each.terms), len(new)):
                given[number] = (*given.get(number, ()), *each.tags)
    connection.executemany(
        "INSERT OR IGNORE INTO tags (tag, number, name) VALUES (?, ?, ?)",
        [(tag.casefold(), number, tag) for number, tags in given.items() for tag in tags],
    )
    return given


def _add(connection: sqlite3.Connection, entering: Entering) -> None:
    item, columns = entering.item, _columns(entering)
    added = connection.execute(
        "INSERT OR IGNORE INTO letters (number, id, arrived, size, attachments, inline, unread)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            item.number,
            item.id,
            item.arrived,
            item.size,
            item.attachments,
            item.inline,
            int(item.unread),
        ),
    )
    if not added.rowcount:
        return
    text = _encode(replace(item, tags=(), copies=(), mailboxes=())).decode()
    connection.execute("INSERT INTO items (number, item) VALUES (?, ?)", (item.number, text))
    connection.executemany(
        "INSERT OR IGNORE INTO addresses (field, address, number) VALUES (?, ?, ?)",
        [(field, address, item.number) for field, address in entering.addresses],
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


def _columns(entering: Entering) -> tuple[str, ...]:
    """What is searched, in the order of the schema's COLUMNS."""
    item = entering.item
    people = (item.to, item.cc, item.bcc, item.reply_to)
    found = (
        item.subject,
        f"{item.author.name} {item.author.address}" if item.author else "",
        *(" ".join(f"{one.name} {one.address}" for one in group) for group in people),
        item.message_id,
        entering.words,
    )
    return tuple(text.casefold() for text in found)


def _hold(connection: sqlite3.Connection, number: int, mailboxes: Iterable[str]) -> None:
    """One who wrote to himself has it for himself, too."""
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


def progress(connection: sqlite3.Connection) -> int:
    """How far the archive has been read: a uid of it."""
    (number,) = connection.execute("SELECT number FROM progress").fetchone()
    return int(number)


def newest(connection: sqlite3.Connection) -> tuple[int, str]:
    """Number and id of the newest letter, deleted or not; 0 and "" when there is none."""
    found = connection.execute("SELECT number, id FROM letters ORDER BY number DESC LIMIT 1").fetchone()
    return (0, "") if found is None else (int(found[0]), str(found[1]))


def forget_all(connection: sqlite3.Connection) -> None:
    """For another archive than the one that was read."""
    for table in (*TABLES, *SEARCHED):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM counts WHERE mailbox <> ''")
    connection.execute("UPDATE counts SET total = 0, unread = 0")
    connection.execute("UPDATE progress SET number = 0")


def chosen_by(connection: sqlite3.Connection, which: Which) -> Selection:
    return selection(which, trigrams=has_trigrams(connection))


def listed(connection: sqlite3.Connection, which: Which, limit: int, start: int = 0) -> Listed:
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
        return Listed(tuple(items), len(items), sum(item.unread for item in items))
    which = replace(which, before=None)
    if (counted := _counted(connection, which)) is not None:
        return Listed(tuple(items), *counted)
    # Of what is searched for there may be too many.
    most = MOST_COUNTED
    chosen = chosen_by(connection, which)
    total, unread = connection.execute(
        "SELECT count(*), coalesce(sum(unread), 0) FROM"
        f" (SELECT l.unread FROM {chosen.source} WHERE {chosen.condition} LIMIT ?)",
        [*chosen.values, most],
    ).fetchone()
    return Listed(tuple(items), int(total), int(unread), is_exact=total != most)


def _counted(connection: sqlite3.Connection, which: Which) -> tuple[int, int] | None:
    """How many and how many unread, of all, of a mailbox, or of what an account sees: those are never counted anew."""
    condition, values = "mailbox = ?", [which.seen_by or ""]
    if which.mailbox is not None:
        if which.seen_by not in {None, which.mailbox}:
            return None
        condition, values = "mailbox = ? AND is_sender = 0", [which.mailbox]
    if replace(which, mailbox=None, seen_by=None) != Which():
        return None
    statement = f"SELECT coalesce(sum(total), 0), coalesce(sum(unread), 0) FROM counts WHERE {condition}"
    total, unread = connection.execute(statement, values).fetchone()
    return int(total), int(unread)


def first(connection: sqlite3.Connection, which: Which, limit: int) -> list[Item]:
    """The oldest `limit` of them, the oldest first."""
    chosen = chosen_by(connection, which)
    statement = f"SELECT l.number FROM {chosen.source} WHERE {chosen.condition} ORDER BY {chosen.order} LIMIT ?"
    return _items(connection, statement, [*chosen.values, limit])


def numbers(connection: sqlite3.Connection, which: Which, limit: int) -> tuple[int, ...]:
    """The oldest `limit` of them, the oldest first."""
    chosen = chosen_by(connection, which)
    statement = f"{chosen.numbers} ORDER BY {chosen.order} LIMIT ?"
    return tuple(numbers_in(connection, statement, [*chosen.values, limit]))


def _items(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[Item]:
    """The letters whose numbers a statement gives, the oldest first.

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
        raise Damaged(f"catalogue, letter {number}: {error}; remove the file, and it is made anew") from error
    return replace(
        item,
        unread=bool(unread),
        tags=tuple(more["tags"].get(number, ())),
        copies=tuple([LetterId(each) for each in more["copies"].get(number, ())]),
        mailboxes=tuple(more["holders"].get(number, ())),
    )


# --- changes by people


def mark(connection: sqlite3.Connection, which: Which, *, unread: bool) -> list[int]:
    """The numbers of those that changed."""
    given = numbers_of(connection, which)
    with counted(connection, given):
        statement = f"UPDATE letters SET unread = ? WHERE unread <> ? AND number {GIVEN} RETURNING number"
        return numbers_in(connection, statement, [int(unread), int(unread), given])


def tag(connection: sqlite3.Connection, which: Which, add: Sequence[str], remove: Sequence[str]) -> list[int]:
    """Put tags on, and take others off; the numbers of those that changed."""
    return _tag(connection, numbers_of(connection, which), add, remove)


def set_tags(connection: sqlite3.Connection, which: Which, tags: Sequence[str]) -> list[int]:
    """These tags and no others; the numbers of those that changed."""
    given = numbers_of(connection, which)
    had = numbers_in(connection, f"DELETE FROM tags WHERE number {GIVEN} RETURNING number", [given])
    return sorted({*had, *_tag(connection, given, tags, ())})


def numbers_of(connection: sqlite3.Connection, which: Which) -> str:
    """Chosen once: by a tag that is taken off they could not be chosen again."""
    chosen = chosen_by(connection, which)
    return json.dumps(numbers_in(connection, chosen.numbers, chosen.values))


def _tag(connection: sqlite3.Connection, given: str, add: Sequence[str], remove: Sequence[str]) -> list[int]:
    changed: set[int] = set()
    for name in remove:
        statement = f"DELETE FROM tags WHERE tag = ? AND number {GIVEN} RETURNING number"
        changed.update(numbers_in(connection, statement, [name.casefold(), given]))
    for name in add:
        statement = (
            "INSERT OR IGNORE INTO tags (tag, number, name) SELECT ?, value, ? FROM json_each(?) RETURNING number"
        )
        changed.update(numbers_in(connection, statement, [name.casefold(), name, given]))
    return sorted(changed)


def rename_tag(connection: sqlite3.Connection, old: str, new: str) -> list[int]:
    """Letters that have both keep one."""
    numbers = numbers_in(connection, "SELECT number FROM tags WHERE tag = ?", [old.casefold()])
    connection.execute("DELETE FROM tags WHERE tag = ?", (old.casefold(),))
    connection.execute(
        "INSERT OR IGNORE INTO tags (tag, number, name) SELECT ?, value, ? FROM json_each(?)",
        (new.casefold(), new, json.dumps(numbers)),
    )
    return numbers


def remove_tag(connection: sqlite3.Connection, name: str) -> list[int]:
    return numbers_in(connection, "DELETE FROM tags WHERE tag = ? RETURNING number", [name.casefold()])


def tags(connection: sqlite3.Connection, seen_by: str | None = None) -> dict[str, int]:
    """Each tag that a letter has, of those that an account may see, and how many have it."""
    chosen = chosen_by(connection, Which(seen_by=seen_by))
    rows = connection.execute(
        f"SELECT min(t.name), count(*) FROM {chosen.source} JOIN tags AS t ON l.number = t.number"
        f" WHERE {chosen.condition} GROUP BY t.tag ORDER BY t.tag",
        chosen.values,
    )
    return {str(name): int(count) for name, count in rows}


def mailboxes(connection: sqlite3.Connection) -> list[MailboxCount]:
    """Everybody whom a letter is for, by name."""
    rows = connection.execute(
        "SELECT mailbox, total, unread FROM counts WHERE is_sender = 0 AND mailbox <> '' AND total > 0 ORDER BY mailbox"
    )
    return [MailboxCount(str(name), int(total), int(unread)) for name, total, unread in rows]


def numbers_in(connection: sqlite3.Connection, statement: str, values: Sequence[object]) -> list[int]:
    return sorted([int(number) for (number,) in connection.execute(statement, values).fetchall()])
