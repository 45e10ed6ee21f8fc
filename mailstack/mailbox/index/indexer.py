"""Indexers: add new letters of the archive, here or in the primary worker."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred

from mailstack.letter import Address, LetterId
from mailstack.mailbox.index import queries, writes
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.extract import ArchivedLetter, extract, source_of
from mailstack.mailbox.index.feed import Feed
from mailstack.mailbox.index.items import Copy, Item, NewItem
from mailstack.protocols.connection import Clock
from mailstack.store import Damaged, Entry, Filter, Record, Store, StoreError
from mailstack.store.archive import ARCHIVE

_log = logging.getLogger(__name__)

AT_ONCE = 50
"""Letters that are read together."""
MOST_OCTETS = 8 * 1024 * 1024
"""Octets of letters that are read together, beyond the first."""
MOST_READ = 64 * 1024 * 1024
"""Octets of one letter; what stands behind them is not found."""
AGAIN = 5.0
"""Seconds until the next try when the store or the database can't be used."""

AWAY = 3600.0
"""Seconds for which a letter that can't be read stops those behind it: where it is kept may be out of reach."""

InThread = Callable[[Callable[[], Any]], Deferred[Any]]


class IndexedLetter(Struct, frozen=True):
    """Event data of a new letter."""

    item: Item
    record: Record


class Indexer:
    """From `start` to `stop` it reads whatever comes, once it is nudged."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: Store,
        database: IndexDatabase,
        feed: Feed,
        clock: Clock,
        in_thread: InThread,
        mailbox_of: Callable[[Address], Awaitable[str | None]],
        outlets: Collection[str] = (),
    ) -> None:
        """`mailbox_of` returns the mailbox of an address. A letter that reaches one of the `outlets`, servers, is a copy."""
        self._outlets = outlets
        self._store = store
        self._database = database
        self._feed = feed
        self._clock = clock
        self._in_thread = in_thread
        self._mailbox_of = mailbox_of
        self._read_to = 0
        self._unread: tuple[LetterId | None, float] = None, 0.0
        """A letter that could not be read, and since when."""
        self._works = False
        self._rests = False
        """Whether a try has failed just now, however often it is nudged."""
        self._nudged = False
        self._stopped = True
        self._idle: list[Deferred[None]] = []

    async def start(self) -> None:
        """Begin where the last run ended. Raises StoreError."""
        # The writer first: it makes the tables.
        self._read_to = await self._database.write(queries.progress)
        number, letter = await self._database.read(queries.newest)
        there = await self._store.entries(ARCHIVE, number - 1, 1) if number else []
        if there and there[0].uid == number and there[0].letter != letter:
            # It is the index of another archive.
            await self._database.write(writes.delete_all)
            self._read_to = 0
        self._stopped = False
        self.nudge()

    async def stop(self) -> None:
        """Finish what is being read."""
        self._stopped = True
        await self.idle()

    async def idle(self) -> None:
        """Return when all that had come when it was called is read, or reading has stopped; what comes later may wait."""
        if self._works:
            waiting: Deferred[None] = Deferred()
            self._idle.append(waiting)
            await waiting

    def nudge(self) -> None:
        """Something may have come."""
        self._nudged = True
        if not self._works and not self._stopped and not self._rests:
            self._works = True
            self._clock.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._nudged and not self._stopped:
                self._nudged = False
                while not self._stopped and await self._read_on():
                    pass
        except StoreError as error:
            _log.error("the index is not up to date, and tried again soon: %s", error)  # no bug of ours
            self._rests = True
            self._clock.call_later(AGAIN, self._go_on)
        finally:
            self._works = False
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    def _go_on(self) -> None:
        self._rests = False
        self.nudge()

    async def _read_on(self) -> bool:
        """Index the next letters; False when there were none. Waiters from before do not wait for letters that come meanwhile."""
        waiting, self._idle = self._idle, []
        is_all = False
        try:
            number, is_all = await self._read_some()
        finally:
            if not is_all:
                self._idle, waiting = [*waiting, *self._idle], []
        for each in waiting:
            each.callback(None)
        return number > 0

    async def _read_some(self) -> tuple[int, bool]:
        """How many letters it was given, and whether these were all."""
        entries = await self._store.entries(ARCHIVE, self._read_to, AT_ONCE)
        if not entries:
            return 0, True
        found = await self._store.records(Filter(ids=tuple(entry.letter for entry in entries), limit=len(entries)))
        records = {record.letter.id: record for record in found}
        before = self._read_to
        try:
            await self._read(entries, records)
        except StoreError:
            # Nothing of them is in the index: they are read again.
            self._read_to = before
            raise
        return len(entries), len(entries) < AT_ONCE and self._read_to == entries[-1].uid

    async def _read(self, entries: Sequence[Entry], records: Mapping[LetterId, Record]) -> None:
        arriving: list[ArchivedLetter] = []
        copies: list[Copy] = []
        gone: list[int] = []
        octets_read = 0
        for entry in entries:
            if octets_read > MOST_OCTETS:
                break
            self._read_to = entry.uid
            if (record := records.get(entry.letter)) is None or (octets := await self._octets(record)) is None:
                continue
            octets_read += len(octets)
            mailboxes = () if record.letter.arrival.server in self._outlets else await self._mailboxes(record)
            source = await source_of(self._store, self._outlets, record, octets)
            if source is not None:
                copies.append(Copy(record.letter.id, source, mailboxes))
                gone.append(entry.uid)
            else:
                arriving.append(ArchivedLetter(entry.uid, record, octets, mailboxes))
        await self._add(arriving, copies, gone)

    async def _add(self, arriving: list[ArchivedLetter], copies: list[Copy], gone: list[int]) -> None:
        read: list[NewItem] = await self._in_thread(lambda: [extract(each) for each in arriving]) if arriving else []
        read_to = self._read_to
        await self._database.write(lambda connection: writes.add(connection, read, copies, read_to))
        if gone:
            await self._store.update_maildrop(ARCHIVE, collected=(), deleted=gone, steps=())
        for each, one in zip(arriving, read, strict=True):
            self._feed.tell("letter", IndexedLetter(one.item, each.record), holders_of(one.item))

    async def _octets(self, record: Record) -> bytes | None:
        """None when they are gone, or will never be read. Raises StoreError when they may be later."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for chunk in (await self._store.content(record.letter.id)).chunks():
                pieces.append(chunk)
                size += len(chunk)
                if size > MOST_READ:
                    break
        except KeyError:
            return None
        except StoreError as error:
            if not (isinstance(error, Damaged) or self._is_given_up(record.letter.id)):
                raise
            _log.warning("letter %s is not in the index: %s", record.letter.id, error)
            return None
        return b"".join(pieces)

    def _is_given_up(self, letter: LetterId) -> bool:
        now = self._clock.now()
        if self._unread[0] != letter:
            self._unread = letter, now
        return now - self._unread[1] >= AWAY

    async def _mailboxes(self, record: Record) -> tuple[str, ...]:
        """Return the mailboxes of its recipients, also those of another server."""
        found: dict[str, None] = {}
        for delivery in record.deliveries:
            address = delivery.recipient.address
            found[await self._mailbox_of(address) or address.key] = None
        return tuple(found)


def holders_of(item: Item) -> frozenset[str]:
    """Return the mailboxes with users that may see events about a letter."""
    return frozenset((*item.mailboxes, item.account)) if item.account else frozenset(item.mailboxes)


GATHER = 0.02
"""Seconds for which what has come is gathered before the other is asked to read it."""
LOOK = 0.02
"""Seconds between looks how far it has read."""
ENTRIES_PER_READ = 500
"""Letters that are looked for together."""


class RemoteIndexer:
    """From `start` to `stop`."""

    def __init__(self, store: Store, database: IndexDatabase, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._wake = wake
        self._asked = False
        self._stopped = True

    async def start(self) -> None:
        """Raises StoreError."""
        # The writer creates missing tables.
        await self._database.write(queries.progress)
        self._stopped = False

    async def stop(self) -> None:
        self._stopped = True

    def nudge(self) -> None:
        """Something may have come."""
        if not self._asked and not self._stopped:
            self._asked = True
            self._clock.call_later(GATHER, self._ask)

    def _ask(self) -> None:
        self._asked = False
        if not self._stopped:
            self._wake()

    async def idle(self) -> None:
        """Return when all that had come when it was called is read; may be cancelled. Raises StoreError."""
        wanted = await self._database.read(queries.progress)
        while some := await self._store.entries(ARCHIVE, wanted, ENTRIES_PER_READ):
            wanted = some[-1].uid
            if len(some) < ENTRIES_PER_READ:
                break
        while not self._stopped and await self._database.read(queries.progress) < wanted:
            await self._pause()

    async def _pause(self) -> None:
        pause: Deferred[None] = Deferred()
        stop = self._clock.call_later(LOOK, lambda: pause.callback(None))
        try:
            await pause
        finally:
            stop()
