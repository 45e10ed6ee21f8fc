"""Relay agent: one attempt to deliver a letter to other hosts."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random, SystemRandom

from msgspec import Struct

from mailstack.letter import Deferred, Failed, Letter
from mailstack.letter.delivery import Delivery
from mailstack.letter.envelope import delimiters_of, is_unix_socket
from mailstack.protocols.connection import Clock, ConnectFailed, Connector
from mailstack.protocols.sasl.client import Derive, derive_here
from mailstack.protocols.smtp.client_session import SmtpSessionError, Timeouts
from mailstack.queue.attempt import Attempt, Interrupted, Interruptible, ProgressWatch
from mailstack.relay.connection_pool import ConnectionPool, DownLimits, HostBackoff
from mailstack.relay.hosts import (
    NAMES_UNAVAILABLE,
    DnsHostLimits,
    DnsResolver,
    Hosts,
    NoRoute,
    RouteTargets,
    TargetHost,
)
from mailstack.relay.mta_sts import MtaStsPolicies
from mailstack.relay.routing import OwnHost, Routing
from mailstack.relay.session_opener import Call, ConnectionLimits, SessionOpener
from mailstack.relay.tls_requirements import TlsRequest, TlsRequirementNotMet, TlsRequirements
from mailstack.relay.transactions import AttemptLimits, HostAttempt, RecipientProgress, Transactions, truncate_middle
from mailstack.relay.trouble import NO_ANSWER, all_hosts_trouble, clean, host_trouble
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.tls_results import SessionFailure, SessionResults


class RelayLimits(Struct, frozen=True):
    """Limits and times of one relay, by part."""

    attempt: AttemptLimits = AttemptLimits()
    """Limits of one attempt."""
    hosts: DnsHostLimits = DnsHostLimits()
    """Limits of hosts and addresses from the DNS."""
    connections: ConnectionLimits = ConnectionLimits()
    """Limits and times of connections."""
    backoff: DownLimits = DownLimits()
    """Times for which hosts that are down are not called."""
    timeouts: Timeouts = Timeouts()
    """Timeouts of replies."""


class PublishedTls(Struct, frozen=True):
    """Sources of published TLS policies, and the counter of TLS results."""

    dane: bool = False
    """Whether the resolver validates, so that TLSA records count (RFC 7672)."""
    sts: MtaStsPolicies | None = None
    """MTA-STS policies; None: they are ignored."""
    results: SessionResults | None = None
    """Counts for TLS reports (RFC 8460); None: no reports are sent."""


_ROUTING, _NOTHING_PUBLISHED, _LIMITS = Routing(), PublishedTls(), RelayLimits()


class RelayAgent:
    """Delivers letters to other hosts. An error is an Outcome, never an exception (`mailstack.relay.trouble`)."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        resolver: DnsResolver,
        connector: Connector,
        clock: Clock,
        own: OwnHost,
        routing: Routing = _ROUTING,
        published: PublishedTls = _NOTHING_PUBLISHED,
        limits: RelayLimits = _LIMITS,
        random: Random | None = None,
        derive: Derive = derive_here,
    ) -> None:
        """`random` shuffles equal hosts. `derive` computes the SCRAM keys."""
        self._hosts = Hosts(resolver, random or SystemRandom(), own, routing, limits.hosts)
        self._tls_requirements = TlsRequirements(resolver, dane=published.dane, sts=published.sts)
        name = own.ehlo_name or own.hostname
        opener = SessionOpener(connector, clock, name, limits.connections, limits.timeouts, derive, published.results)
        self._connections = ConnectionPool(opener, clock, limits.connections, HostBackoff(clock, limits.backoff))
        self._transactions = Transactions(self._connections, clock, limits.attempt)
        self._results = published.results
        self._clock = clock
        self._limits = limits.attempt

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch | None = None, /
    ) -> Attempt:
        """Attempts once; all deliveries share one `key`. Raises Interrupted."""
        if watch is None:
            return await self._deliver(letter, deliveries, ProgressWatch())
        watch.work = work = Interruptible(self._deliver(letter, deliveries, watch))
        try:
            return await work
        finally:
            watch.work = None

    async def _deliver(self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch) -> Attempt:
        destination = deliveries[0].destination
        try:
            targets = await self._hosts.find(destination, letter.envelope.sender)
        except NoRoute as none:
            return Attempt((none.outcome,) * len(deliveries))
        except Interrupted as interrupted:
            if interrupted.put_back:
                raise
            outcome = Deferred(NAMES_UNAVAILABLE, clean(f"{destination}: the DNS gave no answer: {interrupted}"))
            return Attempt((outcome,) * len(deliveries))
        return await self._try_hosts(targets, letter, deliveries, watch)

    def key(self, letter: Letter, destination: str) -> str:
        """Key of letters that go to the same hosts; these share transactions, connections and limits."""
        return self._hosts.key(destination, letter.envelope.sender)

    def key_of(self, destination: str) -> str | None:
        """Key of a destination; None if it depends on the sender."""
        return self._hosts.key_of(destination)

    def delay_reasons(self, limit: int) -> list[DelayReason]:
        """Delay reasons of at most `limit` hosts in back-off."""
        return self._connections.delay_reasons(limit)

    async def close(self) -> None:
        """Sends QUIT on idle connections, and closes them."""
        await self._connections.close()

    async def _try_hosts(
        self, targets: RouteTargets, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch
    ) -> Attempt:
        recipients = tuple([delivery.recipient for delivery in deliveries])
        retry_requested = bool([one for one in deliveries if one.retry_requested])
        is_retry = deliveries[0].attempts > 1
        transcript: list[str] = []
        failures: list[Deferred | Failed] = []
        candidate, tls_request, security = targets.candidates[0], TlsRequest(letter), targets.security
        end_at = self._clock.steady() + self._limits.seconds
        reached: bool | None = False
        domain = recipients[0].address.ascii_domain.lower()
        counted_domain = targets.domain if targets.published and targets.domain else ""
        for candidate in targets.candidates:
            if failures and self._clock.steady() >= end_at:
                break
            watch.step()
            watch.session = None
            try:
                security = await self._tls_requirements.policy_for(targets, candidate, tls_request)
                # A reverse-path for each recipient needs a transaction for each.
                limit = self._limits.recipients if delimiters_of(letter.envelope) is None else 1
                progress = RecipientProgress(candidate.host, len(recipients), limit)
                under_tls = tls_request.requires_tls and not is_unix_socket(candidate.host)
                has_alternative = candidate is not targets.candidates[-1] and self._has_another_address(
                    targets, candidate
                )
                call = Call(candidate, security, transcript, counted_domain, has_alternative, watch)
                attempt = HostAttempt(call, under_tls, letter, recipients, domain, retry_requested, progress, watch)
                handover = await self._transactions.run(attempt)
            except TlsRequirementNotMet as refused:
                transcript.append(f"-- {candidate}: {clean(str(refused))}")
                failures.append(refused.outcome)
                reached = None
                self._count_refused(targets, candidate, refused)
                continue
            except (ConnectFailed, SmtpSessionError) as error:
                failures.append(host_trouble(candidate.host, error, must_be_tls=tls_request.requires_tls))
                continue
            except Interrupted as interrupted:
                if interrupted.put_back:
                    raise
                transcript.append(f"-- {candidate}: {interrupted}")
                failures.append(Deferred(NO_ANSWER, clean(f"{candidate.host}: {interrupted}"), candidate.host))
                continue
            facts = {**handover.facts, "policy": str(security)}
            history = targets.facts(candidate), self._limited(transcript, is_retry=is_retry), facts
            return Attempt(handover.outcomes, *history, reached=not handover.connection_lost)
        outcomes = (all_hosts_trouble(failures),) * len(recipients)
        facts = {"host": candidate.host, "policy": str(security)}
        return Attempt(outcomes, targets.facts(candidate), self._limited(transcript, is_retry=is_retry), facts, reached)

    def _has_another_address(self, targets: RouteTargets, candidate: TargetHost) -> bool:
        """Whether the host has another address that is tried next."""
        after = targets.candidates[targets.candidates.index(candidate) + 1 :]
        return any(each.host == candidate.host and not self._connections.is_down(each.address) for each in after)

    def _count_refused(self, targets: RouteTargets, candidate: TargetHost, refused: TlsRequirementNotMet) -> None:
        """Counts a host that the published policy forbids as a failed session (RFC 8460 §4.3.2)."""
        if self._results is not None and targets.domain is not None and refused.published is not None:
            failure = SessionFailure(
                refused.fault, "", candidate.host, candidate.address.host, clean(refused.outcome.text)
            )
            self._results.count(targets.domain, refused.published, failure)

    def _limited(self, transcript: Sequence[str], *, is_retry: bool) -> tuple[str, ...]:
        return truncate_middle(
            transcript,
            self._limits.dialogue,
            self._limits.dialogue_size_of_retry if is_retry else self._limits.dialogue_size,
        )
