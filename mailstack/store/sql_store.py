"""SQL store: queue, mailboxes and listings, independent of the database.

`sqlite` and `postgresql` add connections, writers, large contents and locks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import partial

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets, Prefixed
from mailstack.store import (
    Acceptance,
    Claim,
    ContentWriter,
    Entry,
    Filter,
    Maildrop,
    OutcomeUnknown,
    ParkingSlot,
    Record,
    Settlement,
    StoreError,
    claims,
    maildrop_writes,
    no_slot,
    pruning,
    queries,
)
from mailstack.store.batch import Batch, ReaderPool, WriterPool
from mailstack.store.connection import ChangeMark
from mailstack.store.content_cache import ReadAheadBatch, RecentOctets
from mailstack.store.contents import LargeContent, LargeContents, StoredContent, Writing, digest_of
from mailstack.store.data_directory import Location
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.sql_parts.accounts import SqlAccounts
from mailstack.store.sql_parts.delay_reasons import SqlDelayReasons
from mailstack.store.sql_parts.greylist import SqlGreylist
from mailstack.store.sql_parts.hold_rules import SqlHoldRules, SqlSuppressions
from mailstack.store.sql_parts.outbox import SqlOutbox
from mailstack.store.sql_parts.tls_results import SqlTlsResults

_PAGE, _PRUNED_AT_ONCE = 1000, 200
"""Maximum letters of one query, and of one deleting transaction."""
_log = Logger()


class StoreSettings(Struct, frozen=True):
    """Sizes and times of a store."""

    readers: int = 2
    """Number of reader threads."""
    writers: int = 2
    """Number of writer threads of a PostgreSQL store; a SQLite store has one."""
    memory_limit: int = 65_536
    """Maximum octets of a content in a row; larger ones are large contents."""
    recent_octets: int = 4 * 1024 * 1024
    """Size in octets of the cache of small contents."""
    address_seconds: float = 1.0
    """Seconds that accounts and aliases are cached."""
    group: int = 256
    """Maximum calls in one transaction."""
    orphan_age: float = 3600.0
    """Seconds after which a large content without a letter is deleted; longer than from its end to its acceptance."""
    busy_timeout: float = 10.0
    """Seconds to wait for another process that writes to the same SQLite database."""
    max_pages: int | None = None
    """Maximum pages of 4 KiB of a SQLite database."""


DEFAULTS = StoreSettings()


class SqlStore(ABC):
    """See `mailstack.store.Store`. Subclasses provide reader threads, and one or more writer threads."""

    _readers: ReaderPool
    _writer: WriterPool
    _large: LargeContents
    _local: LargeContents
    """Local part of `_large`, swept when the store is opened."""
    location: Location | None = None
    """Location of the data directory, if the store or its server's lock has one."""
    now: Callable[[], float] | None = None
    """The time by which letters are due, where that is not this machine's."""

    def __init__(self, settings: StoreSettings, addresses: ChangeMark | None = None) -> None:
        """`addresses`: marker of account changes by other processes, which extends the cache time; None: no marker."""
        self._settings = settings
        self._recent = RecentOctets(settings.recent_octets)
        self._addresses = addresses
        self._subscriptions = OutboxSubscriptions()

    def _use(self, readers: ReaderPool, writer: WriterPool) -> None:
        """Build the parts on these pools."""
        self._readers, self._writer = readers, writer
        self.accounts = SqlAccounts(readers, writer, self._settings.address_seconds, self._addresses)
        self.greylist = SqlGreylist(readers, writer)
        self.hold_rules = SqlHoldRules(readers, writer)
        self.suppressions = SqlSuppressions(readers, writer)
        self.delay_reasons = SqlDelayReasons(readers, writer)
        self.tls_results = SqlTlsResults(readers, writer)
        self.outbox = SqlOutbox(readers, writer, self._subscriptions)

    # --- what each database does in its own way

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    def lock_server(self) -> None: ...

    @abstractmethod
    def claims_valid_since(self) -> float | None: ...

    @abstractmethod
    def on_external_change(self, callback: Callable[[], None]) -> None: ...

    @abstractmethod
    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop: ...

    @abstractmethod
    async def release_maildrop(self, mailbox: str, owner: str) -> None: ...

    # --- contents

    def new_content(self) -> ContentWriter:
        return Writing(self._large, self._settings.memory_limit)

    def _stored(self, letter: LetterId, size: int) -> Content:
        return StoredContent(self._open_content, letter, size)

    def _file(self, name: str, size: int, digest: str | None) -> Content:
        content = LargeContent(self._large, name, size, digest)
        content.kept = True
        return content

    async def _known_files(self, names: Sequence[str]) -> set[str]:
        return await self._readers.do(lambda connection: queries.known_files(connection, names))

    async def sweep(self) -> int:
        return await self._large.sweep(self._settings.orphan_age, self._known_files)

    async def _open_content(self, letter: LetterId) -> Content:
        """Content from the cache, else from the database."""
        octets = self._recent.get(letter)
        if octets is not None:
            return Octets(octets)
        return await self.content(letter)

    async def _kept(self, content: Content) -> Content:
        """The content as this store stores it: a small one in a row, a large one under a name of its own."""
        if isinstance(content, Octets) and content.size <= self._settings.memory_limit:
            return content
        if isinstance(content, LargeContent) and content.where is self._large and not content.kept:
            return content
        return await self._copied(content)

    async def _copied(self, content: Content) -> Content:
        copy = self.new_content()
        try:
            async for chunk in content.chunks():
                await copy.write(chunk)
            return await copy.finish()
        except BaseException:
            copy.discard()
            raise

    # --- queue

    async def accept(self, acceptance: Acceptance) -> None:
        await self._write(Batch(self._subscriptions), (acceptance,))

    async def settle(self, settlement: Settlement) -> None:
        batch = Batch(self._subscriptions)
        batch.add_settlement(settlement)
        await self._write(batch, settlement.acceptances)

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        try:
            batch = Batch(self._subscriptions)
            for settlement in settlements:
                batch.add_settlement(settlement)
            await self._write(batch, [each for settlement in settlements for each in settlement.acceptances])
        except Exception as trouble:  # noqa: BLE001  # passed to the caller
            if len(settlements) == 1:
                return [trouble]
        else:
            return [None] * len(settlements)
        # One settlement failed. Each is tried alone, all at once, so that the writer groups the valid ones.
        settled = [Deferred.fromCoroutine(self.settle(settlement)) for settlement in settlements]
        return [await _error_of(one) for one in settled]

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        small: list[tuple[LetterId, bytes]] = []
        files: list[LargeContent] = []
        try:
            for acceptance in acceptances:
                content = await self._kept(acceptance.letter.content)
                if isinstance(content, LargeContent):
                    content.kept = True
                    files.append(content)
                    batch.add_acceptance(acceptance, content.name, None, content.digest)
                elif isinstance(content, Octets):
                    small.append((acceptance.letter.id, content.octets))
                    batch.add_acceptance(acceptance, None, content.octets, digest_of(content.octets))
            await self._writer.write(batch)
        except OutcomeUnknown:
            # If it was committed, it needs its contents; if not, a sweep removes them.
            raise
        except StoreError:
            for content in files:
                content.kept = False
            raise
        for letter, octets in small:
            self._recent.add(letter, octets)

    async def recover(self, owners: Sequence[str], now: float) -> int:
        dead = tuple(owners)
        count: int = await self._writer.do(lambda transaction: claims.recover(transaction, dead, now))
        return count

    async def claim(
        self,
        server: str,
        owner: str,
        now: float,
        *,
        limit: int,
        lease: float,
        next_due: Callable[[Delivery, float], float],
        parked_for: str | None = None,
        slot: Callable[[str], ParkingSlot | None] = no_slot,
    ) -> list[Claim]:
        request = claims.ClaimRequest(server, owner, now, limit, lease, next_due, parked_for, slot)
        batch = ReadAheadBatch(self._read_small, self.content, self._recent, self._settings.memory_limit)
        claimed: claims.Claimed = await self._writer.do(lambda change: claims.claim(change, request, batch.content))
        for damage in claimed.damaged:
            _log.error("a delivery is held, since it can't be read: {damage}", damage=damage)
        return claimed.claims

    async def _read_small(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        return await self._readers.do(lambda connection: connection.small_contents(letters))

    async def next_due(self, server: str) -> float | None:
        return await self._readers.do(lambda connection: queries.next_due(connection, server))

    async def parked_destinations(self, server: str, limit: int) -> list[str]:
        return await self._readers.do(lambda connection: queries.parked_destinations(connection, server, limit))

    async def parked_deliveries(self, letter: LetterId) -> dict[int, str]:
        return await self._readers.do(lambda connection: queries.parked_deliveries(connection, letter))

    # --- mailboxes

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        return await self._readers.do(lambda connection: queries.entries(connection, mailbox, after, limit))

    async def read(self, mailbox: str, uid: int) -> Content:
        headers, content = await self._readers.do(
            lambda connection: queries.letter_in(connection, mailbox, uid, self._file)
        )
        return Prefixed(headers, content)

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        return await self._readers.do(lambda connection: queries.letters_in(connection, mailbox, uids, self._file))

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        written: list[Step] = await self._writer.do(
            lambda change: maildrop_writes.update(
                change, mailbox, collected, deleted, steps, subscriptions=self._subscriptions
            )
        )
        return written

    async def octets_in(self, mailbox: str) -> int:
        return await self._readers.do(lambda connection: queries.octets_in(connection, mailbox))

    async def mailboxes(self) -> dict[str, int]:
        return await self._readers.do(queries.mailboxes)

    # --- listings

    async def pending_count(self) -> int:
        return await self._readers.do(queries.pending_count)

    async def records(self, which: Filter) -> list[Record]:
        return await self._readers.do(lambda connection: queries.records(connection, which, self._stored))

    async def recipients_in(
        self, states: Collection[DeliveryState], limit: int
    ) -> list[tuple[LetterId, str, str | None]]:
        return await self._readers.do(lambda connection: queries.recipients_in(connection, states, limit))

    async def steps(self, letter: LetterId) -> list[Step]:
        return await self._readers.do(lambda connection: queries.steps(connection, letter))

    async def content(self, letter: LetterId) -> Content:
        return await self._readers.do(lambda connection: queries.content_of(connection, letter, self._file))

    async def prune(self, server: str, *, before: float, keep: int | None = None) -> int:
        """Prunes in parts that a reader has found, so that no query or commit takes long."""
        deleted, start = 0, pruning.START
        while True:
            found = await self._readers.do(
                partial(pruning.prunable, server=server, before=before, after=start, limit=_PAGE)
            )
            deleted += await self._delete_letters(found.prunable, kept_too=False)
            if found.last is None:
                break
            start = found.last
        while keep is not None:
            ids = await self._readers.do(partial(pruning.surplus, server=server, keep=keep, limit=_PAGE))
            count = await self._delete_letters(ids, kept_too=True)
            deleted += count
            if not count:
                break
        return deleted

    async def _delete_letters(self, letters: list[LetterId], *, kept_too: bool) -> int:
        count = 0
        for first in range(0, len(letters), _PRUNED_AT_ONCE):
            part = letters[first : first + _PRUNED_AT_ONCE]
            count += await self._writer.do(partial(pruning.delete, letters=part, kept_too=kept_too))
        return count


async def _error_of(settled: Deferred[None]) -> Exception | None:
    try:
        await settled
    except Exception as trouble:  # noqa: BLE001  # passed to the caller
        return trouble
    return None
