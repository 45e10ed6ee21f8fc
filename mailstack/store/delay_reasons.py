"""Delay reasons, published by a running server for other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct


class DelayReason(Struct, frozen=True):
    """One thing that letters wait for."""

    kind: Literal["down", "busy"]
    """A host that is left alone, or a destination that gets no more attempts at a time."""
    name: str
    """Name of the host as in journeys, with address and port; or the destination key."""
    text: str
    """Why, for people; the name stands before it."""
    until: float | None = None
    """Time of the next connection attempt to a host, seconds since 1970."""
    facts: Mapping[str, Any] = {}
    """Machine-readable details: `host`, or `under_way`, `at_a_time` and `waiting`."""


class DelayReasonStore(Protocol):
    """Part `delay_reasons` of `mailstack.store.Store`."""

    async def publish(self, owner: str, reasons: Sequence[DelayReason], valid_until: float) -> None:
        """Replace the reasons that this process has published. They expire at `valid_until`, for a process may die."""

    async def current(self, now: float) -> list[DelayReason]:
        """Reasons of all processes that have not expired."""
