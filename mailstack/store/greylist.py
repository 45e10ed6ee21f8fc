"""Greylist of the store: networks and triplets, with the time of their first attempt."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class GreylistEntry(Struct, frozen=True):
    """Greylist entry: a network, or a network with a sender and a recipient."""

    name: str
    first: float
    """Time of the first attempt, seconds since 1970."""
    until: float
    """Time of expiry, seconds since 1970."""


class GreylistStore(Protocol):
    """Part `greylist` of `mailstack.store.Store`."""

    async def find(self, name: str) -> GreylistEntry | None:
        """Entry of this name, also an expired one until it is purged."""

    async def set(self, entry: GreylistEntry) -> None:
        """Write an entry, in place of any other of its name."""

    async def purge(self, now: float, max_entries: int) -> int:
        """Delete expired entries, and beyond `max_entries` those that expire first. Returns their number."""
