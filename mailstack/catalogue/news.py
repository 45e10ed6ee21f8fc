"""What workers of one office tell each other of letters: the rows of a table, as text and read again."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from mailstack.catalogue.indexing import Entered
from mailstack.catalogue.items import Changes, Deleted
from mailstack.journey import Step

GAP = "gap"
"""The name of a row before which some things may not have been told, because nobody listened."""


class News(Struct, frozen=True):
    """One row. Letters are told by their numbers: who wants them reads them."""

    name: str
    """As an Event's."""
    numbers: tuple[int, ...] = ()
    count: int = 0
    holders: frozenset[str] | None = None
    step: Step | None = None
    deleted: Deleted | None = None


def news_of(name: str, data: Any, holders: frozenset[str] | None) -> News:
    """What an event is told by."""
    match data:
        case Entered(item, _):
            return News(name, (item.number,), 1, holders)
        case Changes(count, items):
            return News(name, tuple([item.number for item in items]), count, holders)
        case Step() as step:
            return News(name, holders=holders, step=step)
        case Deleted() as deleted:
            return News(name, holders=holders, deleted=deleted)
    raise TypeError(f"{name}: nothing that workers tell each other")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(News).decode


def tell(connection: sqlite3.Connection, some: Sequence[News], keep: int) -> None:
    """Add rows, and forget those beyond the newest `keep`."""
    connection.executemany(
        "INSERT INTO news (name, text) VALUES (?, ?)", [(each.name, _encode(each).decode()) for each in some]
    )
    connection.execute("DELETE FROM news WHERE sequence <= (SELECT max(sequence) FROM news) - ?", (keep,))


def after(connection: sqlite3.Connection, sequence: int, limit: int) -> list[tuple[int, News]]:
    """The first rows behind a sequence, the oldest first."""
    statement = "SELECT sequence, text FROM news WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [(int(number), _decode(text)) for number, text in connection.execute(statement, (sequence, limit))]


def beginning(connection: sqlite3.Connection) -> tuple[str, int]:
    """The name of the run, and the sequence of the newest gap: behind it nothing is missing."""
    (run,) = connection.execute("SELECT name FROM run").fetchone()
    oldest, gap = connection.execute(
        "SELECT coalesce(min(sequence) - 1, 0), coalesce(max(sequence) FILTER (WHERE name = ?), 0) FROM news", (GAP,)
    ).fetchone()
    return str(run), max(int(oldest), int(gap))
