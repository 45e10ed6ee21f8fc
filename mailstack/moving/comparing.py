"""Whether two stores hold the same: counts and checksums of every table and every content, both read anew."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.moving import Said, Say, Side
from mailstack.moving.copying import CONTENTS
from mailstack.moving.resting import at_rest
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


def differences(source: Side, target: Side, say: Say) -> list[Difference]:
    """The tables that differ; none when all is the same. Raises StoreError for a content that can't be read."""
    found = []
    for table in tables():
        here, there = sum_of(source, table, say, "read"), sum_of(target, table, say, "compared")
        if here != there:
            found.append(Difference(table.name, here, there))
    return found


def sum_of(side: Side, table: Table, say: Say, what: str) -> Sum:
    """Reads all of a table, and the contents that it names."""
    of = side.count(table)
    rows = checksum = 0
    for row in side.rows(table):
        values = _read(side, row) if table.name == CONTENTS else at_rest(table, table.checked(row))
        checksum += int.from_bytes(blake2b(_encode(values), digest_size=16).digest())
        rows += 1
        if rows % EVERY == 0 or rows == of:
            say(Said(what, table.name, rows, of))
    return Sum(rows, checksum % (1 << 128))


def _read(side: Side, row: Row) -> tuple[Any, ...]:
    """A row of contents with the digest of a large one in the place of its name, which each store chooses."""
    letter, file, octets = row
    if file is None:
        return letter, octets
    large = side.octets(file)
    if large is None:
        return letter, file
    digest, size = blake2b(digest_size=32), 0
    for part in large:
        digest.update(part)
        size += len(part)
    return letter, size, digest.digest()
