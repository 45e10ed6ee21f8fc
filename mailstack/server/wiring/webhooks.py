"""Webhook dispatchers of a configuration, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults

from mailstack.config.derived import WorkerSlot
from mailstack.config.mail_sections import WebhookSettings
from mailstack.config.model import Config
from mailstack.net.client_tls import ClientTls
from mailstack.net.http_client import HttpClient
from mailstack.protocols.connection import Clock
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.webhooks.dispatcher import DispatcherLimits, OutboxDispatcher
from mailstack.queue.webhooks.webhook import MAX_OCTETS, BadSecret, WebhookSink, is_subscribed, no_secrets, read_secrets
from mailstack.server.runtime import Observers, Runtime, Storage, WorkerResources
from mailstack.store import Store

if TYPE_CHECKING:
    from mailstack.queue.webhooks.dispatcher import OutboxDispatcher


_MARGIN = 60.0
"""Seconds by which a claim outlives its request, for writes to the store."""


def subscribe(config: Config, store: Store) -> None:
    """Subscribe the webhooks in the store, in every process that writes steps of this server."""
    for each in config.webhooks:
        store.outbox.subscribe(target_of(each), partial(is_subscribed, events=frozenset(each.events)))


def announcers(
    config: Config,
    store: Store,
    clock: Clock,
    reactor: Any,
    *,
    slot: WorkerSlot,
    poll: float,
    jitter: Callable[[], float],
) -> list[OutboxDispatcher]:
    """Dispatchers, one for each webhook. `poll` is in seconds; `jitter` returns numbers in [0, 1)."""
    return [
        OutboxDispatcher(
            store.outbox,
            clock,
            webhook_sink(each, store, clock, reactor),
            target=target_of(each),
            owner=slot.owner(config.hostname),
            schedule=RetrySchedule(each.first, each.longest, 0, each.give_up_after),
            limits=DispatcherLimits(
                in_flight=max(1, slot.share(each.in_flight)), lease=each.timeout + _MARGIN, poll=poll
            ),
            jitter=jitter,
        )
        for each in config.webhooks
    ]


def webhook_sink(settings: WebhookSettings, store: Store, clock: Clock, reactor: Any) -> WebhookSink:
    """One of them."""
    poster = HttpClient(reactor, ClientTls(settings.ca_file), timeout=settings.timeout, connections=settings.in_flight)
    return WebhookSink(
        store,
        poster,
        clock,
        settings.url,
        events=frozenset(settings.events),
        senders=settings.senders,
        secrets=no_secrets if settings.secret_file is None else partial(secrets_in, settings.secret_file),
    )


def secrets_in(file: Path) -> Sequence[bytes]:
    """The secrets of a file. Raises BadSecret, OSError."""
    with file.open("rb") as opened:
        octets = opened.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise BadSecret(f"{file} is no file of secrets: it has more than {MAX_OCTETS} octets")
    return read_secrets(octets.decode("utf-8", "replace"))


def target_of(settings: WebhookSettings) -> str:
    """Target name of its outbox entries."""
    return f"webhook {settings.name}"


class WebhookDispatch:
    """Must be created before the store is opened, because the store queues entries from then on."""

    def __init__(self, config: Config, runtime: Runtime, storage: Storage, workers: WorkerResources) -> None:
        self._announcers: Sequence[OutboxDispatcher] = ()
        if not config.webhooks:
            return
        # Only a server with webhooks loads them.

        subscribe(config, storage.store)
        self._announcers = announcers(
            config,
            storage.store,
            runtime.clock,
            runtime.reactor,
            slot=workers.slot,
            poll=storage.poll,
            jitter=runtime.random.random,
        )

    def wrap_observers(self, observers: Observers) -> Observers:
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
