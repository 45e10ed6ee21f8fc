"""Whether all that a store holds makes sense: each row is read as an office would read it, each content to its end."""

# ruff: noqa: S608  # no text is made of anything but our own

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from mailstack.letter.content import Octets
from mailstack.moving import Said, Say, Side
from mailstack.moving.comparing import EVERY
from mailstack.moving.objects import Expected, Objects
from mailstack.moving.reading import CONTENTS, Contents, damaged_content, where
from mailstack.store import Damaged, StoreError, rows
from mailstack.store.contents import OBJECT
from mailstack.store.tables import Row, Table, tables

_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Row], object]]] = {
    "letters": (rows.LETTER, lambda row: rows.letter_from(row, lambda _letter, _size: Octets(b""))),
    "deliveries": ((*rows.DELIVERY, "collected"), lambda row: _delivery(row[:-1], row[-1])),
    "steps": (rows.STEP, rows.step_from),
    "announcements": (rows.ANNOUNCEMENT, rows.announcement_from),
}
"""For the tables whose rows are more than their columns: which of these make the value, and what reads it."""


_NO_CONTENT = "NOT EXISTS (SELECT 1 FROM contents AS c WHERE c.letter = t.letter)"
_RELATIONS = {
    "is owed, and its content is gone": f"""SELECT DISTINCT t.letter FROM deliveries AS t
        WHERE t.waits_until IS NOT NULL AND {_NO_CONTENT} ORDER BY t.letter""",
    "is in a mailbox, and its content is gone": f"""SELECT DISTINCT t.letter FROM entries AS t
        WHERE {_NO_CONTENT} ORDER BY t.letter""",
    "has a content that is not as long as it was": """SELECT t.letter FROM contents AS t JOIN letters AS l ON l.id = t.letter
        WHERE t.octets IS NOT NULL AND length(t.octets) <> l.size ORDER BY t.letter""",
    "has another size in a mailbox": """SELECT t.letter FROM entries AS t JOIN letters AS l ON l.id = t.letter
        WHERE length(t.headers) + l.size <> t.size ORDER BY t.letter""",
}
"""What is wrong with the letters that each SELECT gives."""
_NAMED = f"""SELECT t.letter || ' ' || COALESCE(CAST(l.size AS VARCHAR(20)), '') || ' ' || t.file FROM contents AS t
    LEFT JOIN letters AS l ON l.id = t.letter WHERE t.file IS NOT NULL AND t.file LIKE '{OBJECT}%' ORDER BY t.letter"""
OBJECTS_AT_ONCE = 100


def faults(side: Side, say: Say, objects: Objects | None = None, *, read_objects: bool = False) -> Iterator[str]:
    """What is wrong, a line each. `objects`: where the contents are that the side names and has not; None: not looked at.

    Of each it is asked whether it is there and as long as it was; with `read_objects` they are read to their end.
    """
    yield from side.integrity()
    for table in tables():
        try:
            yield from _faults_of_table(side, table, say)
        except StoreError as error:
            yield f"table {table.name} can't be read to its end: {error}"
    for fault, statement in _RELATIONS.items():
        try:
            for letter in side.letters(statement):
                yield f"letter {letter}{where(side, letter)} {fault}"
        except StoreError as error:
            yield f"whether a letter {fault}, can't be read: {error}"
    if objects is not None:
        yield from _faults_of_objects(side, objects, say, read=read_objects)


def _faults_of_table(side: Side, table: Table, say: Say) -> Iterator[str]:
    """Raises StoreError where the table can't be read on."""
    of = side.count(table)
    read = _reader(side, table)
    for count, row in enumerate(side.rows(table), 1):
        try:
            read(table.checked(row))
        except StoreError as error:
            yield str(error)
        if count % EVERY == 0 or count == of:
            say(Said("read", table.name, count, of))


def named_objects(side: Side) -> Iterator[Expected]:
    """Those that the side names, in the order of the letters; a letter that was forgotten may have left one behind."""
    for line in side.letters(_NAMED):
        letter, size, name = line.split(" ", 2)
        yield Expected(letter, name, int(size) if size else None)


def _faults_of_objects(side: Side, objects: Objects, say: Say, *, read: bool) -> Iterator[str]:
    of = sum(1 for _ in named_objects(side))
    done = 0
    for part in batched(named_objects(side), OBJECTS_AT_ONCE):
        yield from objects.faults(part, read=read)
        done += len(part)
        say(Said("read" if read else "asked for", "objects", done, of))


def batched(values: Iterator[Expected], size: int) -> Iterator[list[Expected]]:
    """So many at a time."""
    while part := list(islice(values, size)):
        yield part


def _reader(side: Side, table: Table) -> Callable[[Row], Any]:
    if table.name == CONTENTS:
        contents = Contents(side)
        return lambda row: _read_content(side, contents, row)
    if table.name not in _READERS:
        return lambda _row: None
    columns, read = _READERS[table.name]
    places = [table.columns.index(name) for name in columns]
    return lambda row: read(tuple(row[place] for place in places))


def _delivery(row: Row, collected: object) -> None:
    rows.delivery_from(row)
    rows.collected_from((row[0], row[1], collected))


def _read_content(side: Side, contents: Contents, row: Row) -> None:
    """To its end. A letter that was forgotten may have no row any more, but what it named is whole."""
    letter, file, octets, _ = row
    if (file is None) is (octets is None):
        raise Damaged(f"table contents, {letter!r}: not either a name or octets")
    try:
        if file is None:
            contents.check_small(row)
        else:
            for _part in contents.large(row) or ():
                pass
    except StoreError as error:
        raise type(error)(damaged_content(side, letter, error)) from error
