"""Outbox of journey steps pending for webhooks and copies."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.letter.delivery import Step

Wants = Callable[[Step], bool]
"""Returns whether a target wants a step. Never raises; called in any thread."""


class OutboxEntry(Struct, frozen=True):
    """One step for one target, queued in the same transaction as the step.

    States: waiting (`claimed_by` is None), claimed, and removed after success or expiry.
    """

    id: str
    """Identifier that stays the same in every attempt, so that a target can detect duplicates."""
    target: str
    step: Step
    due: float
    """Time of the next attempt, seconds since 1970; during a claim, the end of its lease."""
    attempts: int = 0
    """Begun."""
    claimed_by: str | None = None
    trouble: str = ""
    """Why the last attempt failed, for people."""


RETRY_NOW = 0.0
"""The `due` of the announcement with which a target is tried although it has failed just now: an operator asked for it."""


class OutboxBacklog(Struct, frozen=True):
    """Waiting entries of one target."""

    target: str
    count: int
    oldest: float
    """Time of the oldest of these steps, seconds since 1970."""


def new_id() -> str:
    """Unguessable identifier for an outbox entry."""
    return f"msg_{secrets.token_hex(12)}"


class OutboxSubscriptions:
    """Subscriptions of webhooks and copies to journey steps, for one store object."""

    def __init__(self) -> None:
        self._wants: dict[str, Wants] = {}

    def __bool__(self) -> bool:
        return bool(self._wants)

    def add(self, target: str, wants: Wants) -> None:
        self._wants[target] = wants

    def of(self, steps: Sequence[Step]) -> list[OutboxEntry]:
        """Entries for these steps."""
        return [
            OutboxEntry(new_id(), target, step, step.at)
            for step in steps
            for target, wants in self._wants.items()
            if wants(step)
        ]


class OutboxStore(Protocol):
    """The part of a store that keeps them."""

    def subscribe(self, target: str, wants: Wants) -> None:
        """Queues each later step that `target` wants, in the transaction of the step.

        This holds for steps written by this store object; other processes subscribe by themselves.
        """

    async def add(self, entries: Sequence[OutboxEntry]) -> None:
        """Queues more entries, for a test of a target."""

    async def claim(self, target: str, owner: str, now: float, *, limit: int, lease: float) -> list[OutboxEntry]:
        """Claim at most `limit` due entries, the longest due first; each counts as attempted before it is.

        No other process gets them until `now` + `lease`. An unreadable entry is deleted and logged.
        """

    async def settle(self, owner: str, *, sent: Collection[str] = (), again: Sequence[OutboxEntry] = ()) -> None:
        """Removes the successful entries (by id) and returns others to the outbox with their `due` and `trouble`.

        Entries no longer claimed by `owner` are unchanged.
        """

    async def recover(self, owner: str, now: float) -> int:
        """Let go of all that `owner` had claimed before it died; how many. They are due at once."""

    async def next_due(self, target: str) -> float | None:
        """Due time of the first entry; None for an empty outbox."""

    async def entries(self, target: str | None, limit: int) -> list[OutboxEntry]:
        """Waiting entries of one target or of all, the oldest first."""

    async def backlogs(self) -> list[OutboxBacklog]:
        """Backlog of each target, by its name."""

    async def retry_now(self, target: str, now: float) -> int:
        """Makes the unclaimed entries of a target due now, the oldest at HURRIED. Returns the number of waiting
        entries.
        """

    async def purge(self, target: str | None, before: float) -> int:
        """Removes unclaimed entries of steps older than `before`; returns their number."""
