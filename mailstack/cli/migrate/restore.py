"""Restore of a dump into an empty store, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mailstack.cli.migrate import OnProgress, Progress, RestoreTarget, StoreEndpoint
from mailstack.cli.migrate.dump import (
    CONTENTS,
    OnDamage,
    Sums,
    TableSum,
    content_of,
    damaged_content,
    damaged_summary,
    rows,
    summary,
)
from mailstack.store import Damaged, StoreError
from mailstack.store.tables import Row, Table, tables

ROWS = 1000
OCTETS = 4 * 1024 * 1024
"""Maximum octets of one batch, unless a single row has more."""


def restore(source: StoreEndpoint, target: RestoreTarget, on_progress: OnProgress, on_damage: OnDamage) -> Sums:
    """Copy all rows and contents, and return the sums of what was read; the caller verifies and commits.

    A damaged content is reported and left out. Its row names a content that is missing, so that no reader takes it for
    the letter.
    """
    found = {}
    for table in tables():
        total, result = source.count(table), TableSum()
        on_progress(Progress("copied", table.name, 0, total))
        for batch in _batches(rows(source, table)):
            if table.name == CONTENTS:
                restored = [_restored(source, target, row, on_damage) for row in batch]
            else:
                restored = [(row, row) for row in batch]
            _add(target, table, [row for row, _ in restored])
            for _, values in restored:
                result = result.plus(values)
            on_progress(Progress("copied", table.name, result.rows, total))
        found[table.name] = result
    return found


def _add(target: RestoreTarget, table: Table, batch: list[Row]) -> None:
    try:
        target.add(table, batch)
    except StoreError as error:
        first, last = table.key_of(batch[0]), table.key_of(batch[-1])
        raise type(error)(f"table {table.name}, {first!r} to {last!r}: {error}") from error


def _batches(source: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    octets = 0
    for row in source:
        size = sum(len(value) for value in row if isinstance(value, str | bytes))
        if batch and (len(batch) == ROWS or octets + size > OCTETS):
            yield batch
            batch, octets = [], 0
        batch.append(row)
        octets += size
    if batch:
        yield batch


def _restored(
    source: StoreEndpoint, target: RestoreTarget, row: Row, on_damage: OnDamage
) -> tuple[Row, tuple[Any, ...]]:
    """Return a row of `contents` as the target has it, and its values for the sum."""
    letter, file, octets, digest = row
    try:
        content = content_of(source, row)
        if content is None:
            return row, summary(letter, file, None)
        if file is None:
            content.read()
        else:
            file = target.keep(file, content)
        return (letter, file, octets, content.digest), summary(letter, file, content)
    except Damaged as damage:
        on_damage(damaged_content(source, letter, damage))
        # The octets of a small content stay: they may be of use.
        return (letter, None if file is None else target.name_of(file), octets, digest), damaged_summary(letter)
    except StoreError as error:
        raise type(error)(damaged_content(source, letter, error)) from error
