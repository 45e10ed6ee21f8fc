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

from mailstack.letter.delivery import Step
from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import Event, Feed
from mailstack.mailbox.index.indexer import IndexedLetter
from mailstack.mailbox.index.items import ChangedItems, DeletedItems, Item, ItemFilter
from mailstack.policy.counters import ConnectionCounts
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import RateLimitedLog
from mailstack.store import Filter, Store, StoreError

_log = logging.getLogger(__name__)

MAX_ROWS = 2000
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


def _row_of(name: str, data: Any, holders: frozenset[str] | None) -> EventRow:
    match data:
        case IndexedLetter(item, _):
            return EventRow(name, (item.number,), 1, holders)
        case ChangedItems(count, items):
            return EventRow(name, tuple([item.number for item in items]), count, holders)
        case Step() as step:
            return EventRow(name, holders=holders, step=step)
        case DeletedItems() as deleted:
            return EventRow(name, holders=holders, deleted=deleted)
    raise TypeError(f"events of type {name} are not shared by workers")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(EventRow).decode


def _write(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> None:
    """Adds rows, and deletes all beyond the newest MAX_ROWS."""
    connection.executemany(
        "INSERT INTO news (name, text) VALUES (?, ?)", [(each.name, _encode(each).decode()) for each in rows]
    )
    connection.execute("DELETE FROM news WHERE sequence <= (SELECT max(sequence) FROM news) - ?", (MAX_ROWS,))


def _after(connection: sqlite3.Connection, sequence: int, limit: int) -> list[tuple[int, EventRow]]:
    """The first rows after a sequence number, the oldest first."""
    statement = "SELECT sequence, text FROM news WHERE sequence > ? ORDER BY sequence LIMIT ?"
    return [(int(number), _decode(text)) for number, text in connection.execute(statement, (sequence, limit))]


def _start_position(connection: sqlite3.Connection) -> tuple[str, int]:
    """The name of the run, and the sequence number of the newest gap, after which no event is missing."""
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
    """Feed through a table of events, which a process reads while it has streams.

    While no stream is open in any process, no row is written. The first new stream writes a row for the gap, so that a
    resumed stream detects missing events.
    """

    def __init__(self, database: IndexDatabase, store: Store, clock: Clock, worker_sync: WorkerSync) -> None:
        super().__init__(MAX_ROWS, soon=lambda do: clock.call_later(0, do))
        self._database = database
        self._store = store
        self._clock = clock
        self._worker_sync = worker_sync
        self._unpublished: deque[EventRow] = deque(maxlen=MAX_ROWS)
        self._limited_log = RateLimitedLog(_log, clock.steady)
        self._is_publishing = False
        self._is_poll_due = False
        self._read_lock = DeferredLock()

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """Opens a stream. Raises StoreError."""
        watchers = self._worker_sync.watchers
        if not watchers.total():
            # Before the stream is counted, so that no event after the gap is missing.
            await self._database.write(partial(_write, rows=[EventRow(GAP)]))
        watchers.add("")
        try:
            if not self.has_streams:
                await self._start()
            async with super().stream():
                await self._poll()
                yield
        finally:
            watchers.remove("")

    async def _start(self) -> None:
        """Starts at the last gap, so that a stream of another process can resume here."""
        run, gap = await self._database.read(_start_position)
        if not self.has_streams:
            self.restart_at(run, gap)

    def publish(self, name: str, data: Any, holders: frozenset[str] | None = None) -> None:
        if self._worker_sync.watchers.total() and not self.is_closed:
            self._unpublished.append(_row_of(name, data, holders))
            if not self._is_publishing:
                self._is_publishing = True
                self._clock.spawn(self._write_rows())

    async def _write_rows(self) -> None:
        try:
            while self._unpublished:
                rows = list(self._unpublished)
                self._unpublished.clear()
                await self._database.write(partial(_write, rows=rows))
                self.on_wake()
                self._worker_sync.wake()
        except StoreError as error:
            self._limited_log.error("pages may not show what happened just now: %s", error)
        finally:
            self._is_publishing = False

    def on_wake(self) -> None:
        """Polls the table, after a change by another process."""
        if self.has_streams and not self._is_poll_due:
            self._is_poll_due = True
            self._clock.spawn(self._poll())

    async def _poll(self) -> None:
        """Reads all new rows."""
        async with self._read_lock:
            self._is_poll_due = False
            try:
                while rows := await self._database.read(partial(_after, sequence=self.newest, limit=AT_ONCE)):
                    await self._read(rows)
            except StoreError as error:
                self._limited_log.error("pages may not show what happened just now: %s", error)

    async def _read(self, rows: Sequence[tuple[int, EventRow]]) -> None:
        numbers = tuple({number for _, row in rows for number in row.numbers})
        items: dict[int, Item] = {}
        entered: dict[int, IndexedLetter] = {}
        if numbers:
            found = await self._database.read(
                partial(queries.first, item_filter=ItemFilter(numbers=numbers), limit=len(numbers))
            )
            items = {item.number: item for item in found}
            new = tuple([items[n].id for _, row in rows if row.name == "letter" for n in row.numbers if n in items])
            records = await self._store.history.records(Filter(ids=new, limit=len(new))) if new else []
            by_id = {record.letter.id: record for record in records}
            entered = {n: IndexedLetter(item, by_id[item.id]) for n, item in items.items() if item.id in by_id}
        for sequence, row in rows:
            self._append(Event(sequence, row.name, _data(row, items, entered), row.holders))


def _data(row: EventRow, items: dict[int, Item], entered: dict[int, IndexedLetter]) -> Any:
    """The data of an event; None for a removed letter, and for a gap."""
    match row.name:
        case "letter":
            return entered.get(row.numbers[0])
        case "changed":
            return ChangedItems(row.count, tuple([items[each] for each in row.numbers if each in items]))
    return row.step or row.deleted
