"""Budget of DNS queries: a maximum number and a maximum total time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from mailstack.policy.lookups import Lookups

T = TypeVar("T")


class Budget:
    """Lookups that answers None once the budget is used up.

    Only the time of its own questions counts: what else is done meanwhile, and the questions of another budget, cost
    nothing of it. So a domain can use up no budget but that of its own check.
    """

    def __init__(self, lookups: Lookups, now: Callable[[], float], seconds: float, max_questions: int) -> None:
        """A question that was asked in time is waited for, even if its answer takes longer than `seconds`."""
        self._lookups = lookups
        self._now = now
        self._seconds = seconds
        self._questions = max_questions

    async def addresses(self, host: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.addresses, host)

    async def exchanges(self, domain: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.exchanges, domain)

    async def texts(self, name: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.texts, name)

    async def pointers(self, address: str) -> tuple[str, ...] | None:
        return await self._asked(self._lookups.pointers, address)

    async def _asked(self, ask: Callable[[str], Awaitable[T | None]], name: str) -> T | None:
        if not self._questions or self._seconds <= 0:
            return None
        self._questions -= 1
        began = self._now()
        try:
            return await ask(name)
        finally:
            self._seconds -= self._now() - began
