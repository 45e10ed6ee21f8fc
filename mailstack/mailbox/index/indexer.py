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
from mailstack.mailbox.index.feed import Feed, sleep
from mailstack.mailbox.index.items import ArchivedLetter, Copy, Item, NewItem, extract, source_of
from mailstack.protocols.connection import Clock
from mailstack.store import Damaged, Entry, Filter, Record, Store, StoreError
from mailstack.store.archive import ARCHIVE

_log = logging.getLogger(__name__)

AT_ONCE = 50
"""Maximum letters of one batch."""
MAX_BATCH_OCTETS = 8 * 1024 * 1024
"""Maximum octets of one batch, the last letter not counted."""
MAX_LETTER_OCTETS = 64 * 1024 * 1024
"""Maximum indexed octets of one letter."""
RETRY_S = 5.0
"""Seconds to the next try after an error of the store or the database."""

GIVE_UP_AFTER_S = 3600.0
"""Seconds for which an unreadable letter stops the letters after it: its storage may be unavailable for a time."""

InThread = Callable[[Callable[[], Any]], Deferred[Any]]


class IndexedLetter(Struct, frozen=True):
    """Event data of a new letter."""

    item: Item
    record: Record


class Indexer:
    """Indexes new letters from `start` to `stop`, after each `poll_soon`."""

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
        """`mailbox_of` returns the mailbox of an address. A letter to a server in `outlets` is a copy."""
        self._outlets = outlets
        self._store = store
        self._database = database
        self._feed = feed
        self._clock = clock
        self._in_thread = in_thread
        self._mailbox_of = mailbox_of
        self._read_to = 0
        self._unreadable: tuple[LetterId | None, float] = None, 0.0
        """Letter that could not be read, and the time of the first try."""
        self._is_running = False
        self._is_paused = False
        """Whether the last try failed, so that polls wait."""
        self._is_poll_due = False
        self._stopped = True
        self._idle: list[Deferred[None]] = []

    async def start(self) -> None:
        """Starts after the last indexed letter. Raises StoreError."""
        # The writer creates missing tables.
        self._read_to = await self._database.write(queries.progress)
        number, letter = await self._database.read(queries.newest)
        existing = await self._store.mailboxes.entries(ARCHIVE, number - 1, 1) if number else []
        if existing and existing[0].uid == number and existing[0].letter != letter:
            # It is the index of another archive.
            await self._database.write(writes.delete_all)
            self._read_to = 0
        self._stopped = False
        self.poll_soon()

    async def stop(self) -> None:
        """Stops after the current batch."""
        self._stopped = True
        await self.idle()

    async def idle(self) -> None:
        """Returns when all letters of before the call are indexed, or the indexer has stopped."""
        if self._is_running:
            waiting: Deferred[None] = Deferred()
            self._idle.append(waiting)
            await waiting

    def poll_soon(self) -> None:
        """Something may have come."""
        self._is_poll_due = True
        if not self._is_running and not self._stopped and not self._is_paused:
            self._is_running = True
            self._clock.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._is_poll_due and not self._stopped:
                self._is_poll_due = False
                while not self._stopped and await self._index_next():
                    pass
        except StoreError as error:
            _log.error("the index can't be updated yet: %s", error)
            self._is_paused = True
            self._clock.call_later(RETRY_S, self._resume)
        finally:
            self._is_running = False
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)

    def _resume(self) -> None:
        self._is_paused = False
        self.poll_soon()

    async def _index_next(self) -> bool:
        """Indexes the next batch; False if there was none. Earlier waiters do not wait for later letters."""
        waiting, self._idle = self._idle, []
        is_all = False
        try:
            number, is_all = await self._index_batch()
        finally:
            if not is_all:
                self._idle, waiting = [*waiting, *self._idle], []
        for each in waiting:
            each.callback(None)
        return number > 0

    async def _index_batch(self) -> tuple[int, bool]:
        """Indexes a batch; returns its number of letters, and whether it was the last one."""
        entries = await self._store.mailboxes.entries(ARCHIVE, self._read_to, AT_ONCE)
        if not entries:
            return 0, True
        found = await self._store.history.records(
            Filter(ids=tuple(entry.letter for entry in entries), limit=len(entries))
        )
        records = {record.letter.id: record for record in found}
        before = self._read_to
        try:
            await self._index_entries(entries, records)
        except StoreError:
            # Nothing is written yet: the batch is read again.
            self._read_to = before
            raise
        return len(entries), len(entries) < AT_ONCE and self._read_to == entries[-1].uid

    async def _index_entries(self, entries: Sequence[Entry], records: Mapping[LetterId, Record]) -> None:
        archived: list[ArchivedLetter] = []
        copies: list[Copy] = []
        copied_uids: list[int] = []
        octets_read = 0
        for entry in entries:
            if octets_read > MAX_BATCH_OCTETS:
                break
            self._read_to = entry.uid
            if (record := records.get(entry.letter)) is None or (octets := await self._octets(record)) is None:
                continue
            octets_read += len(octets)
            mailboxes = () if record.letter.arrival.server in self._outlets else await self._mailboxes(record)
            source = await source_of(self._store, self._outlets, record, octets)
            if source is not None:
                copies.append(Copy(record.letter.id, source, mailboxes))
                copied_uids.append(entry.uid)
            else:
                archived.append(ArchivedLetter(entry.uid, record, octets, mailboxes))
        await self._add(archived, copies, copied_uids)

    async def _add(self, archived: list[ArchivedLetter], copies: list[Copy], copied_uids: list[int]) -> None:
        new_items: list[NewItem] = (
            await self._in_thread(lambda: [extract(each) for each in archived]) if archived else []
        )
        read_to = self._read_to
        await self._database.write(lambda connection: writes.add(connection, new_items, copies, read_to))
        if copied_uids:
            await self._store.mailboxes.update(ARCHIVE, collected=(), deleted=copied_uids, steps=())
        for each, one in zip(archived, new_items, strict=True):
            self._feed.publish("letter", IndexedLetter(one.item, each.record), holders_of(one.item))

    async def _octets(self, record: Record) -> bytes | None:
        """The content; None if it is removed, or unreadable for good. Raises StoreError if it may be read later."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for chunk in (await self._store.contents.get(record.letter.id)).chunks():
                pieces.append(chunk)
                size += len(chunk)
                if size > MAX_LETTER_OCTETS:
                    break
        except KeyError:
            return None
        except StoreError as error:
            if not (isinstance(error, Damaged) or self._is_given_up(record.letter.id)):
                raise
            _log.warning("message %s is not in the index: %s", record.letter.id, error)
            return None
        return b"".join(pieces)

    def _is_given_up(self, letter: LetterId) -> bool:
        now = self._clock.now()
        if self._unreadable[0] != letter:
            self._unreadable = letter, now
        return now - self._unreadable[1] >= GIVE_UP_AFTER_S

    async def _mailboxes(self, record: Record) -> tuple[str, ...]:
        """The mailboxes of all recipients, including recipients at other servers."""
        found: dict[str, None] = {}
        for delivery in record.deliveries:
            address = delivery.recipient.address
            found[await self._mailbox_of(address) or address.key] = None
        return tuple(found)


def holders_of(item: Item) -> frozenset[str]:
    """The mailboxes with users that may see events about a letter."""
    return frozenset((*item.mailboxes, item.account)) if item.account else frozenset(item.mailboxes)


WAKE_DELAY_S = 0.02
"""Seconds for which new letters are collected before the primary worker is woken."""
POLL_S = 0.02
"""Seconds between two polls of the progress of the primary worker."""
ENTRIES_PER_READ = 500
"""Maximum entries of the archive in one query."""


class RemoteIndexer:
    """Wakes the indexer of the primary worker, from `start` to `stop`."""

    def __init__(self, store: Store, database: IndexDatabase, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._wake = wake
        self._is_wake_due = False
        self._stopped = True

    async def start(self) -> None:
        """Raises StoreError."""
        # The writer creates missing tables.
        await self._database.write(queries.progress)
        self._stopped = False

    async def stop(self) -> None:
        self._stopped = True

    def poll_soon(self) -> None:
        """Something may have come."""
        if not self._is_wake_due and not self._stopped:
            self._is_wake_due = True
            self._clock.call_later(WAKE_DELAY_S, self._send_wake)

    def _send_wake(self) -> None:
        self._is_wake_due = False
        if not self._stopped:
            self._wake()

    async def idle(self) -> None:
        """Returns when all letters of before the call are indexed; may be cancelled. Raises StoreError."""
        newest = await self._database.read(queries.progress)
        while entries := await self._store.mailboxes.entries(ARCHIVE, newest, ENTRIES_PER_READ):
            newest = entries[-1].uid
            if len(entries) < ENTRIES_PER_READ:
                break
        while not self._stopped and await self._database.read(queries.progress) < newest:
            await sleep(self._clock, POLL_S)
