"""Interface of the index for pages and tests: lists, searches, tags, deletion."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from msgspec.structs import replace

from mailstack.letter import Address, Content, LetterId
from mailstack.letter.step import Journal, Step, TappedJournal
from mailstack.mailbox.index import queries, writes
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import Feed, with_timeout
from mailstack.mailbox.index.indexer import AGAIN, Indexer, InThread, RemoteIndexer, holders_of
from mailstack.mailbox.index.items import (
    MOST_TOLD,
    ChangedItems,
    DeletedItems,
    Item,
    ItemFilter,
    ItemList,
    MailboxCount,
)
from mailstack.mailbox.index.query import Flag, Term
from mailstack.mailbox.index.removal import Batches, Removal, Retention
from mailstack.mailbox.index.shared_feed import SharedFeed, WorkerSync
from mailstack.protocols.connection import Clock
from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.store import Filter, Record, Store, StoreError, StoreFull

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Maximum seconds to wait until the index is up to date."""


class LetterIndex:
    """Index of letters, from `start` to `stop`. Coroutines raise StoreError when the database can't be used."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        store: Store,
        database: IndexDatabase,
        clock: Clock,
        in_thread: InThread,
        mailbox_of: Callable[[Address], Awaitable[str | None]],
        keeping: Retention = Retention(),  # noqa: B008 - it is frozen
        sharing: WorkerSync | None = None,
        outlets: Collection[str] = (),
    ) -> None:
        """`store` has an archive; the caller opens and closes it. `sharing`: None for a single process."""
        # Listeners run in a later turn of the reactor, and not within the acceptance of a letter.
        self.feed = (
            Feed(soon=lambda do: clock.call_later(0, do))
            if sharing is None
            else SharedFeed(database, store, clock, sharing)
        )
        self._removal = Removal(store, database, clock, self.feed, keeping)
        self._batches = Batches(database, clock)
        self._store = store
        self._database = database
        self._clock = clock
        self._leads = sharing is None or sharing.leads
        self._indexing = (
            Indexer(store, database, self.feed, clock, in_thread, mailbox_of, outlets)
            if sharing is None or sharing.leads
            else RemoteIndexer(store, database, clock, sharing.wake)
        )
        self._looking: Callable[[], None] = lambda: None
        self._complaint = RateLimitedLog(_log, clock.steady)
        self._is_open = False

    async def start(self) -> None:
        """Begin to read what has come; on a full disk, when there is room. Raises StoreError."""
        self._is_open = True
        try:
            await self._begin()
        except StoreFull as trouble:
            self._begin_later(trouble)

    async def _begin(self) -> None:
        await self._indexing.start()
        if self._leads and self._is_open:
            self._look()

    def _begin_later(self, trouble: StoreError) -> None:
        self._complaint.error("the index of letters can't be opened yet: %s", trouble)
        self._looking = self._clock.call_later(AGAIN, lambda: self._clock.spawn(self._begin_again()))

    async def _begin_again(self) -> None:
        try:
            await self._begin()
        except StoreError as trouble:
            if self._is_open:
                self._begin_later(trouble)

    async def stop(self) -> None:
        """Finish what was begun, and close the database."""
        self._is_open = False
        self._removal.stop()
        self._looking()
        self.feed.close()
        await self._indexing.stop()
        await self._database.close()

    async def up_to_date(self) -> None:
        """Return when all letters that were accepted before are found, or, while more come all the time, after a while."""
        self._indexing.nudge()
        await with_timeout(self._clock, self._indexing.idle(), PATIENCE)

    def woken(self) -> None:
        """Another process that serves the server has something new."""
        if self._leads:
            self._indexing.nudge()
        if isinstance(self.feed, SharedFeed):
            self.feed.woken()

    def tap(self, journal: Journal) -> Journal:
        """Return a journal that also passes its steps to the index."""
        return TappedJournal(journal, self._on_steps)

    def _on_steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.feed.tell("step", step)
        if any(step.step in {"submitted", "exchanged"} for step in steps):
            self._indexing.nudge()

    def _look(self) -> None:
        self._indexing.nudge()
        self._looking = self._clock.call_later(self._removal.keeping.poll, self._look)
        self._removal.drop_soon()

    # --- what there is

    async def listed(self, which: ItemFilter, limit: int, start: int = 0) -> ItemList:
        """The newest first, without the newest `start`."""
        return await self._database.read(lambda connection: queries.listed(connection, which, limit, start))

    async def first(self, which: ItemFilter, limit: int) -> list[Item]:
        """The oldest first."""
        return await self._database.read(lambda connection: queries.first(connection, which, limit))

    async def item(self, letter: str, seen_by: str | None = None) -> Item | None:
        """A letter by its id, or that of a copy."""
        found = await self.first(ItemFilter(ids=(letter,), seen_by=seen_by), 1)
        return found[0] if found else None

    async def content(self, item: Item) -> Content:
        """Its octets, as they entered. Raises KeyError when they are gone."""
        return await self._store.content(item.id)

    async def content_of(self, letter: LetterId) -> Content | None:
        """The octets of a copy, as they came to its server; None when they are gone."""
        try:
            return await self._store.content(letter)
        except KeyError:
            return None

    async def steps_of(self, item: Item) -> list[Step]:
        """What happened to it in the server that took it, the oldest first."""
        return await self._store.steps(item.id)

    async def records(self, items: Sequence[Item]) -> dict[LetterId, Record]:
        """What the store knows of letters and their copies, by id."""
        ids = tuple([each for item in items for each in (item.id, *item.copies)])
        found = await self._store.records(Filter(ids=ids, limit=len(ids))) if ids else []
        return {record.letter.id: record for record in found}

    async def tags(self, seen_by: str | None = None) -> dict[str, int]:
        """Each tag that a letter has, of those that an account may see, and how many have it."""
        return await self._database.read(lambda connection: queries.tags(connection, seen_by))

    async def mailboxes(self) -> list[MailboxCount]:
        """Return the mailboxes that have letters, with their counts."""
        return await self._database.read(queries.mailboxes)

    # --- what people do

    async def mark(self, which: ItemFilter, *, unread: bool) -> int:
        """How many have changed."""
        flag = Term(Flag("read" if unread else "unread"))
        which = replace(which, terms=(*which.terms, flag))
        numbers = await self._in_parts(which, partial(writes.mark, unread=unread))
        await self._tell_changed(numbers)
        return len(numbers)

    async def tag(self, which: ItemFilter, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """How many have changed. Tags are as `tagging.tag_of` gives them."""
        numbers = await self._in_parts(which, partial(writes.tag, add=add, remove=remove))
        await self._tell_changed(numbers)
        return len(numbers)

    async def set_tags(self, which: ItemFilter, tags: Sequence[str]) -> int:
        """These and no others."""
        numbers = await self._in_parts(which, partial(writes.set_tags, tags=tags))
        await self._tell_changed(numbers)
        return len(numbers)

    async def rename_tag(self, old: str, new: str) -> int:
        """How many letters have it."""
        numbers = await self._database.write(lambda connection: writes.rename_tag(connection, old, new))
        await self._tell_changed(numbers)
        return len(numbers)

    async def remove_tag(self, name: str) -> int:
        """How many letters had it."""
        numbers = await self._database.write(lambda connection: writes.remove_tag(connection, name))
        await self._tell_changed(numbers)
        return len(numbers)

    async def _in_parts(self, which: ItemFilter, change: Callable[..., list[int]]) -> list[int]:
        """Change all of them; the numbers of those that changed."""
        return [number async for part in self._batches.apply(which, change) for number in part]

    async def _tell_changed(self, numbers: Sequence[int]) -> None:
        if not numbers:
            return
        given = tuple(numbers[:MOST_TOLD])
        items = await self.first(ItemFilter(numbers=given), len(given))
        holders = frozenset(name for item in items for name in holders_of(item))
        self.feed.tell("changed", ChangedItems(len(numbers), tuple(items)), holders)

    async def soft_delete(self, which: ItemFilter) -> DeletedItems:
        """Hide letters, as `Removal.soft_delete` describes."""
        return await self._removal.soft_delete(which)

    async def undelete(self, token: str) -> int:
        """Bring deleted letters back, and return how many; 0 when it is too late."""
        numbers = await self._removal.undelete(token)
        await self._tell_changed(numbers)
        return len(numbers)
