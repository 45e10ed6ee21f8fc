"""Outbox of journey steps pending for webhooks and copies."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from mailstack.letter.step import Step

Wants = Callable[[Step], bool]
"""Whether a target is to be told of a step. Never raises; is called in any thread."""


class OutboxEntry(Struct, frozen=True):
    """One step, and one target that is to be told of it: queued with the step, in the same transaction.

    States: waiting (`claimed_by` is None), being told, and gone, once it was told or is too old.
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
    """What waits for one target."""

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
        """What is to be queued with these steps."""
        return [
            OutboxEntry(new_id(), target, step, step.at)
            for step in steps
            for target, wants in self._wants.items()
            if wants(step)
        ]


class OutboxStore(Protocol):
    """The part of a store that keeps them."""

    def subscribe(self, target: str, wants: Wants) -> None:
        """From now on, queue every step that `target` wants in the transaction that stores the step.

        It holds for steps that this object of the store writes; other processes say the same for theirs.
        """

    async def add(self, entries: Sequence[OutboxEntry]) -> None:
        """Queue more, as to try whether a target hears."""

    async def claim(self, target: str, owner: str, now: float, *, limit: int, lease: float) -> list[OutboxEntry]:
        """Claim at most `limit` due entries, the longest due first; each counts as attempted before it is.

        No other process gets them until `now` + `lease`. An unreadable entry is deleted and logged.
        """

    async def settle(self, owner: str, *, sent: Collection[str] = (), again: Sequence[OutboxEntry] = ()) -> None:
        """Forget those that were told (by id), and give back those to be told again, with their `due` and `trouble`.

        What `owner` doesn't hold any longer stays as it is.
        """

    async def recover(self, owner: str, now: float) -> int:
        """Let go of all that `owner` had claimed before it died; how many. They are due at once."""

    async def next_due(self, target: str) -> float | None:
        """When the first is due; None when nothing waits."""

    async def entries(self, target: str | None, limit: int) -> list[OutboxEntry]:
        """Those that wait, for one target or for all, the oldest first."""

    async def backlogs(self) -> list[OutboxBacklog]:
        """How many wait for each target, by its name."""

    async def retry_now(self, target: str, now: float) -> int:
        """Make due at once what waits for a target, and isn't being told; the oldest at HURRIED. How many wait in all."""

    async def purge(self, target: str | None, before: float) -> int:
        """Drop those of steps older than `before`, unless they are being told; how many."""
