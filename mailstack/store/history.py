"""History of the store: letters with their deliveries and journey steps."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.letter import Letter, LetterId
from mailstack.letter.delivery import Delivery, DeliveryState, Step


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


class HistoryStore(Protocol):
    """Part `history` of `mailstack.store.Store`."""

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

    async def add_steps(self, steps: Sequence[Step]) -> list[Step]:
        """Store steps of letters by their readers, in one transaction; returns the stored ones. Raises StoreError.

        Left out are those of letters without a history, and `read` by an account (fact `by`) that has one already.
        """

    async def prune(self, server: str, *, before: float, keep: int | None = None) -> int:
        """Delete the history of letters older than `before`, neither pending nor in a mailbox; returns the number.

        With `keep`, also delete the oldest letters beyond that number that are not pending, and their mailbox entries.
        """
