"""Feed shared by worker processes, with all events in one order."""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import DeferredLock

from mailstack.letter.step import Step
from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import Event, Feed
from mailstack.mailbox.index.indexer import IndexedLetter
from mailstack.mailbox.index.items import ChangedItems, DeletedItems, Item, ItemFilter
from mailstack.policy.counters import ConnectionCounts
from mailstack.protocols.connection import Clock
from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.store import Filter, Store, StoreError

_log = logging.getLogger(__name__)

KEPT = 2000
"""Maximum number of rows; a stream that missed more must read the lists again."""
AT_ONCE = 200
"""Rows that are read together."""


GAP = "gap"
"""Name of a row before which events may be missing, because no stream was open."""


class EventRow(Struct, frozen=True):
    """Row of the table of events. Letters are given by number; each process reads them itself."""

    name: str
    """Name of the event."""
    numbers: tuple[int, ...] = ()
    count: int = 0
    holders: frozenset[str] | None = None
    step: Step | None = None
    deleted: DeletedItems | None = None


def _news_of(name: str, data: Any, holders: frozenset[str] | None) -> EventRow:
    """What an event is told by."""
    match data:
        case IndexedLetter(item, _):
            return EventRow(name, (item.number,), 1, holders)
        case ChangedItems(count, items):
            return EventRow(name, tuple([item.number for item in items]), count, holders)
        case Step() as step:
            return EventRow(name, holders=holders, step=step)
        case DeletedItems() as deleted:
            return EventRow(name, holders=holders, deleted=deleted)
    raise TypeError(f"{name}: nothing that workers tell each other")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EventRow).decode


def _write(connection: sqlite3.Connection, some: Sequence[EventRow], keep: int) -> None:
    """Add rows, and forget those beyond the newest `keep`."""
    connection.executemany(
        "INSERT INTO news (name, text) VALUES (?, ?)", [(each.name, _encode(each).decode()) for each in some]
    )
    connection.execute("DELETE FROM news WHERE sequence <= (SELECT max(sequence) FROM news) - ?", (keep,))


def _after(connection: sqlite3.Connection, sequence: int, limit: int) -> list[tuple[int, EventRow]]:
    """The first rows behind a sequence, the oldest first."""
    statement = "SELECT sequence, text FROM news WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [(int(number), _decode(text)) for number, text in connection.execute(statement, (sequence, limit))]


def _beginning(connection: sqlite3.Connection) -> tuple[str, int]:
    """The name of the run, and the sequence of the newest gap: behind it nothing is missing."""
    (run,) = connection.execute("SELECT name FROM run").fetchone()
    oldest, gap = connection.execute(
        "SELECT coalesce(min(sequence) - 1, 0), coalesce(max(sequence) FILTER (WHERE name = ?), 0) FROM news", (GAP,)
    ).fetchone()
    return str(run), max(int(oldest), int(gap))


class WorkerSync(Struct, frozen=True):
    """Parts that join the feeds of several processes."""

    leads: bool
    """Whether this process indexes new letters and drops old ones for all."""
    watchers: ConnectionCounts
    """Number of open streams in all processes."""
    wake: Callable[[], None]
    """Wakes the other processes."""


class SharedFeed(Feed):
    """Feed through a table of events. States: no stream is open here, and no row is read; else each row is an event.

    While no stream is open in any process, no row is written. The first new stream writes a row for the gap, so that a
    stream from before knows that events are missing.
    """

    def __init__(self, database: IndexDatabase, store: Store, clock: Clock, sharing: WorkerSync) -> None:
        super().__init__(KEPT, soon=lambda do: clock.call_later(0, do))
        self._database = database
        self._store = store
        self._clock = clock
        self._sharing = sharing
        self._untold: deque[EventRow] = deque(maxlen=KEPT)
        self._complaint = RateLimitedLog(_log, clock.steady)
        self._telling = False
        self._asked = False
        self._reading = DeferredLock()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Open a stream. Raises StoreError."""
        watchers = self._sharing.watchers
        if not watchers.total():
            # Before it counts, so that nothing but what happened before the gap can be missing behind it.
            await self._database.write(partial(_write, some=[EventRow(GAP)], keep=KEPT))
        watchers.add("")
        try:
            if not self.is_watched:
                await self._begin()
            async with super().watched():
                await self._look()
                yield
        finally:
            watchers.remove("")

    async def _begin(self) -> None:
        """Begin at the last gap, so that a stream from another process can go on here."""
        run, gap = await self._database.read(_beginning)
        if not self.is_watched:
            self.begin(run, gap)

    def tell(self, name: str, data: Any, holders: frozenset[str] | None = None) -> None:
        if self._sharing.watchers.total() and not self.is_closed:
            self._untold.append(_news_of(name, data, holders))
            if not self._telling:
                self._telling = True
                self._clock.spawn(self._tell())

    async def _tell(self) -> None:
        try:
            while self._untold:
                some = list(self._untold)
                self._untold.clear()
                await self._database.write(partial(_write, some=some, keep=KEPT))
                self.woken()
                self._sharing.wake()
        except StoreError as error:
            self._complaint.error("pages may not show what happened just now: %s", error)
        finally:
            self._telling = False

    def woken(self) -> None:
        """There may be something new."""
        if self.is_watched and not self._asked:
            self._asked = True
            self._clock.spawn(self._look())

    async def _look(self) -> None:
        """Read all that is there."""
        async with self._reading:
            self._asked = False
            try:
                while rows := await self._database.read(partial(_after, sequence=self.newest, limit=AT_ONCE)):
                    await self._read(rows)
            except StoreError as error:
                self._complaint.error("pages may not show what happened just now: %s", error)

    async def _read(self, rows: Sequence[tuple[int, EventRow]]) -> None:
        numbers = tuple({number for _, row in rows for number in row.numbers})
        items: dict[int, Item] = {}
        entered: dict[int, IndexedLetter] = {}
        if numbers:
            found = await self._database.read(
                partial(queries.first, which=ItemFilter(numbers=numbers), limit=len(numbers))
            )
            items = {item.number: item for item in found}
            new = tuple([items[n].id for _, row in rows if row.name == "letter" for n in row.numbers if n in items])
            records = await self._store.records(Filter(ids=new, limit=len(new))) if new else []
            by_id = {record.letter.id: record for record in records}
            entered = {n: IndexedLetter(item, by_id[item.id]) for n, item in items.items() if item.id in by_id}
        for sequence, row in rows:
            self._take(Event(sequence, row.name, _data(row, items, entered), row.holders))


def _data(row: EventRow, items: dict[int, Item], entered: dict[int, IndexedLetter]) -> Any:
    """What an event says; None for a letter that is gone already, and for a gap."""
    match row.name:
        case "letter":
            return entered.get(row.numbers[0])
        case "changed":
            return ChangedItems(row.count, tuple([items[each] for each in row.numbers if each in items]))
    return row.step or row.deleted
