"""Dump of a store with checksums, and restore into an empty one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.cli.migrate import OnProgress, Progress, RestoreTarget, StoreEndpoint
from mailstack.letter.delivery import DeliveryState
from mailstack.store import Damaged, StoreError
from mailstack.store.contents import new_digest
from mailstack.store.rows import FAR
from mailstack.store.schema import Row, Table, tables

CONTENTS = "contents"
"""Name of the table with the contents; its column `file` names a large one."""
EVERY = 1000
"""Number of rows between two reports of progress."""
_DELIVERIES = "deliveries"
_DAMAGED = "damaged"

_encode = msgspec.msgpack.Encoder().encode

OnDamage = Callable[[str], object]


def rows(store: StoreEndpoint, table: Table) -> Iterator[Row]:
    """Yield the rows of a table as a restored store has them. Raises StoreError, and Damaged for a value of a wrong type."""
    for row in store.rows(table):
        yield without_claim(table, table.checked(row))


def without_claim(table: Table, row: Row) -> Row:
    """Return a row with its claim reset: the attempt counts as one that failed for now.

    A claim that was copied would block the delivery for hours, because its owner never runs on the copy.
    """
    if table.name != _DELIVERIES or row[table.columns.index("claimed_by")] is None:
        return row
    values = dict(zip(table.columns, row, strict=True))
    values |= {"claimed_by": None, "lease": 0.0, "waits_until": None}
    if values["state"] == DeliveryState.HELD.value:
        values["waits_until"] = FAR
    elif values["state"] == DeliveryState.QUEUED.value:
        values["waits_until"] = values["due"]
    return tuple(values.values())


class DumpedContent:
    """Octets of one content; size and digest are known once they have been read."""

    def __init__(self, octets: Iterable[bytes], expected: str | None) -> None:
        """`expected`: digest from acceptance; None for an object: its name has one."""
        self._octets = octets
        self._expected = expected
        self._digest = new_digest()
        self.size = 0
        """Number of octets read so far."""

    @property
    def digest(self) -> str:
        """Digest of the octets read so far."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        """Yields the octets. Raises StoreError, or Damaged at the end if the digest does not match."""
        for part in self._octets:
            self._digest.update(part)
            self.size += len(part)
            yield part
        if self._expected not in {None, self.digest}:
            raise Damaged(f"its {self.size} octets have another digest than at acceptance")

    def read(self) -> None:
        """Read all octets and drop them. Raises as iteration does."""
        for _ in self:
            pass


def content_of(store: StoreEndpoint, row: Row) -> DumpedContent | None:
    """Return the content of a row of `contents`; None for one in an object store. Raises Damaged, StoreError."""
    letter, file, octets, digest = row
    if (file is None) is (octets is None):
        raise Damaged(f"table contents, {letter!r}: not either a name or octets")
    parts = (octets,) if file is None else store.octets(file)
    return None if parts is None else DumpedContent(parts, digest)


def damaged_content(store: StoreEndpoint, letter: str, damage: Exception) -> str:
    """Describe a damaged content with its letter, mailboxes and waiting recipients."""
    return f"the content of message {letter}{where(store, letter)}: {damage}"


def where(store: StoreEndpoint, letter: str) -> str:
    """Return the mailboxes and waiting recipients of a letter in brackets, to follow its id."""
    places = store.places(letter)
    return f" ({', '.join(places)})" if places else ""


class TableSum(Struct, frozen=True):
    """Number of rows of a table, and a checksum that is independent of their order."""

    rows: int = 0
    checksum: int = 0
    """Sum of the digests of the rows, modulo 2 to the power of 128."""

    def plus(self, values: tuple[Any, ...]) -> TableSum:
        """Return the sum with one more row."""
        digest = int.from_bytes(blake2b(_encode(values), digest_size=16).digest())
        return TableSum(self.rows + 1, (self.checksum + digest) % (1 << 128))


Sums = Mapping[str, TableSum]


def summary(letter: str, file: str | None, content: DumpedContent | None) -> tuple[Any, ...]:
    """Return the values of a row of `contents` for its sum: each store chooses its own names of files."""
    return (letter, file) if content is None else (letter, content.size, content.digest)


def damaged_summary(letter: str) -> tuple[Any, ...]:
    """Return the values for the sum where the content is damaged: the same in the source and in its copy."""
    return letter, _DAMAGED


def sums(store: StoreEndpoint, what: str, on_progress: OnProgress, on_damage: OnDamage) -> Sums:
    """Read a whole store, and return the sum of each table. `on_damage` is called for each damaged content."""
    found = {}
    for table in tables():
        total, result = store.count(table), TableSum()
        for row in rows(store, table):
            result = result.plus(_content_values(store, row, on_damage) if table.name == CONTENTS else row)
            if result.rows % EVERY == 0 or result.rows == total:
                on_progress(Progress(what, table.name, result.rows, total))
        found[table.name] = result
    return found


def _content_values(store: StoreEndpoint, row: Row, on_damage: OnDamage) -> tuple[Any, ...]:
    letter, file, *_ = row
    try:
        content = content_of(store, row)
        if content is not None:
            content.read()
    except Damaged as damage:
        on_damage(damaged_content(store, letter, damage))
        return damaged_summary(letter)
    return summary(letter, file, content)


ROWS = 1000
OCTETS = 4 * 1024 * 1024
"""Maximum octets of one batch, unless a single row has more."""


def restore(source: StoreEndpoint, target: RestoreTarget, on_progress: OnProgress, on_damage: OnDamage) -> Sums:
    """Copy all rows and contents, and return the sums of what was read; the caller verifies and commits.

    A damaged content is reported and left out. Its row names a missing content, so that no reader gets wrong octets.
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
