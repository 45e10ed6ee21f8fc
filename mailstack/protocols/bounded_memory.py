"""Bounded memory: TTL cache, and a budget shared by slow uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class TTLCache(Generic[KeyT, ValueT]):
    """The newest `capacity` values, each for `ttl` seconds."""

    def __init__(self, now: Callable[[], float], ttl: float, capacity: int) -> None:
        self._now = now
        self._ttl = ttl
        self._capacity = capacity
        self._entries: dict[KeyT, tuple[float, float, ValueT]] = {}
        """Time of storage, lifetime in seconds and value, in the order of insertion."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: KeyT) -> ValueT | None:
        """The value; None without one that is valid. After the clock was set back, earlier values are invalid."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        since, ttl, value = entry
        if not 0 <= self._now() - since < ttl:
            del self._entries[key]
            return None
        return value

    def put(self, key: KeyT, value: ValueT, ttl: float | None = None) -> None:
        """Store a value, evicting the oldest one at capacity. `ttl` can shorten its lifetime."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._capacity:
            self._entries.pop(next(iter(self._entries)), None)
        self._entries[key] = (self._now(), self._ttl if ttl is None else min(ttl, self._ttl), value)

    def clear(self) -> None:
        self._entries.clear()


ALWAYS_ALLOWED = 16_384
"""Octets that each holder may have while the budget is exhausted: more than most header sections need."""


class MemoryBudget:
    """Counter of the octets that many holders share."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = 67_108_864) -> None:
        """`limit` is in octets."""
        self.used = 0
        self.limit = limit

    @property
    def exhausted(self) -> bool:
        """Whether each holder is limited to `ALWAYS_ALLOWED` octets."""
        return self.used > self.limit
