"""Receiving rules of a configuration: policies, submission, MX, LMTP, signatures, verification."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from mailstack.accounts.authenticator import UserAccess
from mailstack.config import Config, ConfigError
from mailstack.config.derived import signing_keys
from mailstack.letter import Address
from mailstack.net.resolver import DnsWithTimeout
from mailstack.net.scheduler import gather
from mailstack.policy.authentication import InThread
from mailstack.policy.authentication.dkim import OutboundSigner, Signer, SigningKey
from mailstack.policy.authentication.keys import InvalidKey
from mailstack.policy.chain import ClientPolicy, PolicyChain, RecipientPolicy, SenderPolicy
from mailstack.policy.counters import CounterTable, SharedCounters
from mailstack.policy.dns_checks import (
    ClientNames,
    DnsBlockLists,
    Lookups,
    RecipientDomain,
    ReverseDnsRequired,
    SenderDomain,
)
from mailstack.policy.greylist import Greylist, GreylistTimes
from mailstack.policy.limits import Rates
from mailstack.policy.networks import BlockList, parse_networks
from mailstack.policy.permissions import AllowedDomains, Ownership, Relaying, TrustedHops
from mailstack.protocols.connection import Clock
from mailstack.protocols.smtp.receiving_rules import Priorities
from mailstack.receiving.intake import Intake
from mailstack.receiving.mx import LmtpRules, MxRules
from mailstack.receiving.submission import FromHeaderPolicy, SubmissionRules
from mailstack.receiving.verification import SenderVerification, VerificationPolicy
from mailstack.server.delivery_pipeline import DeliveryPipeline
from mailstack.server.runtime import Runtime, Storage
from mailstack.store import Store


def client_policies(  # noqa: PLR0917  # collaborators, each of a type of its own
    config: Config, store: Store, clock: Clock, lookups: Lookups, names: ClientNames, table: CounterTable
) -> PolicyChain:
    """Chain for the MX: cheap policies first, greylisting last, for clients that pass all other policies."""
    policy, exchange = config.policy, config.exchange
    at_connection: list[ClientPolicy] = []
    at_sender: list[SenderPolicy] = []
    at_recipient: list[RecipientPolicy] = []
    if policy.block:
        block = BlockList(policy.block, lambda client: names.resolve(client.remote.host))
        if policy.refuse_at == "connection" and block.networks:
            at_connection.append(block.at_connection)
        at_recipient.append(block.at_recipient)
    if exchange.letters_per_hour or exchange.recipients_per_hour:
        rates = Rates(
            clock.steady, exchange.letters_per_hour, exchange.recipients_per_hour, table=table, service="exchange"
        )
        at_sender.append(rates.at_sender)
        at_recipient.append(rates.at_recipient)
    if policy.dnsbl:
        lists = DnsBlockLists(policy.dnsbl, lookups, clock.steady)
        if policy.refuse_at == "connection":
            at_connection.append(lists.at_connection)
        else:
            at_recipient.append(lists.at_recipient)
    if policy.sender_domain:
        at_sender.append(SenderDomain(lookups).at_sender)
    if policy.client_name:
        at_recipient.append(ReverseDnsRequired(lookups).at_recipient)
    if policy.greylist.enabled:
        times = policy.greylist
        greylist_times = GreylistTimes(times.delay, times.retry, times.keep)
        greylist = Greylist(store.greylist, clock.now, greylist_times, max_entries=times.max_entries)
        at_recipient.append(greylist.at_recipient)
    friends = parse_networks((*config.relay.relay_from, *policy.allow))
    return PolicyChain(friends, tuple(at_connection), tuple(at_sender), tuple(at_recipient))


def account_policies(
    config: Config, clock: Clock, lookups: Lookups, is_local: Callable[[Address], bool], table: CounterTable
) -> tuple[tuple[SenderPolicy, ...], tuple[RecipientPolicy, ...]]:
    """Policies of submission for a sender and for a recipient (RFC 6409 §3.2, §6.2)."""
    settings, relay = config.submission, config.relay
    at_sender: list[SenderPolicy] = []
    at_recipient: list[RecipientPolicy] = []
    if settings.letters_per_hour or settings.recipients_per_hour:
        rates = Rates(
            clock.steady, settings.letters_per_hour, settings.recipients_per_hour, table=table, service="submission"
        )
        at_sender.append(rates.at_sender)
        at_recipient.append(rates.at_recipient)
    if relay.allowed_domains and relay.when_not_allowed == "refuse":
        at_recipient.append(AllowedDomains(relay.allowed_domains, is_local).at_recipient)
    # A smart host resolves domains by its own DNS.
    if settings.recipient_domain and not relay.smart_host:
        domains = RecipientDomain(lookups, lambda to: not is_local(to) and relay.routes.find(to.domain) is None)
        at_recipient.append(domains.at_recipient)
    return tuple(at_sender), tuple(at_recipient)


def signer(config: Config, keys: Sequence[SigningKey], in_thread: InThread, now: Callable[[], float]) -> Signer | None:
    """Signer of outbound letters. None: no keys."""
    if not keys:
        return None
    return Signer(keys, in_thread, now, signed=config.dkim.headers, oversigned=config.dkim.oversign)


def checks(
    config: Config, lookups: Lookups, in_thread: InThread, now: Callable[[], float], chance: Callable[[], float]
) -> SenderVerification | None:
    """Verification of inbound letters. None: all checks are off. `chance` returns numbers in [0, 1)."""
    settings = config.authentication
    if not (settings.spf or settings.dkim or settings.dmarc or settings.arc):
        return None
    demands = VerificationPolicy(
        spf=settings.spf,
        dkim=settings.dkim,
        dmarc=settings.dmarc,
        arc=settings.arc,
        trusted=parse_networks(settings.trusted),
        spf_fail=settings.spf_fail,
        dkim_fail=settings.dkim_fail,
        dmarc_reject=settings.dmarc_reject,
        malformed_from=settings.malformed_from,
        temperror=settings.temperror,
        trusted_sealers=frozenset(settings.trusted_sealers),
        signatures=settings.signatures,
    )
    return SenderVerification(
        config.hostname, lookups, in_thread, now, demands, gather=gather, timeout=settings.timeout, chance=chance
    )


_log = logging.getLogger(__name__)


def reload_keys(
    reactor: Any, load: Callable[[], Config], use: Callable[[Config, tuple[SigningKey, ...]], None]
) -> None:
    """Read configuration and keys in a thread, and call `use` with them; log an error if they are invalid."""

    def read() -> tuple[Config, tuple[SigningKey, ...]]:
        config = load()
        return config, signing_keys(config)

    def on_keys(found: tuple[Config, tuple[SigningKey, ...]]) -> None:
        config, keys = found
        use(config, keys)
        _log.info("messages are signed with %s", ", ".join(key.selector for key in keys) or "no key")

    def on_error(failure: Failure) -> None:
        if failure.check(ConfigError, InvalidKey):
            _log.error("%s; messages are signed as before", failure.getErrorMessage())
        else:
            _log.error("the keys could not be read, messages are signed as before: %s", failure.getTraceback())

    deferToThreadPool(reactor, reactor.getThreadPool(), read).addCallbacks(on_keys, on_error)


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
        priorities=Priorities(max_priority=settings.max_priority),
        from_header_policy=FromHeaderPolicy(settings.broken_header, settings.check_from, directory),
        at_sender=at_sender,
        at_recipient=at_recipient,
        signing=signing,
        owners=directory,
        verp=settings.verp,
    )
