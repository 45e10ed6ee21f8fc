"""Storage interface for durable letters, deliveries, mailboxes and accounts.

Each implementation passes the same contract tests. A coroutine that changes something returns only after the change is
durable. A change and its journey steps are one transaction. Calls may run concurrently, and an implementation may
group them. The result of a call that has returned is visible to every later call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from mailstack.letter import Content, Letter, LetterId
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.protocols.connection import ResourceError
from mailstack.store.accounts import AccountStore
from mailstack.store.delay_reasons import DelayReasonStore
from mailstack.store.greylist import GreylistStore
from mailstack.store.hold_rules import HoldRuleStore, SuppressionStore
from mailstack.store.outbox import OutboxStore
from mailstack.store.tls_results import TlsResults


class StoreError(ResourceError):
    """Failed store operation, without any change. str() is the reason, for the log (RFC 5321: 451 4.3.0)."""


class StoreFull(StoreError):
    """Full disk (RFC 5321: 452 4.3.1)."""


class OutcomeUnknown(StoreError):
    """The store was lost during the commit; a retry may make the change twice (RFC 5321: 451 4.3.0)."""


class Damaged(StoreError):
    """Stored data that is invalid and needs repair by an administrator (RFC 3206: SYS/PERM)."""


class Conflict(StoreError):
    """A row was changed since it was read, or a new row exists already."""


class MaildropInUse(StoreError):
    """Another session holds the maildrop (RFC 1939 §4, RFC 2449 §8.1.2: [IN-USE])."""


class ContentWriter(Protocol):
    """Receives a content in pieces: in memory while it is small, else in the store for large contents."""

    size: int
    """Octets written so far."""

    async def write(self, octets: bytes) -> None:
        """Append; raises StoreFull or StoreError."""

    async def finish(self) -> Content:
        """The whole content. It becomes durable with the `accept` of its letter."""

    def discard(self) -> None:
        """Delete the content; harmless after `finish` unless the letter was accepted."""


class Acceptance(Struct, frozen=True):
    """Letter that the server takes responsibility for."""

    letter: Letter
    deliveries: tuple[Delivery, ...]
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...] = ()
    """Local mailboxes of the letter; their deliveries are stored as delivered."""


class Placement(Struct, frozen=True):
    """New entry of a local mailbox. The mailbox is created with its first entry and assigns the uids."""

    mailbox: str
    """`Address.key` of the mailbox."""
    delivery: tuple[LetterId, int]
    """Letter and number of the fulfilled delivery."""
    headers: bytes
    """Trace fields before the content, of this entry only."""
    size: int
    """Octets of headers and content together."""
    at: float
    """Time of arrival, seconds since 1970. It is also the validity of a mailbox that this entry creates."""


class Change(Struct, frozen=True):
    """A delivery before and after a change, without a claim or settlement in between. The recipient stays."""

    before: Delivery
    after: Delivery
    parked_for: str | None = None
    """Key of the destination that a queued delivery is parked for; `claim` may fetch it from there before it is due."""


class Settlement(Struct, frozen=True):
    """Changes to one letter by an attempt or an operator, in one transaction."""

    changes: tuple[Change, ...]
    """Changes of different deliveries, each applied if `attempts` and `claimed_by` of `before` match. A row that an operator
    has held or removed meanwhile is not queued again, nor a removed one held; success and failure replace both."""
    placements: tuple[Placement, ...] = ()
    steps: tuple[Step, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    """Reports of this outcome, in the same transaction, so that no failure is reported twice."""
    additions: tuple[Delivery, ...] = ()
    """Deliveries added to a stored letter, as when it is redirected; their numbers are new."""


class ParkingSlot(NamedTuple):
    """Parking slot of a delivery for a destination without a free connection slot."""

    parked_for: str
    """Key of the destination."""
    due: float
    """Time of the next attempt if the delivery is not fetched from its slot earlier, seconds since 1970."""


def no_slot(_destination: str) -> ParkingSlot | None:
    """Default of `claim`: no delivery is parked."""
    return None


class Claim(Struct, frozen=True):
    """A letter with the deliveries of it that this process may attempt now."""

    letter: Letter
    deliveries: tuple[Delivery, ...]


class Entry(NamedTuple):
    """One letter in a mailbox. A NamedTuple, because mailboxes hold tens of thousands."""

    uid: int
    """Increases with each entry of the mailbox; never reused (RFC 1939 §7, RFC 9051 §2.3.1.1)."""
    size: int
    """Octets, headers and content."""
    letter: LetterId


class Maildrop(Struct, frozen=True):
    """The letters of one mailbox as they were when the session began, held exclusively (RFC 1939 §4)."""

    mailbox: str
    validity: int
    """Changes when a mailbox of this name is created again, so that no UIDL repeats. 0: no mailbox."""
    entries: list[Entry]
    """Entries in the order of arrival."""


class Record(Struct, frozen=True):
    """A letter with its deliveries and mailboxes, for listings and searches."""

    letter: Letter
    deliveries: tuple[Delivery, ...]


class Filter(Struct, frozen=True):
    """Conditions on the letters of `records`, joined by AND."""

    ids: tuple[LetterId, ...] | None = None
    server: str | None = None
    sender: str | None = None
    """An `Address.key`, or "" for the null reverse-path."""
    recipient: str | None = None
    """An `Address.key`, as sent or after aliases."""
    since: float | None = None
    """Arrived then or later."""
    until: float | None = None
    """Arrived then or earlier."""
    states: frozenset[DeliveryState] | None = None
    """States, one of which a delivery of the letter must have; all of its deliveries are returned."""
    before: tuple[float, LetterId] | None = None
    """Arrival time and id of the last letter of the previous page; results are ordered from the newest."""
    limit: int = 1000


class Store(Protocol):
    """Everything that a server stores."""

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

    # --- queue

    def new_content(self) -> ContentWriter:
        """Writer of an arriving content."""

    async def accept(self, acceptance: Acceptance) -> None:
        """Take responsibility (RFC 5321 §6.1). Raises StoreFull, StoreError: then nothing was stored."""

    async def recover(self, owners: Sequence[str], now: float) -> int:
        """Release every claim of `owners`, which are dead processes. Returns the number of deliveries.

        First attempts become due now.
        """

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
        """Claim at most `limit` due deliveries, and register their attempts before they are made.

        With `parked_for`: only deliveries parked for this destination, due or not, in the order of arrival. Without it: a due
        delivery with a `slot` is parked there instead, and counts towards the limit.
        The highest priority comes first, and within a priority the longest due.
        Sets attempts + 1, claimed_by, lease (now + `lease` seconds) and `due` from `next_due(delivery, arrived)`. That
        function gets the delivery with its attempts already counted and the letter's arrival time. It runs in any thread.
        A delivery claimed by another process is due again when its lease has ended and its own `due` has come.
        A delivery that can't be read is held, so that it does not block the deliveries behind it.
        """

    async def next_due(self, server: str) -> float | None:
        """Earliest time at which `claim` returns a stored delivery; None when none is queued.

        A claimed delivery counts with the end of its lease, or its `due` if that is later.
        """

    async def parked_destinations(self, server: str, limit: int) -> list[str]:
        """Keys of destinations with parked deliveries."""

    async def parked_deliveries(self, letter: LetterId) -> dict[int, str]:
        """Destination keys of the parked deliveries of a letter, by delivery number."""

    async def settle(self, settlement: Settlement) -> None:
        """Write the outcome of an attempt. Raises Conflict (nothing changed) when a `before` no longer matches."""

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        """Write several settlements in one transaction if possible; for each of them None, or the error of `settle`.

        No two of them may change the same delivery.
        """

    # --- mailboxes

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        """Lock the maildrop for `owner` and list it; an unknown mailbox is empty. Raises MaildropInUse.

        The lock also excludes other processes, and ends with its process.
        """

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        """Release the lock; harmless when `owner` does not hold it."""

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        """The first `limit` entries of a mailbox with a greater uid than `after`, in order; takes no lock."""

    async def read(self, mailbox: str, uid: int) -> Content:
        """Letter with its trace fields on top. Raises KeyError if it is gone, Damaged if its content differs from the
        accepted one.

        Damaged is raised here, or before the last octets; a damaged content is never returned whole.
        """

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        """Several letters by uid, in one query; missing and damaged ones are left out."""

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        """Marks letters (uids) as collected and removes others, atomically (RFC 1939 §6).

        Returns the written `steps`. A letter gets "collected" only once.
        """

    async def octets_in(self, mailbox: str) -> int:
        """Size of a mailbox in octets, headers and contents, from a stored sum."""

    async def mailboxes(self) -> dict[str, int]:
        """Size of each mailbox in octets, by name."""

    # --- listings and administration

    async def pending_count(self) -> int:
        """Number of letters with pending deliveries, on all servers."""

    async def records(self, which: Filter) -> list[Record]:
        """The newest first."""

    async def recipients_in(
        self, states: Collection[DeliveryState], limit: int
    ) -> list[tuple[LetterId, str, str | None]]:
        """The first `limit` deliveries in one of these states, of the newest letters first.

        Each has the letter's id, the key of the address, and the key of the original one if an alias led to it.
        """

    async def steps(self, letter: LetterId) -> list[Step]:
        """The oldest first."""

    async def content(self, letter: LetterId) -> Content:
        """Content as accepted. Raises KeyError if no open delivery and no mailbox needs it."""

    async def prune(self, server: str, *, before: float, keep: int | None = None) -> int:
        """Delete the history of letters older than `before`, neither pending nor in a mailbox; returns the number.

        With `keep`, also delete the oldest letters beyond that number that are not pending, and their mailbox entries.
        """

    async def sweep(self) -> int:
        """Delete old large contents without a letter, as a crash leaves them; returns the number. Raises StoreError."""
