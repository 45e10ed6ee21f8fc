"""PostgreSQL store, shared by several processes and machines; changes notify the others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from twisted.logger import Logger

from mailstack.store import Acceptance, StoreError
from mailstack.store.batch import Batch, ReaderPool, Transaction, WriterPool
from mailstack.store.connection import DatabaseAddress
from mailstack.store.contents import LargeContents, Several
from mailstack.store.data_directory import Location
from mailstack.store.hold_rules import HoldRule, Suppression
from mailstack.store.locks import lock_server_file
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.postgresql import process_leases, schema
from mailstack.store.postgresql.change_notices import AnnouncedChanges
from mailstack.store.postgresql.connection import PostgresConnection, trouble
from mailstack.store.postgresql.database import Connections, Database
from mailstack.store.postgresql.large_contents import ContentRows
from mailstack.store.postgresql.process_leases import InDoubtTransactions
from mailstack.store.postgresql.process_registration import ADDRESSES, CHANNEL, WORK, ProcessRegistration
from mailstack.store.postgresql.writer import DELETE_OLD_COUNTS, PostgresWriter
from mailstack.store.settings import DEFAULTS, StoreSettings
from mailstack.store.sql_parts.accounts import Change, SqlAccounts
from mailstack.store.sql_parts.contents import SqlContents
from mailstack.store.sql_parts.hold_rules import SqlHoldRules, SqlSuppressions
from mailstack.store.sql_parts.queue import SqlQueue
from mailstack.store.sql_store import SqlStore
from mailstack.store.writer import CallsFromThreads, Workers

_MONTH = 30 * 86_400.0
"""Timeout in seconds after which a silent writer counts as lost."""

_log = Logger()


class PostgresStore(SqlStore):
    """See `mailstack.store.Store`.

    `StoreSettings.writers` threads write; each commits all waiting jobs together. `StoreSettings.readers` read; two more threads move large
    contents. Each has its own connection; one more connection is for notifications of other processes.
    """

    changes: AnnouncedChanges
    _readers: Connections
    _writer: PostgresWriter

    def __init__(
        self,
        reactor: CallsFromThreads,
        reach: DatabaseAddress,
        directory: Path | None = None,
        settings: StoreSettings = DEFAULTS,
        *,
        owner: str = "",
        lost_after: float = 30.0,
        large: LargeContents | None = None,
    ) -> None:
        """`directory`: data directory of this node, for the server's lock; None: no directory. `owner`: name of this
        process's claims, unique among nodes; empty: a command, which claims nothing. `lost_after`: seconds without
        renewal after which other processes release its claims. `large`: storage of new large contents, closed with the
        store; None: rows, which remain readable in any case. Raises StoreError for an invalid URL.
        """
        super().__init__(settings)
        self._lease_id = f"{owner or 'command'} {secrets.token_hex(8)}"
        self.changes = AnnouncedChanges(reactor, self._lease_id, self._notify)
        self._directory = directory
        self._database = database = Database(reach, f"mailstack {owner}".strip())

        readers = Connections(reactor, database, "mailstack-reader", settings.readers, once_more=True)
        self._local = ContentRows(reactor, Connections(reactor, database, "mailstack-content", 2))
        self._large = self._local if large is None else Several(large, self._local)
        in_doubt = InDoubtTransactions()
        writer = PostgresWriter(
            reactor,
            database,
            prepare=self._prepare,
            delete_contents=self._large.delete,
            in_doubt=in_doubt,
            changes=self.changes,
            group=settings.group,
            threads=settings.writers,
        )
        self._owner = owner
        self._registrar = Workers(
            reactor, "mailstack-registrar", 1, start=lambda: None, stop=lambda _: None, trouble=trouble
        )
        locks = LeaseMaildropLocks(writer, self._lease_id, self._register)
        self._build(readers, writer, self._large, locks)
        if not owner:
            self.queue = PostgresQueue(
                readers, writer, self.contents, self._subscriptions, self._notify, archiving=settings.archiving
            )
        self.accounts = PostgresAccounts(readers, writer, settings.address_seconds, lambda: self._notify(ADDRESSES))
        self.hold_rules = PostgresHoldRules(readers, writer, self._notify)
        self.suppressions = PostgresSuppressions(readers, writer, self._notify)
        self._registration = ProcessRegistration(
            reactor,
            database,
            self._lease_id,
            owner=owner,
            seconds=lost_after,
            on_notification=self._on_notification,
            delete_contents=self._large.delete,
            held=lambda: list(self.mailboxes.owners),
            in_doubt=in_doubt,
        )
        self.now = self._registration.time.now
        self._on_external_change: list[Callable[[], None]] = []
        self._lock: int | None = None

    # --- opening and closing

    async def open(self) -> None:
        try:
            await self._writer.open()
            if self._owner:
                await self._register()
        except StoreError as error:
            raise type(error)(f"{self._database}: {error}") from error
        await self.contents.sweep_part(self._local)

    async def close(self) -> None:
        """Closes the writer before the registration, so that its last removals succeed."""
        self.changes.close()
        await self._readers.close()
        await self._writer.close()
        await self._large.close()
        if self._registration.is_started:
            await self._registrar.do(lambda _: self._registration.stop())
        await self._registrar.close()
        self._database.watch.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def lock_server(self) -> None:
        """Be the one process that serves with this node's directory, until `close`. Others have their own."""
        if self._directory is not None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = lock_server_file(self._directory / "lock")
            self.location = Location(self._directory / "lock")
            self.location.remember()

    def _prepare(self, connection: PostgresConnection) -> None:
        for concern in schema.check(connection):
            _log.warn("{database}: {concern}", database=self._database, concern=concern)
        schema.migrate(connection, self._database.reach.schema, schema.migrations())
        connection.execute(DELETE_OLD_COUNTS, (_MONTH,))
        self._registration.time.update(connection)

    async def _register(self) -> None:
        """Registers the process, unless a concurrent call has."""
        if not self._registration.is_started:
            await self._registrar.do(lambda _: self._start_registration())

    def _start_registration(self) -> None:
        if not self._registration.is_started:
            self._registration.start()

    # --- notifications

    def on_external_change(self, callback: Callable[[], None]) -> None:
        self._on_external_change.append(callback)

    def _on_notification(self, payload: str) -> None:
        """Handles a notification of another process."""
        if payload == ADDRESSES:
            self.accounts.invalidate()
        elif not self.changes.on_payload(payload):
            for callback in self._on_external_change:
                callback()

    async def _notify(self, payload: str = WORK) -> None:
        """Notifies all other processes. Stores without notifications poll each second."""
        try:
            await self._writer.do_softly(partial(_send, payload=payload))
        except StoreError as error:
            _log.debug("can't notify other processes of {payload}: {error}", payload=payload, error=error)

    # --- claims

    def claims_valid_since(self) -> float | None:
        return self._registration.claims_valid_since() if self._owner else 0.0


def _send(transaction: Transaction, payload: str) -> None:
    transaction.execute("SELECT pg_notify(?, ?)", (CHANNEL, payload))


Notify = Callable[[], Awaitable[None]]
"""Notifies other processes of a change."""


class LeaseMaildropLocks:
    """See `mailstack.store.sql_parts.mailboxes.MaildropLocks`. Each lock is a row with the lease of its process."""

    def __init__(self, writer: PostgresWriter, lease: str, register: Notify) -> None:
        """`register` registers the lease, if that has not happened yet."""
        self._writer = writer
        self._lease = lease
        self._register = register

    async def acquire(self, mailbox: str) -> bool:
        """See MaildropLocks. After a crash of the database the lock may be gone; `is_held` finds that."""
        await self._register()
        locked: bool = await self._writer.do_softly(
            partial(process_leases.take_maildrop, mailbox=mailbox, lease=self._lease)
        )
        return locked

    async def release(self, mailbox: str) -> None:
        try:
            await self._writer.do_softly(partial(process_leases.free_maildrop, mailbox=mailbox, lease=self._lease))
        except StoreError as error:
            _log.warn("the maildrop of {mailbox} stays locked for a while: {error}", mailbox=mailbox, error=error)

    def is_held(self, transaction: Transaction, mailbox: str) -> bool:
        """False if the lease of this process has expired meanwhile."""
        return process_leases.holds_maildrop(transaction, mailbox, self._lease)


class PostgresQueue(SqlQueue):
    """Queue of a command: servers are notified of its changes, and act on them at once."""

    def __init__(
        self,
        readers: ReaderPool,
        writer: WriterPool,
        contents: SqlContents,
        subscriptions: OutboxSubscriptions,
        notify: Notify,
        *,
        archiving: bool,
    ) -> None:
        super().__init__(readers, writer, contents, subscriptions, archiving=archiving)
        self._notify = notify

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        await super()._write(batch, acceptances)
        if batch.moves or batch.deliveries:
            await self._notify()


class PostgresAccounts(SqlAccounts):
    """See `mailstack.store.accounts.AccountStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, cache_seconds: float, notify: Notify) -> None:
        super().__init__(readers, writer, cache_seconds)
        self._notify = notify

    async def _change(self, change: Change) -> None:
        await super()._change(change)
        await self._notify()


class PostgresHoldRules(SqlHoldRules):
    """See `mailstack.store.hold_rules.HoldRuleStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, notify: Notify) -> None:
        super().__init__(readers, writer)
        self._notify = notify

    async def add(self, rule: HoldRule) -> None:
        await super().add(rule)
        await self._notify()

    async def remove(self, name: str) -> None:
        await super().remove(name)
        await self._notify()


class PostgresSuppressions(SqlSuppressions):
    """See `mailstack.store.hold_rules.SuppressionStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, notify: Notify) -> None:
        super().__init__(readers, writer)
        self._notify = notify

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        new = await super().add(suppressions)
        await self._notify()
        return new
