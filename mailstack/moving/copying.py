"""Copies one store into another, table by table, in transactions of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.moving import Progress, Said, Say, Side, Target
from mailstack.moving.resting import at_rest
from mailstack.store import StoreError
from mailstack.store.tables import Row, Table, tables

ROWS = 1000
OCTETS = 4 * 1024 * 1024
"""In one transaction at most, but for a row that is larger by itself."""
CONTENTS = "contents"
"""The table whose column `file` may name a large content."""


def copy(source: Side, target: Target, say: Say) -> None:
    """All rows and contents. What a copy that was killed has done is not done again; `Target.finish` is left to the caller."""
    progress = target.begin(source.name)
    names = [table.name for table in tables()]
    done = names.index(progress.table) if progress.table else 0
    for table in tables()[done:]:
        after = progress.after if table.name == progress.table else ()
        of = source.count(table)
        count = target.count(table)
        say(Said("copied", table.name, count, of))
        for rows in _parts(table, source.rows(table, after)):
            here = [_moved(source, target, row) for row in rows] if table.name == CONTENTS else rows
            last = table.key_of(rows[-1])
            try:
                target.write(table, here, Progress(source.name, table.name, last))
            except StoreError as error:
                raise type(error)(f"table {table.name}, {table.key_of(rows[0])!r} to {last!r}: {error}") from error
            count += len(rows)
            say(Said("copied", table.name, count, of))


def _parts(table: Table, rows: Iterator[Row]) -> Iterator[list[Row]]:
    """The rows, as many at a time as one transaction takes."""
    part: list[Row] = []
    octets = 0
    for row in rows:
        row = at_rest(table, table.checked(row))  # noqa: PLW2901
        size = sum(len(value) for value in row if isinstance(value, str | bytes))
        if part and (len(part) == ROWS or octets + size > OCTETS):
            yield part
            part, octets = [], 0
        part.append(row)
        octets += size
    if part:
        yield part


def _moved(source: Side, target: Target, row: Row) -> Row:
    """A row of contents as it is over there."""
    letter, file, octets = row
    if file is None:
        return row
    try:
        large = source.octets(file)
        return row if large is None else (letter, target.keep(file, large), octets)
    except StoreError as error:
        raise type(error)(f"the content of letter {letter}: {error}") from error
