"""Copies one store into another, table by table, in transactions of bounded size."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.moving import Progress, Said, Say, Side, Target
from mailstack.moving.reading import CONTENTS, Contents, damaged_content
from mailstack.moving.resting import at_rest
from mailstack.store import Damaged, StoreError
from mailstack.store.tables import Row, Table, tables

NO_DIGEST = "damaged"
"""The digest of a content that is known to be damaged, and had none: nothing comes to it."""
ROWS = 1000
OCTETS = 4 * 1024 * 1024
"""In one transaction at most, but for a row that is larger by itself."""


def copy(source: Side, target: Target, say: Say) -> None:
    """All rows and contents. What a copy that was killed has done is not done again; `Target.finish` is left to the caller.

    A damaged content is not copied: its row names what is not there, so that nobody takes it for the letter.
    """
    contents = Contents(source)
    progress = target.begin(source.name)
    names = [table.name for table in tables()]
    done = names.index(progress.table) if progress.table else 0
    for table in tables()[done:]:
        after = progress.after if table.name == progress.table else ()
        of = source.count(table)
        count = target.count(table)
        say(Said("copied", table.name, count, of))
        for rows in _parts(table, source.rows(table, after)):
            here = [_moved(source, contents, target, row) for row in rows] if table.name == CONTENTS else rows
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


def _moved(source: Side, contents: Contents, target: Target, row: Row) -> Row:
    """A row of contents as it is over there."""
    letter, file, octets, _ = row
    try:
        if file is None:
            return letter, None, octets, contents.check_small(row)
        large = contents.large(row)
        return row if large is None else (letter, target.keep(file, large), None, large.digest)
    except Damaged:
        return _damaged(target, row)
    except StoreError as error:
        raise type(error)(damaged_content(source, letter, error)) from error


def _damaged(target: Target, row: Row) -> Row:
    """A row that can't be mistaken for a sound one; the octets of a small content may be of use to people."""
    letter, file, octets, digest = row
    return letter, None if file is None else target.name_of(file), octets, digest or NO_DIGEST
