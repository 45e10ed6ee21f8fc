"""What running processes tell of hosts and destinations, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.store.delay_reasons import DelayReason


class MemoryConditions:
    """The part of `mailstack.store.Store` that keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self._conditions: dict[str, tuple[float, list[DelayReason]]] = {}

    async def tell_conditions(self, owner: str, conditions: Sequence[DelayReason], valid_until: float) -> None:
        self._conditions[owner] = valid_until, list(conditions)

    async def conditions(self, now: float) -> list[DelayReason]:
        told = sorted(self._conditions.items())
        return [condition for _, (until, conditions) in told if until > now for condition in conditions]
