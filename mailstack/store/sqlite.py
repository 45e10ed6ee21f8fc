"""The store in one SQLite database, with large contents in files or wherever it is told."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mailstack.announcements import Subscriptions
from mailstack.journey import Step
from mailstack.letter import Content, LetterId
from mailstack.letter.content import Octets, Prefixed
from mailstack.queue.delivery import Delivery
from mailstack.store import (
    Acceptance,
    Claim,
    ContentWriter,
    Entry,
    Filter,
    Maildrop,
    MaildropInUse,
    Record,
    Settlement,
    StoreError,
    claims,
    history,
    lookups,
    maildrops,
    sql,
)
from mailstack.store.addresses import StoredAddresses
from mailstack.store.ahead import Together
from mailstack.store.announcing import StoredAnnouncements
from mailstack.store.batch import Batch
from mailstack.store.conditions import StoredConditions
from mailstack.store.contacts import StoredContacts
from mailstack.store.content_files import ContentFiles
from mailstack.store.contents import LargeContent, LargeContents, Several, StoredContent, Writing
from mailstack.store.locks import NameLocks, Turn, take_office
from mailstack.store.orders import StoredOrders
from mailstack.store.recent import Recent, RecentOctets
from mailstack.store.schema import migrate, migrations
from mailstack.store.threads import CallsFromThreads, Workers, Writer
from mailstack.store.tls_counting import StoredTlsResults

T = TypeVar("T")

DATABASE = "mailstack.sqlite3"
TURN = "turn"
MAILDROPS = "maildrops"
"""Files that processes lock against each other; nothing is in them."""

_PRUNED_AT_ONCE = 200
_log = Logger()


class SqliteStore(
    StoredAddresses, StoredContacts, StoredTlsResults, StoredAnnouncements, StoredConditions, StoredOrders
):
    """See `mailstack.store.Store`. Other processes may use the same directory at the same time.

    One thread writes, and commits together all that waits; `reader_threads` read; two more move file contents.
    """

    def __init__(
        self,
        reactor: CallsFromThreads,
        directory: Path,
        *,
        reader_threads: int = 2,
        memory_limit: int = 65536,
        recent_octets: int = 4 * 1024 * 1024,
        busy_timeout: float = 10.0,
        group: int = 256,
        address_seconds: float = 1.0,
        orphan_age: float = 3600.0,
        max_pages: int | None = None,
        linger: float = 0.0,
        large: LargeContents | None = None,
    ) -> None:
        """`memory_limit`: octets of a content above which it is a large one.

        `recent_octets`: of small contents that are held to be read at once. `busy_timeout`: seconds to wait for another
        process that writes. `group`: calls in one transaction at most. `address_seconds`: how long an account or alias
        that was read is believed; a change by another process is seen after that. `orphan_age`: seconds after which a
        large content that no letter names is swept; longer than any process takes from its end to its acceptance.
        `max_pages`: the most pages of 4 KiB that the database may have. `linger`: seconds that a transaction may wait for
        more calls while many are made; for processes that take turns. `large`: where large contents go from now on, to be
        closed with the store; None: into files, where those of before are found in any case.
        """
        self._directory = directory
        self._memory_limit = memory_limit
        self._busy_timeout = busy_timeout
        self._orphan_age = orphan_age
        self._max_pages = max_pages
        self._recent = RecentOctets(recent_octets)
        self._accounts, self._aliases = Recent(address_seconds, 10_000), Recent(address_seconds, 10_000)
        self._readers = Workers(
            reactor,
            "mailstack-reader",
            reader_threads,
            start=lambda: self._connect(_only_read),
            stop=sqlite3.Connection.close,
        )
        self._file_threads = Workers(reactor, "mailstack-file", 2, start=lambda: None, stop=lambda _: None)
        files = ContentFiles(directory / "contents", self._in_file_thread)
        self._large: LargeContents = files if large is None else Several(large, files)
        self._writer = Writer(
            reactor,
            connect=lambda: self._connect(self._set_up_writer),
            turn=Turn(directory / TURN, busy_timeout),
            forget=self._large.forget,
            group=group,
            linger=linger,
        )
        self._subscriptions = Subscriptions()
        self._held: dict[str, str] = {}
        """Mailbox to the owner of its maildrop."""
        self._maildrops = NameLocks(directory / MAILDROPS)
        self._lock: int | None = None

    # --- the directory

    async def open(self) -> None:
        await self._in_file_thread(self._make_directory)
        try:
            await self._writer.open()
        except StoreError as error:
            raise type(error)(f"{self._directory / DATABASE}: {error}") from error
        await self._large.sweep(self._orphan_age, self._named)

    async def close(self) -> None:
        """The writer last: the last connection to go empties the write-ahead log."""
        await self._large.close()
        await self._file_threads.close()
        await self._readers.close()
        await self._writer.close()
        self._maildrops.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock_office(self) -> None:
        """Be the one process that serves from here, until `close`. Raises StoreError when another one does."""
        self._make_directory()
        self._lock = take_office(self._directory / "lock")

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._directory / "contents").mkdir(mode=0o700, exist_ok=True)
        # Letters and password hashes are nobody else's business, also where the directory is open to others.
        for name in (DATABASE, TURN, MAILDROPS):
            os.close(os.open(self._directory / name, os.O_RDWR | os.O_CREAT, 0o600))

    def _connect(self, set_up: Callable[[sqlite3.Connection], object]) -> sqlite3.Connection:
        """A connection that `set_up` makes fit for its thread; closed again if that fails."""
        connection = sqlite3.connect(
            self._directory / DATABASE, timeout=self._busy_timeout, isolation_level=None, cached_statements=256
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA temp_store = MEMORY")
            set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up_writer(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA cache_size = -8192")
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        migrate(connection, migrations())
        if self._max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {int(self._max_pages)}")

    def _in_file_thread(self, do: Callable[[], T]) -> Deferred[T]:
        return self._file_threads.do(lambda _: do())

    # --- contents

    def new_content(self) -> ContentWriter:
        return Writing(self._large, self._memory_limit)

    def _stored(self, letter: LetterId, size: int) -> Content:
        return StoredContent(self._open_content, letter, size)

    def _file(self, name: str, size: int) -> Content:
        content = LargeContent(self._large, name, size)
        content.kept = True
        return content

    async def _named(self, names: Sequence[str]) -> set[str]:
        return await self._readers.do(lambda connection: lookups.named(connection, names))

    async def _open_content(self, letter: LetterId) -> Content:
        """Whatever holds the octets."""
        octets = self._recent.get(letter)
        if octets is not None:
            return Octets(octets)
        return await self.content(letter)

    async def _kept(self, content: Content) -> Content:
        """The content as this store keeps it: small in a row, else under a name that belongs to it alone."""
        if isinstance(content, Octets) and content.size <= self._memory_limit:
            return content
        if isinstance(content, LargeContent) and content.where is self._large and not content.kept:
            return content
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
        except Exception as trouble:  # noqa: BLE001  # it is handed to whoever asked
            if len(settlements) == 1:
                return [trouble]
        else:
            return [None] * len(settlements)
        # One of them can't be written. All are asked for at once, so that the writer takes the good ones together.
        alone = [Deferred.fromCoroutine(self.settle(settlement)) for settlement in settlements]
        return [await _trouble_of(one) for one in alone]

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        small: list[tuple[LetterId, bytes]] = []
        files: list[LargeContent] = []
        try:
            for acceptance in acceptances:
                content = await self._kept(acceptance.letter.content)
                if isinstance(content, LargeContent):
                    content.kept = True
                    files.append(content)
                    batch.add_acceptance(acceptance, content.name, None)
                elif isinstance(content, Octets):
                    small.append((acceptance.letter.id, content.octets))
                    batch.add_acceptance(acceptance, None, content.octets)
            await self._writer.write(batch)
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
        office: str,
        owner: str,
        now: float,
        *,
        limit: int,
        lease: float,
        next_due: Callable[[Delivery, float], float],
        line: str | None = None,
    ) -> list[Claim]:
        wanted = claims.Wanted(office, owner, now, limit, lease, next_due, line)
        together = Together(self._read_small, self.content, self._recent, self._memory_limit)
        claimed: claims.Claimed = await self._writer.do(lambda change: claims.claim(change, wanted, together.content))
        for damage in claimed.damaged:
            _log.error("a delivery is held, since it can't be read: {damage}", damage=damage)
        return claimed.claims

    async def _read_small(self, letters: Sequence[LetterId]) -> dict[LetterId, bytes]:
        return await self._readers.do(lambda connection: lookups.small_contents(connection, letters))

    async def next_due(self, office: str) -> float | None:
        return await self._readers.do(lambda connection: lookups.next_due(connection, office))

    async def lines(self, office: str, limit: int) -> list[str]:
        return await self._readers.do(lambda connection: lookups.lines(connection, office, limit))

    async def lines_of(self, letter: LetterId) -> dict[int, str]:
        return await self._readers.do(lambda connection: lookups.lines_of(connection, letter))

    # --- mailboxes

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        if self._held.get(mailbox, owner) != owner or not self._maildrops.take(mailbox):
            raise MaildropInUse(f"another session holds the maildrop of {mailbox}")
        self._held[mailbox] = owner
        try:
            return await self._readers.do(lambda connection: lookups.maildrop(connection, mailbox))
        except BaseException:
            await self.release_maildrop(mailbox, owner)
            raise

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if self._held.get(mailbox) == owner:
            del self._held[mailbox]
            self._maildrops.free(mailbox)

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        return await self._readers.do(lambda connection: lookups.entries(connection, mailbox, after, limit))

    async def read(self, mailbox: str, uid: int) -> Content:
        headers, content = await self._readers.do(
            lambda connection: lookups.letter_in(connection, mailbox, uid, self._file)
        )
        return Prefixed(headers, content)

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        found = await self._readers.do(lambda connection: lookups.letters_in(connection, mailbox, uids, self._file))
        return {uid: Prefixed(headers, content) for uid, (headers, content) in found.items()}

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        told: list[Step] = await self._writer.do(
            lambda change: maildrops.update(
                change, mailbox, collected, deleted, steps, subscriptions=self._subscriptions
            )
        )
        return told

    async def octets_in(self, mailbox: str) -> int:
        return await self._readers.do(lambda connection: lookups.octets_in(connection, mailbox))

    async def mailboxes(self) -> dict[str, int]:
        return await self._readers.do(lookups.mailboxes)

    # --- for people who look

    async def records(self, which: Filter) -> list[Record]:
        return await self._readers.do(lambda connection: lookups.records(connection, which, self._stored))

    async def steps(self, letter: LetterId) -> list[Step]:
        return await self._readers.do(lambda connection: lookups.steps(connection, letter))

    async def content(self, letter: LetterId) -> Content:
        return await self._readers.do(lambda connection: lookups.content_of(connection, letter, self._file))

    async def prune(self, office: str, *, before: float, keep: int | None = None) -> int:
        forgotten = await self._prune(sql.FORGOTTEN, (before, office), kept_too=False)
        if keep is not None:
            forgotten += await self._prune(sql.SURPLUS, (office, keep), kept_too=True)
        return forgotten

    async def _prune(self, statement: str, parameters: tuple[Any, ...], *, kept_too: bool) -> int:
        """In parts, found by a reader, so that no commit waits long."""
        total = 0
        while True:
            ids = await self._readers.do(
                lambda connection: history.prunable(connection, statement, (*parameters, _PRUNED_AT_ONCE))
            )
            count = await self._writer.do(partial(history.forget, letters=ids, kept_too=kept_too)) if ids else 0
            total += count
            if not count:
                return total


async def _trouble_of(settled: Deferred[None]) -> Exception | None:
    try:
        await settled
    except Exception as trouble:  # noqa: BLE001  # it is handed to whoever asked
        return trouble
    return None


def _only_read(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = TRUE")
