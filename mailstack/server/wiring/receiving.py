"""Receiving rules (submission, MX, LMTP) of a configuration."""

from __future__ import annotations

from msgspec import Struct

from mailstack.accounts.authenticator import UserAccess
from mailstack.config import Config
from mailstack.net.resolver import DnsWithTimeout
from mailstack.policy.authentication import InThread
from mailstack.policy.authentication.signing import OutboundSigner
from mailstack.policy.counters import SharedCounters
from mailstack.policy.networks import parse_networks
from mailstack.policy.permissions import Ownership, Relaying, TrustedHops
from mailstack.policy.reverse_dns import ClientNames
from mailstack.protocols.smtp.priorities import Priorities
from mailstack.receiving.from_header import FromHeaderPolicy
from mailstack.receiving.intake import Intake
from mailstack.receiving.lmtp import LmtpRules
from mailstack.receiving.mx import MxRules
from mailstack.receiving.submission import SubmissionRules
from mailstack.server.delivery_pipeline import DeliveryPipeline
from mailstack.server.policies import account_policies, client_policies
from mailstack.server.runtime import Runtime, Storage
from mailstack.server.wiring.authentication import checks


class Receiving(Struct, frozen=True):
    """Rules of the three services that accept letters, above one acceptance step."""

    counter: Intake
    submission: SubmissionRules
    exchange: MxRules
    lmtp: LmtpRules


def make_receiving(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config,
    runtime: Runtime,
    storage: Storage,
    access: UserAccess,
    counters: SharedCounters,
    pipeline: DeliveryPipeline,
    signing: OutboundSigner,
    in_thread: InThread,
) -> Receiving:
    """Rules of all services. `signing` signs letters of users."""
    counter = Intake(
        config.hostname,
        pipeline.queue,
        storage.store,
        access.directory,
        hops=config.limits.hops,
        hide_client=config.submission.hide_client,
        quotas=pipeline.quotas,
        free_space=storage.free_space,
    )
    lookups = DnsWithTimeout(runtime.dns, runtime.reactor, config.policy.dns_timeout)
    settings = config.exchange
    hops = TrustedHops(parse_networks(settings.priority_from), Priorities(settings.min_priority, settings.max_priority))
    names = ClientNames(lookups, runtime.clock.steady, runtime.clock.spawn)
    exchange = MxRules(
        counter,
        Relaying(config.relay.relay_from),
        priorities=hops,
        policy_chain=client_policies(config, storage.store, runtime.clock, lookups, names, counters.rates),
        client_names=names if settings.reverse_dns else None,
        verification=checks(config, lookups, in_thread, runtime.clock.now, runtime.random.random),
        signing=signing if config.dkim.sign_relayed else None,
        owners=access.directory,
    )
    submission = _submission(config, runtime, access, counters, counter, lookups, signing)
    return Receiving(counter, submission, exchange, LmtpRules(counter, config.lmtp.lmtp_from, priorities=hops))


def _submission(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config,
    runtime: Runtime,
    access: UserAccess,
    counters: SharedCounters,
    counter: Intake,
    lookups: DnsWithTimeout,
    signing: OutboundSigner,
) -> SubmissionRules:
    settings, directory = config.submission, access.directory
    at_sender, at_recipient = account_policies(config, runtime.clock, lookups, counter.is_local, counters.rates)
    return SubmissionRules(
        counter,
        Ownership(directory) if settings.check_sender else None,
        priorities=Priorities(most=settings.max_priority),
        from_header_policy=FromHeaderPolicy(settings.broken_header, settings.check_from, directory),
        at_sender=at_sender,
        at_recipient=at_recipient,
        signing=signing,
        owners=directory,
        verp=settings.verp,
    )
