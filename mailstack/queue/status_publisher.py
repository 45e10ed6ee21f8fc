"""Publisher of delay reasons of this process, for `mailstack queue show`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from mailstack.protocols.connection import Clock
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason, DelayReasonStore

_log = logging.getLogger(__name__)

Source = Callable[[int], Sequence[DelayReason]]
"""Returns at most the given number of delay reasons, the most important first."""

MAX_REASONS = 200
"""Maximum number of delay reasons of each source."""


class StatusPublisher:
    """Publishes delay reasons when they have changed, and renews them from time to time; never for each letter."""

    def __init__(
        self, store: DelayReasonStore, clock: Clock, owner: str, sources: Sequence[Source], *, every: float = 2.0
    ) -> None:
        """`every` is the minimum number of seconds between two publications."""
        self._store = store
        self._clock = clock
        self._owner = owner
        self._sources = sources
        self._every = every
        self._published: list[DelayReason] = []
        self._next = 0.0
        self._renew = 0.0

    async def publish(self) -> None:
        """Publishes the current delay reasons, if it is time to. A StoreError is only logged."""
        now = self._clock.steady()
        if now < self._next:
            return
        self._next = now + self._every
        reasons = [reason for source in self._sources for reason in source(MAX_REASONS)]
        if reasons == self._published and (not reasons or now < self._renew):
            return
        try:
            await self._store.publish(self._owner, reasons, self._clock.now() + 15 * self._every)
        except StoreError as trouble:
            _log.warning("delay reasons can't be published: %s", trouble)
            return
        self._published, self._renew = reasons, now + 7 * self._every
