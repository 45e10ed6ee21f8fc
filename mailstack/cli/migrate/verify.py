"""Verification of one store: parses each row, and reads each content to its end."""

# ruff: noqa: S608  # statements hold only constants

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from mailstack.cli.migrate import OnProgress, Progress, StoreEndpoint
from mailstack.cli.migrate.dump import CONTENTS, EVERY, content_of, damaged_content, where
from mailstack.cli.migrate.objects import Expected, Objects
from mailstack.letter.letter import Octets
from mailstack.store import StoreError, rows
from mailstack.store.contents import OBJECT
from mailstack.store.schema import Row, Table, tables

_READERS: Mapping[str, tuple[tuple[str, ...], Callable[[Row], object]]] = {
    "letters": (rows.LETTER, lambda row: rows.letter_from(row, lambda _letter, _size: Octets(b""))),
    "deliveries": ((*rows.DELIVERY, "collected"), lambda row: _delivery(row[:-1], row[-1])),
    "steps": (rows.STEP, rows.step_from),
    "outbox": (rows.OUTBOX, rows.outbox_entry_from),
}
"""Columns and parser of the tables with structured values."""

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
"""SELECT of the letters with a fault, by the text of the fault."""
_NAMED = f"""SELECT t.letter || ' ' || COALESCE(CAST(l.size AS VARCHAR(20)), '') || ' ' || t.file FROM contents AS t
    LEFT JOIN letters AS l ON l.id = t.letter WHERE t.file IS NOT NULL AND t.file LIKE '{OBJECT}%' ORDER BY t.letter"""
OBJECTS_AT_ONCE = 100
"""Number of objects per batch of requests."""


def faults(
    store: StoreEndpoint, on_progress: OnProgress, objects: Objects | None = None, *, read_objects: bool = False
) -> Iterator[str]:
    """Yield a line for each fault. `objects`: object store of the contents that are named only; None skips these.

    Each object must exist and have the size of its letter; with `read_objects` all are read to their end.
    """
    yield from store.integrity()
    for table in tables():
        try:
            yield from _faults_of_table(store, table, on_progress)
        except StoreError as error:
            yield f"table {table.name} can't be read to its end: {error}"
    for fault, statement in _RELATIONS.items():
        try:
            for letter in store.letters(statement):
                yield f"letter {letter}{where(store, letter)} {fault}"
        except StoreError as error:
            yield f"whether a letter {fault}, can't be read: {error}"
    if objects is not None:
        yield from _faults_of_objects(store, objects, on_progress, read=read_objects)


def _faults_of_table(store: StoreEndpoint, table: Table, on_progress: OnProgress) -> Iterator[str]:
    """Raises StoreError where reading the table fails for good."""
    total = store.count(table)
    read = _reader(store, table)
    for count, row in enumerate(store.rows(table), 1):
        try:
            read(table.checked(row))
        except StoreError as error:
            yield str(error)
        if count % EVERY == 0 or count == total:
            on_progress(Progress("read", table.name, count, total))


def named_objects(store: StoreEndpoint) -> Iterator[Expected]:
    """Yield the objects that rows name, in the order of the letters, including those of pruned letters."""
    for line in store.letters(_NAMED):
        letter, size, name = line.split(" ", 2)
        yield Expected(letter, name, int(size) if size else None)


def _faults_of_objects(store: StoreEndpoint, objects: Objects, on_progress: OnProgress, *, read: bool) -> Iterator[str]:
    total = sum(1 for _ in named_objects(store))
    named, done = named_objects(store), 0
    while part := list(islice(named, OBJECTS_AT_ONCE)):
        yield from objects.faults(part, read=read)
        done += len(part)
        on_progress(Progress("read" if read else "asked for", "objects", done, total))


def _reader(store: StoreEndpoint, table: Table) -> Callable[[Row], object]:
    if table.name == CONTENTS:
        return lambda row: _read_content(store, row)
    if table.name not in _READERS:
        return lambda _row: None
    columns, read = _READERS[table.name]
    places = [table.columns.index(name) for name in columns]
    return lambda row: read(tuple(row[place] for place in places))


def _delivery(row: Row, collected: object) -> None:
    rows.delivery_from(row)
    rows.collected_from((row[0], row[1], collected))


def _read_content(store: StoreEndpoint, row: Row) -> None:
    try:
        content = content_of(store, row)
        if content is not None:
            content.read()
    except StoreError as error:
        raise type(error)(damaged_content(store, row[0], error)) from error
