"""PostgreSQL store, shared by several processes and machines, and its factory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from mailstack.letter.delivery import Step
from mailstack.store import Acceptance, Maildrop, MaildropInUse, StoreError, maildrop_writes, queries
from mailstack.store.archive import Archiving
from mailstack.store.batch import Batch, Transaction
from mailstack.store.connection import DatabaseAddress
from mailstack.store.contents import LargeContents, Several
from mailstack.store.data_directory import Location
from mailstack.store.locks import take_server
from mailstack.store.postgresql import process_leases, schema
from mailstack.store.postgresql.connection import PostgresConnection, trouble
from mailstack.store.postgresql.database import Connections, Database
from mailstack.store.postgresql.large_contents import ContentRows
from mailstack.store.postgresql.notifying_parts import PostgresAccounts, PostgresHoldRules, PostgresSuppressions
from mailstack.store.postgresql.process_leases import InDoubtTransactions
from mailstack.store.postgresql.process_registration import ADDRESSES, CHANNEL, WORK, ProcessRegistration
from mailstack.store.postgresql.writer import FORGET_COUNTS, PostgresWriter
from mailstack.store.sql_store import SqlStore
from mailstack.store.writer import CallsFromThreads, Workers

_MONTH = 30 * 86_400.0
"""Timeout in seconds after which a silent writer counts as lost."""

_log = Logger()


class PostgresStore(SqlStore):
    """See `mailstack.store.Store`.

    `writer_threads` write; each commits all waiting jobs together. `reader_threads` read; two more threads move large
    contents. Each has its own connection; one more connection is for notifications of other processes.
    """

    _readers: Connections
    _writer: PostgresWriter

    def __init__(
        self,
        reactor: CallsFromThreads,
        reach: DatabaseAddress,
        directory: Path | None = None,
        *,
        owner: str = "",
        lost_after: float = 30.0,
        reader_threads: int = 2,
        writer_threads: int = 2,
        memory_limit: int = 65536,
        recent_octets: int = 4 * 1024 * 1024,
        group: int = 256,
        address_seconds: float = 1.0,
        orphan_age: float = 3600.0,
        large: LargeContents | None = None,
    ) -> None:
        """`directory`: data directory of this node, for the server's lock; None: no directory. `owner`: name of this
        process's claims, unique among nodes; empty: a command, which claims nothing. `lost_after`: seconds without
        renewal after which other processes release its claims. `memory_limit`, `recent_octets`, `address_seconds`: see
        SqlStore. `group`: maximum calls in one transaction. `orphan_age`: seconds after which a large content without a
        letter is deleted; longer than any process takes from its end to its acceptance. `large`: storage of new large
        contents, closed with the store; None: rows, which remain readable in any case. Raises StoreError for an invalid
        URL.
        """
        super().__init__(memory_limit=memory_limit, recent_octets=recent_octets, address_seconds=address_seconds)
        self._directory = directory
        self._orphan_age = orphan_age
        self._database = database = Database(reach, f"mailstack {owner}".strip())

        readers = Connections(reactor, database, "mailstack-reader", reader_threads, once_more=True)
        self._own = ContentRows(reactor, Connections(reactor, database, "mailstack-content", 2))
        self._large = self._own if large is None else Several(large, self._own)
        doubts = InDoubtTransactions()
        writer = PostgresWriter(
            reactor,
            database,
            prepare=self._prepare,
            forget=self._large.forget,
            doubts=doubts,
            group=group,
            threads=writer_threads,
        )
        self._use(readers, writer)
        self.accounts = PostgresAccounts(readers, writer, address_seconds, lambda: self._say(ADDRESSES))
        self.hold_rules = PostgresHoldRules(readers, writer, self._say)
        self.suppressions = PostgresSuppressions(readers, writer, self._say)
        self._life = f"{owner or 'command'} {secrets.token_hex(8)}"
        self._owner = owner
        self._presence = ProcessRegistration(
            reactor,
            database,
            self._life,
            owner=owner,
            seconds=lost_after,
            heard=self._hear,
            forget=self._large.forget,
            held=lambda: list(self._held),
            doubts=doubts,
        )
        self._keeper = Workers(reactor, "mailstack-keeper", 1, start=lambda: None, stop=lambda _: None, trouble=trouble)
        self.now = self._presence.time.now
        self._told: list[Callable[[], None]] = []
        self._held: dict[str, str] = {}
        """Mailbox to the owner of its maildrop."""
        self._lock: int | None = None

    # --- its life

    async def open(self) -> None:
        try:
            await self._writer.open()
            if self._owner:
                await self._keeper.do(lambda _: self._presence.begin())
        except StoreError as error:
            raise type(error)(f"{self._database}: {error}") from error
        await self._own.sweep(self._orphan_age, self._named)

    async def close(self) -> None:
        """Closes the writer before the registration, so that its last removals succeed."""
        await self._readers.close()
        await self._writer.close()
        await self._large.close()
        if self._presence.has_begun:
            await self._keeper.do(lambda _: self._presence.end())
        await self._keeper.close()
        self._database.watch.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock_server(self) -> None:
        """Be the one process that serves with this node's directory, until `close`. Others have their own."""
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = take_server(self._directory / "lock")
            self.location = Location(self._directory / "lock")
            self.location.remember()

    def _prepare(self, connection: PostgresConnection) -> None:
        for concern in schema.check(connection):
            _log.warn("{database}: {concern}", database=self._database, concern=concern)
        schema.migrate(connection, self._database.reach.schema, schema.migrations())
        connection.execute(FORGET_COUNTS, (_MONTH,))
        self._presence.time.learn(connection)

    # --- news

    def on_news(self, told: Callable[[], None]) -> None:
        self._told.append(told)

    def _hear(self, said: str) -> None:
        """Another process says something."""
        if said == ADDRESSES:
            self.accounts.invalidate()
        else:
            for told in self._told:
                told()

    async def _say(self, what: str = WORK) -> None:
        """Notify all other processes. Those without notifications poll each second."""
        try:
            await self._writer.do(lambda transaction: transaction.execute("SELECT pg_notify(?, ?)", (CHANNEL, what)))
        except StoreError as error:
            _log.debug("can't notify other processes of {what}: {error}", what=what, error=error)

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        await super()._write(batch, acceptances)
        if not self._owner and (batch.moves or batch.deliveries):
            # A command changes the queue: an operator waits for what comes of it.
            await self._say(WORK)

    # --- claims

    def tenure(self) -> float | None:
        return self._presence.tenure() if self._owner else 0.0

    # --- maildrops

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        if self._held.get(mailbox, owner) != owner:
            raise MaildropInUse(f"another session holds the maildrop of {mailbox}")
        if mailbox in self._held:
            return await self._listed(mailbox)
        self._held[mailbox] = owner
        try:
            if not self._presence.has_begun:
                await self._keeper.do(lambda _: self._begin())
            # After a crash of the database a lock may be gone; then `update_maildrop` finds that it is.
            taken = await self._writer.do_softly(
                partial(process_leases.take_maildrop, mailbox=mailbox, life=self._life)
            )
        except BaseException:
            del self._held[mailbox]
            raise
        if not taken:
            del self._held[mailbox]
            raise MaildropInUse(f"another process holds the maildrop of {mailbox}")
        try:
            return await self._listed(mailbox)
        except BaseException:
            await self.release_maildrop(mailbox, owner)
            raise

    def _begin(self) -> None:
        """One of several that ask does it."""
        if not self._presence.has_begun:
            self._presence.begin()

    async def _listed(self, mailbox: str) -> Maildrop:
        return await self._readers.do(lambda connection: queries.maildrop(connection, mailbox))

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if self._held.get(mailbox) != owner:
            return
        try:
            await self._writer.do_softly(partial(process_leases.free_maildrop, mailbox=mailbox, life=self._life))
        except StoreError as error:
            _log.warn("the maildrop of {mailbox} stays locked for a while: {error}", mailbox=mailbox, error=error)
        finally:
            self._held.pop(mailbox, None)

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        """Raises MaildropInUse when the lock was lost, because others had to take this process for dead."""
        held = mailbox in self._held

        def update(transaction: Transaction) -> list[Step]:
            if held and not process_leases.holds_maildrop(transaction, mailbox, self._life):
                raise MaildropInUse(f"the lock of the maildrop {mailbox} was lost; nothing was changed")
            return maildrop_writes.update(
                transaction, mailbox, collected, deleted, steps, subscriptions=self._subscriptions
            )

        told: list[Step] = await self._writer.do(update)
        return told


class ArchivingPostgresStore(Archiving, PostgresStore):
    """The store in PostgreSQL, with an archive."""


def postgres_store(
    reactor: CallsFromThreads,
    reach: DatabaseAddress,
    directory: Path | None = None,
    *,
    owner: str = "",
    lost_after: float = 30.0,
    readers: int = 2,
    writers: int = 2,
    archiving: bool = False,
    large: LargeContents | None = None,
    memory_limit: int = 65536,
) -> PostgresStore:
    """See PostgresStore. Raises StoreError for a URL that is none."""
    kind = ArchivingPostgresStore if archiving else PostgresStore
    return kind(
        reactor,
        reach,
        directory,
        owner=owner,
        lost_after=lost_after,
        reader_threads=readers,
        writer_threads=writers,
        large=large,
        memory_limit=memory_limit,
    )
