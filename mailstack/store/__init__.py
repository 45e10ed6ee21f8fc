"""Storage interface for durable letters, deliveries, mailboxes and accounts.

Each implementation passes the same contract tests. A coroutine that changes something returns only after the change is
durable. A change and its journey steps are one transaction. Calls may run concurrently, and an implementation may
group them. The result of a call that has returned is visible to every later call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """The store could not do it; nothing was changed. str() says why, for the log (RFC 5321: 451 4.3.0)."""


class StoreFull(StoreError):
    """No room on the disk (RFC 5321: 452 4.3.1)."""


class OutcomeUnknown(StoreError):
    """Unknown outcome of a change: the store was lost during the commit (RFC 5321: 451 4.3.0, as for StoreError).

    A retry may make the change twice. The log contains a warning.
    """


class Damaged(StoreError):
    """Stored data that is invalid and needs repair by an administrator (RFC 3206: SYS/PERM)."""


class Conflict(StoreError):
    """What should be changed has changed since it was read, or what should be new is there already."""


class MaildropInUse(StoreError):
    """Another session holds the maildrop (RFC 1939 §4, RFC 2449 §8.1.2: [IN-USE])."""


class ContentWriter(Protocol):
    """Takes a content in pieces: in memory while it is small, kept elsewhere beyond that."""

    size: int
    """Octets written so far."""

    async def write(self, octets: bytes) -> None:
        """Append; raises StoreFull or StoreError."""

    async def finish(self) -> Content:
        """The whole content. It becomes durable with the `accept` of a letter that has it, and not before."""

    def discard(self) -> None:
        """Forget all; harmless after `finish` unless the letter was accepted."""


class Acceptance(Struct, frozen=True):
    """A letter we take responsibility for."""

    letter: Letter
    deliveries: tuple[Delivery, ...]
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...] = ()
    """The mailboxes here that it enters at once; their deliveries are made as delivered."""


class Placement(Struct, frozen=True):
    """A letter that enters a mailbox here. The mailbox is made on its first letter and numbers its letters itself."""

    mailbox: str
    """`Address.key` of the mailbox."""
    delivery: tuple[LetterId, int]
    """Letter and number of the delivery that this fulfils."""
    headers: bytes
    """Trace fields above the content, for this mailbox alone."""
    size: int
    """Octets of headers and content together."""
    at: float
    """Time of arrival, seconds since 1970. It is also the validity of a mailbox that this entry creates."""


class Change(Struct, frozen=True):
    """A delivery before and after a change. Applied only if no claim or settlement changed it in between.

    The recipient never changes.
    """

    before: Delivery
    after: Delivery
    line: str | None = None
    """The line that a queued delivery waits in, if any: `claim` may fetch it from there before it is due."""


class Settlement(Struct, frozen=True):
    """What an attempt, or an operator, did to one letter: one transaction, all or nothing."""

    changes: tuple[Change, ...]
    """Each matches on the `attempts` and `claimed_by` of `before`; a delivery may be in one of them only. A row that an operator meanwhile set to held or
    removed is not set back to queued, nor one that was removed to held; success and failure are facts, and are written over both."""
    placements: tuple[Placement, ...] = ()
    steps: tuple[Step, ...] = ()
    acceptances: tuple[Acceptance, ...] = ()
    """Reports made by this outcome: with it or not at all, so that no failure is bounced twice."""
    additions: tuple[Delivery, ...] = ()
    """Deliveries added to a stored letter, as when it is redirected; their numbers are new."""


class Place(NamedTuple):
    """Parking slot of a delivery for a destination without a free connection slot."""

    line: str
    due: float
    """Time of the next attempt if the delivery is not fetched from its slot earlier, seconds since 1970."""


def nowhere(_destination: str) -> Place | None:
    """Every destination has room."""
    return None


class Claim(Struct, frozen=True):
    """A letter with the deliveries of it that this process may attempt now."""

    letter: Letter
    deliveries: tuple[Delivery, ...]


class Entry(NamedTuple):
    """One letter in a mailbox. A NamedTuple, because mailboxes hold tens of thousands."""

    uid: int
    """Grows with each letter that enters the mailbox; never reused (RFC 1939 §7, RFC 9051 §2.3.1.1)."""
    size: int
    """Octets, headers and content."""
    letter: LetterId


class Maildrop(Struct, frozen=True):
    """The letters of one mailbox as they were when the session began, held exclusively (RFC 1939 §4)."""

    mailbox: str
    validity: int
    """Differs whenever a mailbox of this name is made anew, so that no UIDL ever repeats. 0 when there is none."""
    entries: list[Entry]
    """Entries in the order of arrival."""


class Record(Struct, frozen=True):
    """A letter with its deliveries and mailboxes, for listings and searches."""

    letter: Letter
    deliveries: tuple[Delivery, ...]


class Filter(Struct, frozen=True):
    """Which letters `records` shall give; every part that is set must hold."""

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
    """Letters with a delivery in one of these states; others of their deliveries are given all the same."""
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
        """Make or migrate the schema, sweep orphan contents. Raises StoreError with what to do about it."""

    async def close(self) -> None:
        """Completes started work, then closes everything."""

    def lock_server(self) -> None:
        """Be the one process that serves from this store, until `close`; commands don't ask for it.

        Raises StoreError when another process does.
        """

    def tenure(self) -> float | None:
        """Time from which on all claims of this process are valid while it lives, seconds since 1970.

        Earlier claims may have passed to another process. None: unknown now, as when the database can't be reached. Then
        no attempt may start.
        """

    def on_news(self, told: Callable[[], None]) -> None:
        """Calls `told` in the reactor's thread after another process has added work or rules.

        Stores without notifications ignore this; the poll of each second finds the changes.
        """

    # --- queue

    def new_content(self) -> ContentWriter:
        """Writer of an arriving content."""

    async def accept(self, acceptance: Acceptance) -> None:
        """Take responsibility (RFC 5321 §6.1). Raises StoreFull, StoreError: then nothing was taken."""

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
        line: str | None = None,
        place: Callable[[str], Place | None] = nowhere,
    ) -> list[Claim]:
        """Claim at most `limit` due deliveries, and register their attempts before they are made.

        With `line`: only deliveries parked for this destination, due or not, in the order of arrival. Without it: a due
        delivery with a `place` is parked there instead, and counts towards the limit.
        The highest priority comes first, and within a priority the longest due.
        Sets attempts + 1, claimed_by, lease (now + `lease` seconds) and `due` from `next_due(delivery, arrived)`. That
        function gets the delivery with its attempts already counted and the letter's arrival time. It runs in any thread.
        A delivery claimed by another process is due again when its lease has ended and its own `due` has come.
        A delivery that can't be read is held, so that it does not block the deliveries behind it.
        """

    async def next_due(self, server: str) -> float | None:
        """The earliest time at which `claim` gives something, from what is stored now; None when nothing waits.

        For a delivery that is being attempted that is the end of its lease, or its `due` if that is later.
        """

    async def lines(self, server: str, limit: int) -> list[str]:
        """Lines that anything waits in."""

    async def lines_of(self, letter: LetterId) -> dict[int, str]:
        """The lines that deliveries of a letter wait in, by their numbers; those that wait in none are missing."""

    async def settle(self, settlement: Settlement) -> None:
        """Write what became of an attempt. Raises Conflict (nothing changed) when a `before` no longer holds."""

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        """Write several, which cost little more than one; for each of them None, or what `settle` would have raised.

        No two of them may change the same delivery.
        """

    # --- mailboxes

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        """Lock the maildrop for `owner` and list it; an unknown mailbox is empty. Raises MaildropInUse.

        The lock holds against other processes too, and ends with the process that has it.
        """

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        """Give the lock back; harmless when it isn't held by `owner`."""

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
        """Octets that a mailbox holds, headers and contents; cheap however many letters these are."""

    async def mailboxes(self) -> dict[str, int]:
        """The octets that each mailbox holds, by name."""

    # --- listings and administration

    async def owed(self) -> int:
        """Number of letters with pending deliveries, on all servers."""

    async def records(self, which: Filter) -> list[Record]:
        """The newest first."""

    async def steps(self, letter: LetterId) -> list[Step]:
        """The oldest first."""

    async def content(self, letter: LetterId) -> Content:
        """Content as accepted. Raises KeyError if no open delivery and no mailbox needs it."""

    async def prune(self, server: str, *, before: float, keep: int | None = None) -> int:
        """Delete the history of letters older than `before`, neither pending nor in a mailbox; returns the number.

        With `keep`, also delete the oldest letters beyond that number that are not pending, and their mailbox entries.
        """

    async def sweep(self) -> int:
        """Remove what a crash left of large contents: old, and named by no letter; how many. Raises StoreError."""
