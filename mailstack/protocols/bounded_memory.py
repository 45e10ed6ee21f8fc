"""Bounded memory: TTL cache, and a budget shared by slow uploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class TTLCache(Generic[KeyT, ValueT]):
    """The newest `capacity` answers, each for `ttl` seconds. A plain dict keeps them in the order they were put."""

    def __init__(self, now: Callable[[], float], ttl: float, capacity: int) -> None:
        self._now = now
        self._ttl = ttl
        self._capacity = capacity
        self._entries: dict[KeyT, tuple[float, float, ValueT]] = {}
        """Time of storing, lifetime in seconds, and the answer."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: KeyT) -> ValueT | None:
        """The answer; None when there is none, or it is too old. A clock that was set back makes answers too old."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        since, ttl, value = entry
        if not 0 <= self._now() - since < ttl:
            del self._entries[key]
            return None
        return value

    def put(self, key: KeyT, value: ValueT, ttl: float | None = None) -> None:
        """Keep an answer from now on, at the cost of the oldest one when there are too many; for less than usual by `ttl`."""
        self._entries.pop(key, None)
        if len(self._entries) >= self._capacity:
            self._entries.pop(next(iter(self._entries)), None)
        self._entries[key] = (self._now(), self._ttl if ttl is None else min(ttl, self._ttl), value)

    def forget(self, key: KeyT) -> None:
        """Harmless when there is no such answer."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()


ALWAYS_ALLOWED = 16_384
"""Octets that one may hold even when room is scarce: more than most header sections have."""


class MemoryBudget:
    """Counts octets that are held."""

    __slots__ = ("held", "most")

    def __init__(self, most: int = 67_108_864) -> None:
        """Beyond `most` octets room is scarce."""
        self.held = 0
        self.most = most

    @property
    def is_scarce(self) -> bool:
        """Whether each may hold no more than SMALL."""
        return self.held > self.most
