"""Delivery: state of one recipient of a letter; step: one event of its journey."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Protocol

from msgspec import Struct

from mailstack.letter import LetterId, Recipient, Status
from mailstack.letter.times import iso8601


class DeliveryState(StrEnum):
    """State of a delivery; see the truth table in `mailstack.queue`."""

    QUEUED = "queued"
    HELD = "held"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    BOUNCED = "bounced"
    COLLECTED = "collected"
    REMOVED = "removed"


OWED = frozenset({DeliveryState.QUEUED, DeliveryState.HELD})
"""States in which this server is still responsible for the recipient."""

RETRY_REQUESTED = "to be tried now, as the operator said"
"""Text of a delivery with a requested retry, until the attempt."""

_RELEASED = "released by an operator at "


def released_text(now: float) -> str:
    """Text of a delivery that an operator released, until its attempt; see `Delivery.released_at`."""
    return f"{_RELEASED}{iso8601(now)}"


class Delivery(Struct, frozen=True):
    """One row of the queue, with the key (letter, number)."""

    letter: LetterId
    number: int
    """Number within the letter, from 0."""
    recipient: Recipient
    destination: str
    """Group of attempts: "local", or the next domain or host."""
    state: DeliveryState = DeliveryState.QUEUED
    due: float = 0.0
    """Time from which the next attempt may be made, in seconds since 1970."""
    attempts: int = 0
    """Number of attempts started."""
    claimed_by: str | None = None
    """Process with a running attempt; None without one."""
    lease: float = 0.0
    """End of the claim in seconds since 1970; another process may claim the delivery then."""
    status: Status | None = None
    """Status of the last outcome."""
    text: str = ""
    """Text of the last outcome: the host's reply, or a reason."""
    host: str = ""
    """Host of the last outcome."""
    warned: bool = False
    """Whether the delay was reported to the sender."""
    priority: int = 0
    """Priority from -9 to 9; the highest is attempted first (RFC 6710)."""

    @property
    def retry_requested(self) -> bool:
        """Whether an operator requested this attempt, so that host back-off is ignored."""
        return self.text == RETRY_REQUESTED

    @property
    def released_at(self) -> float | None:
        """Time of the release by an operator, in seconds since 1970; None without one."""
        # Text of an outcome always has a status.
        if self.status is not None or not self.text.startswith(_RELEASED):
            return None
        try:
            return datetime.fromisoformat(self.text.removeprefix(_RELEASED)).timestamp()
        except ValueError:
            return None


StepName = Literal[
    "submitted",
    "exchanged",
    "routed",
    "attempted",
    "deferred",
    "relayed",
    "delivered",
    "bounced",
    "collected",
    "appended",
    "read",
    "moved",
    "expunged",
    "held",
    "released",
    "redirected",
    "copied",
    "removed",
]


class Step(Struct, frozen=True):
    """One event in the life of a letter, stored in the transaction of the change it describes."""

    letter: LetterId
    at: float
    """UTC, as seconds since 1970."""
    server: str
    step: StepName
    facts: Mapping[str, Any] = {}
    """Facts of the step: `by`, `client`, `tls`, `recipient`, `host`, `reply`, `next_attempt`, `dialogue` … JSON values."""


class Journal(Protocol):
    """Receives durable steps, for the log and the live page; `mailstack.net.log` implements it."""

    def record(self, steps: Sequence[Step]) -> None:
        """Records steps that are stored. Never raises, never waits."""


class TappedJournal:
    """Journal that also passes each step to a function, after the journal behind it."""

    def __init__(self, journal: Journal, on_steps: Callable[[Sequence[Step]], None]) -> None:
        self._journal = journal
        self._on_steps = on_steps

    def record(self, steps: Sequence[Step]) -> None:
        self._journal.record(steps)
        self._on_steps(steps)
