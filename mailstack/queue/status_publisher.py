"""The Noticeboard: what this process knows and letters wait for, where `mailstack queue show` can read it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from mailstack.protocols.connection import Clock
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason, DelayReasonStore

_log = logging.getLogger(__name__)

Source = Callable[[int], Sequence[DelayReason]]
"""Gives as many conditions as asked for, at most: the worst of them."""

MOST = 200
"""Conditions of each source."""


class StatusPublisher:
    """Written to when something has changed, and every now and then while anything stands on it: never for each letter."""

    def __init__(
        self, store: DelayReasonStore, clock: Clock, owner: str, sources: Sequence[Source], *, every: float = 2.0
    ) -> None:
        """`every` is how many seconds there are between two notices at least."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._sources = sources
        self._every = every
        self._told: list[DelayReason] = []
        self._next = 0.0
        self._renew = 0.0

    async def post(self) -> None:
        """Tell what holds now, if it is time to. Trouble of the store is only logged."""
        now = self._clock.steady()
        if now < self._next:
            return
        self._next = now + self._every
        told = [condition for source in self._sources for condition in source(MOST)]
        if told == self._told and (not told or now < self._renew):
            return
        try:
            await self._store.publish(self._owner, told, self._clock.now() + 15 * self._every)
        except StoreError as trouble:
            _log.warning("what letters wait for can't be told: %s", trouble)
            return
        self._told, self._renew = told, now + 7 * self._every
