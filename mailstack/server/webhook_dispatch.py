"""Webhook dispatchers of a server: subscribed to the store, started and stopped together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults

from mailstack.config import Config
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources

if TYPE_CHECKING:
    from mailstack.queue.webhooks.dispatcher import OutboxDispatcher


class WebhookDispatch:
    """To be made before the store is open: the store queues entries from then on."""

    def __init__(self, config: Config, runtime: Runtime, storage: Storage, workers: WorkerResources) -> None:
        self._announcers: Sequence[OutboxDispatcher] = ()
        if not config.webhooks:
            return
        # Only a server with webhooks loads them.
        from mailstack.server.wiring.webhooks import announcers, subscribe  # noqa: PLC0415

        subscribe(config, storage.store)
        self._announcers = announcers(
            config,
            storage.store,
            runtime.clock,
            runtime.reactor,
            seat=workers.slot,
            poll=storage.poll,
            jitter=runtime.random.random,
        )

    def waking(self, observers: Observers) -> Observers:
        """The same observers, with a journal that wakes the dispatchers."""
        if not self._announcers:
            return observers
        from mailstack.queue.webhooks.dispatcher import wake_on_steps  # noqa: PLC0415 - see above

        return replace(observers, journal=wake_on_steps(observers.journal, self._announcers))

    async def start(self) -> None:
        for announcer in self._announcers:
            await announcer.start()

    async def stop(self, patience: float) -> None:
        """Finish the requests in progress within `patience` seconds each."""
        stopped: list[Deferred[None]] = []
        for announcer in self._announcers:
            ended: Deferred[None] = Deferred()
            stopped.append(ended)
            announcer.stop(partial(ended.callback, None), patience)
        await gatherResults(stopped)
