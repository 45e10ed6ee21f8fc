"""SQL store: its parts, independent of the database.

`sqlite` and `postgresql` add connections, writers, large contents and locks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from mailstack.store.batch import ReaderPool, WriterPool
from mailstack.store.connection import ChangeMark
from mailstack.store.contents import LargeContents
from mailstack.store.data_directory import Location
from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.settings import StoreSettings
from mailstack.store.sql_parts.accounts import SqlAccounts
from mailstack.store.sql_parts.contents import SqlContents
from mailstack.store.sql_parts.delay_reasons import SqlDelayReasons
from mailstack.store.sql_parts.folders import SqlFolders
from mailstack.store.sql_parts.greylist import SqlGreylist
from mailstack.store.sql_parts.history import SqlHistory
from mailstack.store.sql_parts.hold_rules import SqlHoldRules, SqlSuppressions
from mailstack.store.sql_parts.mailboxes import MaildropLocks, SqlMailboxes
from mailstack.store.sql_parts.outbox import SqlOutbox
from mailstack.store.sql_parts.queue import SqlQueue
from mailstack.store.sql_parts.tls_results import SqlTlsResults


class SqlStore(ABC):
    """See `mailstack.store.Store`. Subclasses provide reader threads, one or more writer threads, and locks."""

    _readers: ReaderPool
    _writer: WriterPool
    contents_class: ClassVar[type[SqlContents]] = SqlContents
    queue_class: ClassVar[type[SqlQueue]] = SqlQueue
    history_class: ClassVar[type[SqlHistory]] = SqlHistory
    location: Location | None = None
    """Location of the data directory, if the store or its server's lock has one."""
    now: Callable[[], float] | None = None
    """The time by which letters are due, where that is not this machine's."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._subscriptions = OutboxSubscriptions()
        self.changes = MailboxChanges()

    def _build(
        self,
        readers: ReaderPool,
        writer: WriterPool,
        large: LargeContents,
        locks: MaildropLocks | None = None,
        addresses: ChangeMark | None = None,
    ) -> None:
        """Build the parts.

        `locks`: maildrop locks against other processes; None: there are none. `addresses`: mark of account changes by
        other processes, which extends the cache time; None: no mark.
        """
        self._readers, self._writer = readers, writer
        settings, subscriptions = self._settings, self._subscriptions
        self.contents = self.contents_class(readers, large, settings)
        self.queue = self.queue_class(readers, writer, self.contents, subscriptions, archiving=settings.archiving)
        self.mailboxes = SqlMailboxes(readers, writer, self.contents, subscriptions, changes=self.changes, locks=locks)
        self.folders = SqlFolders(readers, writer)
        self.history = self.history_class(readers, writer, self.contents, subscriptions)
        self.accounts = SqlAccounts(readers, writer, settings.address_seconds, addresses)
        self.greylist = SqlGreylist(readers, writer)
        self.hold_rules = SqlHoldRules(readers, writer)
        self.suppressions = SqlSuppressions(readers, writer)
        self.delay_reasons = SqlDelayReasons(readers, writer)
        self.tls_results = SqlTlsResults(readers, writer)
        self.outbox = SqlOutbox(readers, writer, subscriptions)

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
