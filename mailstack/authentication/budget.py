"""What one letter may ask of the DNS: so many questions, and so long; beyond that nobody could say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailstack.policy.lookups import Lookups

T = TypeVar("T")

MOST_QUESTIONS = 150
"""More than an honest letter comes to, with every limit of SPF reached twice."""


class Budget:
    """A Lookups that is used up."""

    def __init__(self, lookups: Lookups, now: Callable[[], float], seconds: float, most: int = MOST_QUESTIONS) -> None:
        """`seconds` from now on; a question that was asked in time is waited for."""
        self._lookups = lookups
        self._now = now
        self._until = now() + seconds
        self._left = most

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.addresses, host)

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.exchanges, domain)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.texts, name)

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.pointers, address)

    async def _asked(self, ask: Callable[[str], Awaitable[T | None]], name: str) -> T | None:
        if not self._left or self._now() >= self._until:
            return None
        self._left -= 1
        return await ask(name)
