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
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.queue.attempt import Attempt
from mailstack.queue.progress_watch import Interrupted, Interruptible, ProgressWatch
from mailstack.relay.connection_pool import ConnectionPool
from mailstack.relay.dns import DnsResolver
from mailstack.relay.host_backoff import HostBackoff
from mailstack.relay.hosts import NAMES_UNAVAILABLE, Hosts, NoRoute, RouteTargets, TargetHost
from mailstack.relay.limits import RelayLimits
from mailstack.relay.mta_sts import MtaStsPolicies
from mailstack.relay.routing import OwnHost, Routing
from mailstack.relay.session_opener import Call, SessionOpener
from mailstack.relay.tls_requirements import TlsRequest, TlsRequirementNotMet, TlsRequirements
from mailstack.relay.transactions import HostAttempt, RecipientProgress, Transactions, truncate_middle
from mailstack.relay.trouble import NO_ANSWER, all_hosts_trouble, clean, host_trouble
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.tls_results import SessionFailure, SessionResults


class PublishedTls(Struct, frozen=True):
    """Sources of what domains publish about their TLS, and the reports on it."""

    dane: bool = False
    """Whether the names come from a resolver that validates, so that TLSA records count (RFC 7672)."""
    sts: MtaStsPolicies | None = None
    """MTA-STS policies; None: they are not asked for."""
    results: SessionResults | None = None
    """Counts for TLS reports (RFC 8460); None: no reports are sent."""


_ROUTING, _NOTHING_PUBLISHED, _LIMITS = Routing(), PublishedTls(), RelayLimits()


class RelayAgent:
    """Delivers letters to other hosts. An error is an Outcome, never an exception (`mailstack.relay.trouble`)."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        names: DnsResolver,
        caller: Connector,
        clock: Clock,
        own: OwnHost,
        routing: Routing = _ROUTING,
        published: PublishedTls = _NOTHING_PUBLISHED,
        limits: RelayLimits = _LIMITS,
        random: Random | None = None,
        derive: Derive = derive_here,
    ) -> None:
        """`random` shuffles equal hosts. `derive` computes what SCRAM needs."""
        self._hosts = Hosts(names, random or SystemRandom(), own, routing, limits.hosts)
        self._demands = TlsRequirements(names, dane=published.dane, sts=published.sts)
        name = own.ehlo_name or own.hostname
        opener = SessionOpener(caller, clock, name, limits.connections, limits.timeouts, derive, published.results)
        self._connections = ConnectionPool(opener, clock, limits.connections, HostBackoff(clock, limits.down))
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
        """The same, which may be interrupted."""
        destination = deliveries[0].destination
        try:
            way = await self._hosts.find(destination, letter.envelope.sender)
        except NoRoute as none:
            return Attempt((none.outcome,) * len(deliveries))
        except Interrupted as interrupted:
            if interrupted.put_back:
                raise
            outcome = Deferred(NAMES_UNAVAILABLE, clean(f"{destination}: the DNS gave no answer: {interrupted}"))
            return Attempt((outcome,) * len(deliveries))
        return await self._try_hosts(way, letter, deliveries, watch)

    def key(self, letter: Letter, destination: str) -> str:
        """Key of letters that go to the same hosts; these share transactions, connections and limits."""
        return self._hosts.key(destination, letter.envelope.sender)

    def key_of(self, destination: str) -> str | None:
        """The key of a destination alone; None if it depends on the sender of a letter."""
        return self._hosts.key_of(destination)

    def conditions(self, most: int) -> list[DelayReason]:
        """Delay reasons: the hosts that are down."""
        return self._connections.down(most)

    async def close(self) -> None:
        """Sends QUIT on idle connections, and closes them."""
        await self._connections.close()

    async def _try_hosts(
        self, way: RouteTargets, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch
    ) -> Attempt:
        recipients = tuple([delivery.recipient for delivery in deliveries])
        hurried = bool([one for one in deliveries if one.is_hurried])
        again = deliveries[0].attempts > 1
        transcript: list[str] = []
        failures: list[Deferred | Failed] = []
        candidate, wishes, security = way.candidates[0], TlsRequest(letter), way.security
        late = self._clock.steady() + self._limits.seconds
        reached: bool | None = False
        domain = recipients[0].address.ascii_domain.lower()
        counted_for = way.domain if way.published and way.domain else ""
        for candidate in way.candidates:
            if failures and self._clock.steady() >= late:
                break
            watch.step()
            watch.session = None
            try:
                security = await self._demands.of(way, candidate, wishes)
                # A reverse-path for each recipient needs a transaction for each.
                most = self._limits.recipients if delimiters_of(letter.envelope) is None else 1
                progress = RecipientProgress(candidate.host, len(recipients), most)
                under_tls = wishes.requires_tls and not is_unix_socket(candidate.host)
                hasty = candidate is not way.candidates[-1] and self._has_another_address(way, candidate)
                call = Call(candidate, security, transcript, counted_for, hasty, watch)
                go = HostAttempt(call, under_tls, letter, recipients, domain, hurried, progress, watch)
                handover = await self._transactions.run(go)
            except TlsRequirementNotMet as refused:
                transcript.append(f"-- {candidate}: {clean(str(refused))}")
                failures.append(refused.outcome)
                reached = None
                self._count_refused(way, candidate, refused)
                continue
            except (ConnectFailed, SmtpSessionError) as trouble:
                failures.append(host_trouble(candidate.host, trouble, must_be_tls=wishes.requires_tls))
                continue
            except Interrupted as interrupted:
                if interrupted.put_back:
                    raise
                transcript.append(f"-- {candidate}: {interrupted}")
                failures.append(Deferred(NO_ANSWER, clean(f"{candidate.host}: {interrupted}"), candidate.host))
                continue
            facts = {**handover.facts, "policy": str(security)}
            history = way.facts(candidate), self._kept(transcript, again=again), facts
            return Attempt(handover.outcomes, *history, reached=not handover.lost)
        outcomes = (all_hosts_trouble(failures),) * len(recipients)
        facts = {"host": candidate.host, "policy": str(security)}
        return Attempt(outcomes, way.facts(candidate), self._kept(transcript, again=again), facts, reached)

    def _has_another_address(self, way: RouteTargets, candidate: TargetHost) -> bool:
        """Whether the host has another address that is tried next."""
        after = way.candidates[way.candidates.index(candidate) + 1 :]
        return any(each.host == candidate.host and not self._connections.is_down(each.address) for each in after)

    def _count_refused(self, way: RouteTargets, candidate: TargetHost, refused: TlsRequirementNotMet) -> None:
        """Counts a host that the published policy forbids as a failed session (RFC 8460 §4.3.2)."""
        if self._results is not None and way.domain is not None and refused.published is not None:
            failure = SessionFailure(
                refused.fault, "", candidate.host, candidate.address.host, clean(refused.outcome.text)
            )
            self._results.count(way.domain, refused.published, failure)

    def _kept(self, transcript: Sequence[str], *, again: bool) -> tuple[str, ...]:
        return truncate_middle(
            transcript,
            self._limits.dialogue,
            self._limits.dialogue_size_again if again else self._limits.dialogue_size,
        )
