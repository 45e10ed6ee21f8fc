"""What carries letters once they are ours: the queue, the relay and the way into mailboxes, wired together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mailstack.config import Config
from mailstack.config.tls_report_settings import are_sent
from mailstack.letter import Address
from mailstack.letter.connection import HostPort
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.net.clock import ReactorClock
from mailstack.net.scram_derivation import derive_in_thread
from mailstack.net.service_ports import leads_to
from mailstack.policy.authentication.outbound_signing import OutboundSigner
from mailstack.policy.quota import Quotas
from mailstack.queue.attempt import Agents
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.outbound_gate import OutboundGate, OutboundRules
from mailstack.queue.queue import Queue
from mailstack.queue.route import Router
from mailstack.queue.schedule import Schedule
from mailstack.queue.settings import QueueLimits, QueueSettings
from mailstack.relay.agent import PublishedTls, RelayAgent
from mailstack.relay.host_backoff import DownLimits
from mailstack.relay.limits import AttemptLimits, RelayLimits
from mailstack.relay.mta_sts import MtaSts
from mailstack.relay.routing import OwnHost
from mailstack.relay.session_opener import ConnectionLimits
from mailstack.server.runtime import Surroundings
from mailstack.server.wiring.routing import routing_of

if TYPE_CHECKING:
    from mailstack.relay.tls_reports.collector import Collector
    from mailstack.relay.tls_reports.reporter import Reporter


class DeliveryPipeline:
    """One office's stations behind the counter: `queue` takes letters and has `relay` and the mailboxes carry them."""

    def __init__(
        self,
        config: Config,
        around: Surroundings,
        clock: ReactorClock,
        addresses: Callable[[], list[HostPort]],
        signing: OutboundSigner,
    ) -> None:
        """`addresses` gives where the office listens: a letter is never relayed to ourselves.

        `signing` signs what leaves in our name.
        """
        router = Router(around.directory)
        self.collector: Collector | None = None
        self.reporter: Reporter | None = None
        if are_sent(config):
            # Only an office that reports pays for it.
            from mailstack.server.wiring.tls_reports import collector  # noqa: PLC0415

            self.collector = collector(config, around.store, clock)
        self.relay = RelayAgent(
            around.names,
            around.caller,
            clock,
            OwnHost(config.hostname, config.relay.ehlo_name, lambda where: leads_to(where, addresses())),
            routing_of(config),
            PublishedTls(config.relay.dane, _sts(config, around, clock), self.collector),
            _relay_limits(config),
            around.random,
            derive_in_thread(around.reactor, clock),
        )
        self.quotas = _quotas(config, around)
        local = DeliveryAgent(around.directory, config.hostname, clock, self.quotas)
        outward = config.relay
        standing = HoldRules(
            around.store, allowed_domains=outward.allowed_domains if outward.when_not_allowed == "hold" else ()
        )
        leaving = OutboundRules(
            () if outward.when_not_allowed == "hold" else outward.allowed_domains,
            outward.when_not_allowed,
            outward.capture_to,
            outward.suppress_bounced,
        )
        gate = OutboundGate(self.relay, around.store, standing, around.directory, config.hostname, clock, leaving)
        agents = Agents(local, gate, self.relay)
        bouncer = Bouncer(router, config.hostname, most_returned=config.limits.report_size, signing=signing)
        settings = _queue_settings(config, around)
        self.queue = Queue(around.store, router, bouncer, agents, standing, clock, around.journal, settings)
        if self.collector is not None and around.seat.keeps_house:
            from mailstack.server.wiring.tls_reports import reporter  # noqa: PLC0415

            self.reporter = reporter(
                config, around.store, clock, around.reactor, around.names, self.queue, signing, settings.owner
            )


def _queue_settings(config: Config, around: Surroundings) -> QueueSettings:
    waits, relay, seat = config.relay.schedule, config.relay, around.seat
    limits = QueueLimits(
        concurrency=seat.share(relay.concurrency),
        per_destination=seat.share(relay.per_destination),
        first_per_destination=max(1, seat.share(relay.first_per_destination)),
        poll=around.poll,
        silent_time=relay.silent_time,
    )
    return QueueSettings(
        config.hostname,
        seat.owner(config.hostname),
        Schedule(waits.first, waits.longest, waits.warn_after, waits.give_up_after),
        limits,
        tuple(seat.left_behind(config.hostname)),
        _postmaster(config),
        around.random.random,
    )


def _quotas(config: Config, around: Surroundings) -> Quotas:
    full = config.delivery.mailbox_full == "permanent"
    return Quotas(around.store, default=config.delivery.quota, permanent=full)


def _sts(config: Config, around: Surroundings, clock: ReactorClock) -> MtaSts | None:
    if around.policies is None or not config.relay.mta_sts:
        return None
    return MtaSts(around.names, around.policies, around.shelf, clock)


def _relay_limits(config: Config) -> RelayLimits:
    relay, waits = config.relay, config.relay.schedule
    # A letter that finds a host down comes back after the host is called again, however short the schedule is.
    down = DownLimits(
        min(relay.host_backoff_first, waits.first / 2), min(relay.host_backoff_longest, waits.longest / 2)
    )
    return RelayLimits(
        attempt=AttemptLimits(recipients=relay.max_recipients),
        connections=ConnectionLimits(letters=relay.letters_per_connection),
        down=down,
    )


def _postmaster(config: Config) -> Address | None:
    """Who hears of reports that can't be delivered."""
    if config.delivery.undeliverable_reports == "drop":
        return None
    return Address("postmaster", config.domains[0] if config.domains else "")
