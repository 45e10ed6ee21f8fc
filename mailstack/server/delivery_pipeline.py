"""Delivery pipeline of a server: queue, relay, local delivery, and pruning of its history."""

from __future__ import annotations

import logging
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from mailstack.accounts.directory import Directory
from mailstack.config import Config
from mailstack.config.derived import WorkerSlot, tls_reports_enabled
from mailstack.letter import Address
from mailstack.letter.delivery import Journal
from mailstack.letter.envelope import HostPort
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.net.clock import PeriodicTask, ReactorClock
from mailstack.net.thread_pool import derive_in_thread
from mailstack.policy.authentication.dkim import OutboundSigner
from mailstack.policy.limits import Quotas
from mailstack.queue.attempt import Agents
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.outbound_gate import OutboundGate, OutboundRules
from mailstack.queue.queue import Queue
from mailstack.queue.recipient_routes import Router
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.settings import QueueLimits, QueueSettings
from mailstack.relay.agent import PublishedTls, RelayAgent, RelayLimits
from mailstack.relay.connection_pool import DownLimits
from mailstack.relay.mta_sts import MtaStsPolicies
from mailstack.relay.routing import OwnHost
from mailstack.relay.session_opener import ConnectionLimits
from mailstack.relay.transactions import AttemptLimits
from mailstack.server.runtime import Runtime, Storage
from mailstack.server.wiring.runtime import routing_of
from mailstack.store import Store, StoreError

if TYPE_CHECKING:
    from mailstack.relay.tls_reports.reporter import Collector, Reporter


class DeliveryPipeline:
    """Delivery pipeline of one server: `queue` accepts letters, and delivers them by `relay` or into mailboxes."""

    def __init__(  # noqa: PLR0917  # dependencies, each of a type of its own
        self,
        config: Config,
        runtime: Runtime,
        storage: Storage,
        directory: Directory,
        journal: Journal,
        slot: WorkerSlot,
        signing: OutboundSigner,
        is_ours: Callable[[HostPort], bool],
    ) -> None:
        """`signing` signs the server's own letters. `is_ours` returns whether an address is the server's own, never
        relayed to.
        """
        clock, store = runtime.clock, storage.store
        name = config.hostname
        self.collector = _collector(config, store, clock)
        self.relay = _relay(config, runtime, storage, self.collector, is_ours)
        full = config.delivery.mailbox_full == "permanent"
        self.quotas = Quotas(store, default=config.delivery.quota, permanent=full)
        found = config.delivery
        by_name, junk = found.subaddress and found.subaddress_folders, found.junk_folder
        local = DeliveryAgent(directory, name, clock, self.quotas, store.folders, by_name=by_name, by_verdict=junk)
        holds = config.relay.when_not_allowed == "hold"
        hold_rules = HoldRules(store, allowed_domains=config.relay.allowed_domains if holds else ())
        gate = OutboundGate(self.relay, store, hold_rules, directory, name, clock, _outbound_rules(config))
        router = Router(directory)
        bouncer = Bouncer(router, name, max_returned=config.limits.report_size, signing=signing)
        settings = _queue_settings(config, storage.poll, slot, runtime.random)
        agents = Agents(local, gate, self.relay)
        self.queue = Queue(store, router, bouncer, agents, hold_rules, clock, journal, settings)
        self.reporter: Reporter | None = None
        if self.collector is not None and slot.is_primary:
            # Only a server that sends reports loads it.
            from mailstack.server.wiring.tls_reports import reporter  # noqa: PLC0415

            self.reporter = reporter(
                config, store, clock, runtime.reactor, runtime.dns, self.queue, signing, settings.owner
            )


def _collector(config: Config, store: Store, clock: ReactorClock) -> Collector | None:
    """Counter for TLS reports. None: the server sends none."""
    if not tls_reports_enabled(config):
        return None
    # Only a server that sends reports loads it.
    from mailstack.server.wiring.tls_reports import collector  # noqa: PLC0415

    return collector(config, store, clock)


def _relay(
    config: Config, runtime: Runtime, storage: Storage, collector: Collector | None, is_ours: Callable[[HostPort], bool]
) -> RelayAgent:
    policies = None
    if runtime.policies is not None and config.relay.mta_sts:
        policies = MtaStsPolicies(runtime.dns, runtime.policies, storage.policy_shelf, runtime.clock)
    return RelayAgent(
        runtime.dns,
        runtime.network,
        runtime.clock,
        OwnHost(config.hostname, config.relay.ehlo_name, is_ours),
        routing_of(config),
        PublishedTls(config.relay.dane, policies, collector),
        _relay_limits(config),
        runtime.random,
        derive_in_thread(runtime.reactor, runtime.clock),
    )


def _outbound_rules(config: Config) -> OutboundRules:
    relay = config.relay
    allowed_domains = () if relay.when_not_allowed == "hold" else relay.allowed_domains
    return OutboundRules(allowed_domains, relay.when_not_allowed, relay.capture_to, relay.suppress_bounced)


def _queue_settings(config: Config, poll: float, slot: WorkerSlot, random: Random) -> QueueSettings:
    waits, relay = config.relay.schedule, config.relay
    limits = QueueLimits(
        concurrency=slot.share(relay.concurrency),
        per_destination=slot.share(relay.per_destination),
        first_per_destination=max(1, slot.share(relay.first_per_destination)),
        poll=poll,
        silent_time=relay.silent_time,
    )
    return QueueSettings(
        config.hostname,
        slot.owner(config.hostname),
        RetrySchedule(waits.first, waits.longest, waits.warn_after, waits.give_up_after),
        limits,
        tuple(slot.stale_owners(config.hostname)),
        _postmaster(config),
        random.random,
    )


def _relay_limits(config: Config) -> RelayLimits:
    relay, waits = config.relay, config.relay.schedule
    # A letter that finds a host down comes back after the host is called again, however short the schedule is.
    down = DownLimits(
        min(relay.host_backoff_first, waits.first / 2), min(relay.host_backoff_longest, waits.longest / 2)
    )
    return RelayLimits(
        attempt=AttemptLimits(recipients=relay.max_recipients),
        connections=ConnectionLimits(letters=relay.letters_per_connection),
        backoff=down,
    )


def _postmaster(config: Config) -> Address | None:
    """Recipient of undeliverable reports."""
    if config.delivery.undeliverable_reports == "drop":
        return None
    return Address("postmaster", config.domains[0] if config.domains else "")


_log = logging.getLogger(__name__)

INTERVAL = 3600.0
"""Seconds between two runs."""
MIN_INTERVAL = 30.0
"""Minimum seconds between two purges of removed messages."""


class HistoryPruner:
    """Hourly deletion of old histories, outbox entries and greylist entries."""

    def __init__(self, config: Config, store: Store, clock: ReactorClock) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._repeating = PeriodicTask(clock, self._prune)
        self._purging = PeriodicTask(clock, self._purge_removed)

    def start(self) -> None:
        self._repeating.start(INTERVAL)
        self._purging.start(max(MIN_INTERVAL, self._config.imap.expunge_grace / 2))

    def stop(self) -> None:
        self._repeating.stop()
        self._purging.stop()

    async def _purge_removed(self) -> None:
        """Deletes removed messages before they reach the longest time that they are kept."""
        before = self._clock.now() - self._config.imap.expunge_grace / 2
        try:
            await self._store.mailboxes.purge_removed(before)
        except StoreError as error:
            _log.error("cannot delete removed messages: %s", error)

    async def _prune(self) -> None:
        config, store, now = self._config, self._store, self._clock.now()
        before = now - config.journey.keep
        try:
            await store.history.prune(config.hostname, before=before)
            # Entries of webhooks that are no longer configured.
            await store.outbox.purge(None, before)
            if config.policy.greylist.enabled:
                await store.greylist.purge(now, config.policy.greylist.max_entries)
            await store.contents.sweep()
        except StoreError as error:
            _log.error("cannot delete old histories: %s", error)  # no bug
