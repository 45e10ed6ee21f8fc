"""Storage interface for durable letters, deliveries, mailboxes and accounts.

Each implementation passes the same contract tests. A coroutine that changes something returns only after the change is
durable. A change and its journey steps are one transaction. Calls may run concurrently, and an implementation may
group them. The result of a call that has returned is visible to every later call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mailstack.store.accounts import AccountStore
from mailstack.store.content_store import ContentStore, ContentWriter
from mailstack.store.delay_reasons import DelayReasonStore
from mailstack.store.errors import Conflict, Damaged, MaildropInUse, OutcomeUnknown, StoreError, StoreFull
from mailstack.store.folders import FolderStore
from mailstack.store.greylist import GreylistStore
from mailstack.store.history import Filter, HistoryStore, Record
from mailstack.store.hold_rules import HoldRuleStore, SuppressionStore
from mailstack.store.mailboxes import Entry, MailboxStore, Maildrop, Placement
from mailstack.store.outbox import OutboxStore
from mailstack.store.queue import Acceptance, Change, Claim, ParkingSlot, QueueStore, Settlement, no_slot
from mailstack.store.tls_results import TlsResults

__all__ = [
    "Acceptance",
    "Change",
    "Claim",
    "Conflict",
    "ContentStore",
    "ContentWriter",
    "Damaged",
    "Entry",
    "Filter",
    "FolderStore",
    "HistoryStore",
    "MailboxStore",
    "Maildrop",
    "MaildropInUse",
    "OutcomeUnknown",
    "ParkingSlot",
    "Placement",
    "QueueStore",
    "Record",
    "Settlement",
    "Store",
    "StoreError",
    "StoreFull",
    "no_slot",
]


class Store(Protocol):
    """Everything that a server stores."""

    @property
    def queue(self) -> QueueStore: ...

    @property
    def mailboxes(self) -> MailboxStore: ...

    @property
    def folders(self) -> FolderStore: ...

    @property
    def history(self) -> HistoryStore: ...

    @property
    def contents(self) -> ContentStore: ...

    @property
    def accounts(self) -> AccountStore: ...

    @property
    def greylist(self) -> GreylistStore: ...

    @property
    def hold_rules(self) -> HoldRuleStore: ...

    @property
    def suppressions(self) -> SuppressionStore: ...

    @property
    def delay_reasons(self) -> DelayReasonStore: ...

    @property
    def tls_results(self) -> TlsResults: ...

    @property
    def outbox(self) -> OutboxStore: ...

    async def open(self) -> None:
        """Create or migrate the schema, delete orphan contents. Raises StoreError with a remedy."""

    async def close(self) -> None:
        """Completes started work, then closes everything."""

    def lock_server(self) -> None:
        """Lock the store for the one server process, until `close`; commands don't call it.

        Raises StoreError when another process has the lock.
        """

    def claims_valid_since(self) -> float | None:
        """Start of the unbroken lease of this process, seconds since 1970.

        Earlier claims may have passed to another process. None: unknown, for example while the database can't be
        reached. Then no attempt may start.
        """

    def on_external_change(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the reactor's thread after another process has added deliveries or rules.

        Stores without notifications ignore this; the poll of each second finds the changes.
        """
