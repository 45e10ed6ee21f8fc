"""History pruner: deletes old rows of a server from its store, once an hour."""

from __future__ import annotations

import logging

from mailstack.config import Config
from mailstack.net.clock import ReactorClock
from mailstack.net.periodic import PeriodicTask
from mailstack.store import Store, StoreError

_log = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between two runs."""


class HistoryPruner:
    """From `start` to `stop`."""

    def __init__(self, config: Config, store: Store, clock: ReactorClock) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._repeating = PeriodicTask(clock, self._prune)

    def start(self) -> None:
        self._repeating.start(INTERVAL)

    def stop(self) -> None:
        self._repeating.stop()

    async def _prune(self) -> None:
        config, store, now = self._config, self._store, self._clock.now()
        before = now - config.journey.keep
        try:
            await store.prune(config.hostname, before=before)
            # Of webhooks that are no longer configured.
            await store.outbox.purge(None, before)
            if config.policy.greylist.enabled:
                await store.greylist.purge(now, config.policy.greylist.max_entries)
            await store.sweep()
        except StoreError as error:
            _log.error("old histories could not be forgotten: %s", error)  # no bug
