"""Whether two stores hold the same: counts and checksums of every table and every content, both read anew."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.moving import Said, Say, Side
from mailstack.moving.reading import CONTENTS, Contents, damaged_content
from mailstack.moving.resting import at_rest
from mailstack.store import Damaged
from mailstack.store.tables import Row, Table, tables

EVERY = 1000
"""Rows after which something is said."""

_encode = msgspec.msgpack.Encoder().encode


class Sum(Struct, frozen=True):
    """What a table comes to, in whatever order it is read."""

    rows: int
    checksum: int
    """The sum of the digests of its rows, modulo 2 to the power of 128."""


class Difference(Struct, frozen=True):
    """A table that is not the same on both sides."""

    table: str
    here: Sum
    there: Sum


def differences(
    source: Side, target: Side, say: Say, damaged: Callable[[Side, str], object] = lambda _side, _fault: None
) -> list[Difference]:
    """The tables that differ; none when all is the same. `damaged` is called for each content that can't be read."""
    found = []
    for table in tables():
        here = sum_of(source, table, say, "read", partial(damaged, source))
        there = sum_of(target, table, say, "compared", partial(damaged, target))
        if here != there:
            found.append(Difference(table.name, here, there))
    return found


def sum_of(side: Side, table: Table, say: Say, what: str, damaged: Callable[[str], object]) -> Sum:
    """Reads all of a table, and the contents that it names."""
    contents = Contents(side)
    of = side.count(table)
    rows = checksum = 0
    for row in side.rows(table):
        values = _read(side, contents, row, damaged) if table.name == CONTENTS else at_rest(table, table.checked(row))
        checksum += int.from_bytes(blake2b(_encode(values), digest_size=16).digest())
        rows += 1
        if rows % EVERY == 0 or rows == of:
            say(Said(what, table.name, rows, of))
    return Sum(rows, checksum % (1 << 128))


def _read(side: Side, contents: Contents, row: Row, damaged: Callable[[str], object]) -> tuple[Any, ...]:
    """A row of contents with the digest of a large one in the place of its name, which each store chooses.

    What is damaged on both sides is the same there: nothing says what it should be.
    """
    letter, file, octets, _ = row
    try:
        if file is None:
            contents.check_small(row)
            return letter, octets
        large = contents.large(row)
        if large is None:
            return letter, file
        for _part in large:
            pass
    except Damaged as damage:
        damaged(damaged_content(side, letter, damage))
        return letter, "damaged"
    return letter, large.size, large.digest
