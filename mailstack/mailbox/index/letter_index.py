"""Interface of the index for pages and tests: lists, searches, tags, deletion."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial

from msgspec.structs import replace

from mailstack.letter import Address, Content, LetterId
from mailstack.letter.delivery import OWED, Journal, Step, TappedJournal
from mailstack.mailbox.index import queries, writes
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import Feed, with_timeout
from mailstack.mailbox.index.indexer import RETRY_S, Indexer, InThread, RemoteIndexer, holders_of
from mailstack.mailbox.index.items import (
    MAX_LISTED,
    ChangedItems,
    DeletedItems,
    Item,
    ItemFilter,
    ItemList,
    LetterFolder,
    MailboxCount,
)
from mailstack.mailbox.index.marks import Marks, MarkSync, letters_with_ids, set_marks
from mailstack.mailbox.index.query import Flag, Term
from mailstack.mailbox.index.removal import Batches, Removal, Retention
from mailstack.mailbox.index.shared_feed import SharedFeed, WorkerSync
from mailstack.mailbox.index.states import resolve
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import RateLimitedLog
from mailstack.store import Filter, Record, Store, StoreError, StoreFull
from mailstack.store.archive import ARCHIVE
from mailstack.store.folders import account_of

_log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
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
        retention: Retention = Retention(),  # noqa: B008 - it is frozen
        worker_sync: WorkerSync | None = None,
        outlets: Collection[str] = (),
        *,
        shares_flags: bool = False,
    ) -> None:
        """`store` has an archive; the caller opens and closes it. `worker_sync`: None for a single process.

        `shares_flags`: all readers see the same letters. Marks are the flags of the entries in all mailboxes, and a
        deleted letter leaves them all.
        """
        # Listeners run in a later turn of the reactor, and not within the acceptance of a letter.
        self.feed = (
            Feed(soon=lambda do: clock.call_later(0, do))
            if worker_sync is None
            else SharedFeed(database, store, clock, worker_sync)
        )
        self._removal = Removal(store, database, clock, self.feed, retention, from_mailboxes=shares_flags)
        self._batches = Batches(database, clock)
        self._store = store
        self._database = database
        self._clock = clock
        self._is_primary = worker_sync is None or worker_sync.leads
        self._indexer = (
            Indexer(store, database, self.feed, clock, in_thread, mailbox_of, outlets)
            if worker_sync is None or worker_sync.leads
            else RemoteIndexer(store, database, clock, worker_sync.wake)
        )
        self._marks = MarkSync(store.mailboxes, database, clock, self.up_to_date, self._publish_changed)
        self._shares_flags = shares_flags
        self._cancel_poll: Callable[[], None] = lambda: None
        self._limited_log = RateLimitedLog(_log, clock.steady)
        self._is_open = False

    @property
    def shares_flags(self) -> bool:
        """Whether all readers see the same letters."""
        return self._shares_flags

    async def start(self) -> None:
        """Opens the database and starts to index; on a full disk that waits for free space. Raises StoreError."""
        self._is_open = True
        try:
            await self._open()
        except StoreFull as error:
            self._open_later(error)

    async def _open(self) -> None:
        await self._indexer.start()
        if self._is_primary and self._is_open:
            self._poll()
            if self._shares_flags:
                await self._marks.start()

    def _open_later(self, error: StoreError) -> None:
        self._limited_log.error("the index of messages can't be opened yet: %s", error)
        self._cancel_poll = self._clock.call_later(RETRY_S, lambda: self._clock.spawn(self._reopen()))

    async def _reopen(self) -> None:
        try:
            await self._open()
        except StoreError as error:
            if self._is_open:
                self._open_later(error)

    async def stop(self) -> None:
        """Stops the indexer after its current batch, and closes the database."""
        self._is_open = False
        self._removal.stop()
        self._cancel_poll()
        self.feed.close()
        if self._shares_flags:
            await self._marks.stop()
        await self._indexer.stop()
        await self._database.close()

    async def up_to_date(self) -> None:
        """Returns when all accepted letters are indexed, or after TIMEOUT_S under load."""
        self._indexer.poll_soon()
        await with_timeout(self._clock, self._indexer.idle(), TIMEOUT_S)

    def on_wake(self) -> None:
        """Polls for new letters and events, after a change by another worker."""
        if self._is_primary:
            self._indexer.poll_soon()
        if isinstance(self.feed, SharedFeed):
            self.feed.on_wake()

    def tap(self, journal: Journal) -> Journal:
        """Journal that also passes its steps to the index."""
        return TappedJournal(journal, self._on_steps)

    def _on_steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.feed.publish("step", step)
        if any(step.step in {"submitted", "exchanged"} for step in steps):
            self._indexer.poll_soon()

    def _poll(self) -> None:
        self._indexer.poll_soon()
        self._cancel_poll = self._clock.call_later(self._removal.retention.poll, self._poll)
        self._removal.purge_soon()

    # --- queries

    async def find(self, item_filter: ItemFilter, limit: int, start: int = 0, *, exact: bool = False) -> ItemList:
        """Returns at most `limit` letters, the newest first, after `start` ones. `exact` counts all matches."""
        resolved = await self._resolve(item_filter)
        return await self._database.read(
            lambda connection: queries.find(connection, resolved, limit, start, exact=exact)
        )

    async def first(self, item_filter: ItemFilter, limit: int) -> list[Item]:
        """Returns at most `limit` letters, the oldest first."""
        resolved = await self._resolve(item_filter)
        return await self._database.read(lambda connection: queries.first(connection, resolved, limit))

    async def _resolve(self, item_filter: ItemFilter) -> ItemFilter:
        """The filter with the letters that have its delivery states now."""
        return await resolve(self._store, self._database, item_filter)

    async def item(self, letter: str, seen_by: str | None = None) -> Item | None:
        """The letter with an id, or with a copy of that id."""
        found = await self.first(ItemFilter(ids=(letter,), seen_by=seen_by), 1)
        return found[0] if found else None

    async def content(self, item: Item) -> Content:
        """Content of a letter. Raises KeyError if it is removed."""
        return await self._store.contents.get(item.id)

    async def content_of(self, letter: LetterId) -> Content | None:
        """Content of a copy, as received by its server; None if it is removed."""
        try:
            return await self._store.contents.get(letter)
        except KeyError:
            return None

    async def steps_of(self, item: Item) -> list[Step]:
        """Steps of a letter, the oldest first."""
        return await self._store.history.steps(item.id)

    async def folders_of(self, item: Item, account: str | None = None) -> list[LetterFolder]:
        """Folders that have a letter or a copy of it, each once: of all accounts, or of one."""
        entries = await self._store.mailboxes.entries_of([item.id, *item.copies])
        held = {entry.mailbox for entry in entries if entry.mailbox != ARCHIVE}
        accounts = sorted({account_of(name) for name in held if account in {None, account_of(name)}})
        return [
            LetterFolder(each, folder.path)
            for each in accounts
            for folder in await self._store.folders.list(each)
            if folder.mailbox in held
        ]

    async def records(self, items: Sequence[Item]) -> dict[LetterId, Record]:
        """Records of letters and their copies in the store, by id."""
        ids = tuple([each for item in items for each in (item.id, *item.copies)])
        found = await self._store.history.records(Filter(ids=ids, limit=len(ids))) if ids else []
        return {record.letter.id: record for record in found}

    async def tags(self, seen_by: str | None = None) -> dict[str, int]:
        """Number of letters by tag, of the letters that an account may see."""
        return await self._database.read(lambda connection: queries.tags(connection, seen_by))

    async def mailboxes(self) -> list[MailboxCount]:
        return await self._database.read(queries.mailboxes)

    # --- changes

    async def mark(self, item_filter: ItemFilter, *, unread: bool | None = None, flagged: bool | None = None) -> int:
        """Marks letters; None leaves a mark as it is. Returns the number of changed letters."""
        resolved = await self._resolve(item_filter)
        changed: list[int] = []
        if unread is not None:
            changed += await self._mark(resolved, "read" if unread else "unread", Marks(unread=unread))
        if flagged is not None:
            changed += await self._mark(resolved, "unflagged" if flagged else "flagged", Marks(flagged=flagged))
        return await self._publish_changed(sorted(set(changed)))

    async def _mark(self, item_filter: ItemFilter, before: str, marks: Marks) -> list[int]:
        """Marks the letters that have the mark `before`."""
        item_filter = replace(item_filter, terms=(*item_filter.terms, Term(Flag(before))))
        changed: list[int] = []
        async for numbers in self._batches.numbers(item_filter):
            if self._shares_flags:
                changed += await self._marks.set(numbers, marks)
            else:
                changed += await self._database.write(partial(set_marks, changes=[(numbers, marks)]))
        return changed

    async def tag(self, item_filter: ItemFilter, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """Adds and removes tags, in the form of `extract.tag_of`; returns the number of changed letters."""
        return await self._publish_changed(
            await self._in_batches(item_filter, partial(writes.tag, add=add, remove=remove))
        )

    async def set_tags(self, item_filter: ItemFilter, tags: Sequence[str]) -> int:
        """Replaces all tags; returns the number of changed letters."""
        return await self._publish_changed(await self._in_batches(item_filter, partial(writes.set_tags, tags=tags)))

    async def rename_tag(self, old: str, new: str) -> int:
        """Renames a tag; returns its number of letters."""
        return await self._publish_changed(
            await self._database.write(lambda connection: writes.rename_tag(connection, old, new))
        )

    async def remove_tag(self, name: str) -> int:
        """Removes a tag; returns its number of letters."""
        return await self._publish_changed(
            await self._database.write(lambda connection: writes.remove_tag(connection, name))
        )

    async def _in_batches(self, item_filter: ItemFilter, change: Callable[..., list[int]]) -> list[int]:
        resolved = await self._resolve(item_filter)
        return [number async for part in self._batches.apply(resolved, change) for number in part]

    async def _publish_changed(self, numbers: Sequence[int]) -> int:
        """Publishes changed letters; returns their number."""
        if not numbers:
            return 0
        listed = tuple(numbers[:MAX_LISTED])
        items = await self.first(ItemFilter(numbers=listed), len(listed))
        holders = frozenset(name for item in items for name in holders_of(item))
        self.feed.publish("changed", ChangedItems(len(numbers), tuple(items)), holders)
        return len(numbers)

    async def soft_delete(self, item_filter: ItemFilter, *, undo: bool = True) -> DeletedItems:
        """Hides letters, as `Removal.soft_delete`."""
        return await self._removal.soft_delete(await self._resolve(item_filter), undo=undo)

    async def remove_expunged(self, letters: Sequence[LetterId]) -> None:
        """Deletes those of some letters that have left all mailboxes, or the archive. Raises StoreError.

        The archive alone does not keep a letter: its last reader has expunged it. A delivery under way keeps it.
        """
        if not letters:
            return
        await self.up_to_date()
        known = await self._database.read(partial(letters_with_ids, ids=letters))
        entries = await self._store.mailboxes.entries_of([each for letter in known for each in letter.ids])
        archived = {entry.letter for entry in entries if entry.mailbox == ARCHIVE}
        kept = {entry.letter for entry in entries if entry.mailbox != ARCHIVE}
        kept |= await self._letters_under_way([each for letter in known for each in letter.ids])
        gone = [letter.number for letter in known if not (archived & set(letter.ids) and kept & set(letter.ids))]
        if gone:
            await self.soft_delete(ItemFilter(numbers=tuple(gone)), undo=False)
        # Pages show the folders of the others.
        await self._publish_changed([letter.number for letter in known if letter.number not in gone])

    async def _letters_under_way(self, letters: Sequence[LetterId]) -> set[LetterId]:
        """Letters with a delivery that is not finished."""
        found = await self._store.history.records(Filter(ids=tuple(letters), limit=len(letters))) if letters else []
        return {each.letter.id for each in found if any(delivery.state in OWED for delivery in each.deliveries)}

    async def undelete(self, token: str) -> int:
        """Restores deleted letters, and returns their number; 0 after the undo time."""
        return await self._publish_changed(await self._removal.undelete(token))
