"""Queue of the store: acceptance, claims and settlement of deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from mailstack.letter import Letter, LetterId
from mailstack.letter.delivery import Delivery, Step
from mailstack.store.mailboxes import Placement


class Acceptance(Struct, frozen=True):
    """Letter that the server takes responsibility for."""

    letter: Letter
    deliveries: tuple[Delivery, ...]
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...] = ()
    """Local mailboxes of the letter; their deliveries are stored as delivered."""


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


class QueueStore(Protocol):
    """Part `queue` of `mailstack.store.Store`."""

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

    async def pending_count(self) -> int:
        """Number of letters with pending deliveries, on all servers."""
