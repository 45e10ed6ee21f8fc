"""One attempt to carry a letter to the hosts that answer for its destination: the relay's queue Agent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random, SystemRandom
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import Deferred, Envelope, Failed, Letter, Outcome, Recipient, Status
from mailstack.letter.connection import HostPort, is_unix_socket
from mailstack.letter.delivery import Delivery
from mailstack.letter.time_parameters import BY, HOLDFOR, HOLDUNTIL, NORMAL, PRIORITY, deadline, said_priority
from mailstack.letter.verp import XVERP, delimiters_of, sender_for
from mailstack.protocols.connection import Clock, ConnectFailed, Connector
from mailstack.protocols.sasl.client import Derive, derive_here
from mailstack.protocols.smtp.client_session import Timeouts, Trouble
from mailstack.protocols.smtp.replies import Reply
from mailstack.queue.attempt import Attempt
from mailstack.queue.interruption import Interrupted, Interruptible
from mailstack.queue.progress_watch import Watch
from mailstack.relay.connection_pool import CONNECTION_LIMITS, Connection, ConnectionLimits, ConnectionPool
from mailstack.relay.dns import DnsResolver
from mailstack.relay.host_backoff import DOWN_LIMITS, DownLimits
from mailstack.relay.hosts import HOST_LIMITS, NAMES_UNAVAILABLE, HostLimits, Hosts, NoRoute, RouteTargets, TargetHost
from mailstack.relay.mta_sts import MtaSts
from mailstack.relay.recipient_progress import Progress
from mailstack.relay.require_tls import REQUIRETLS, TlsRequest
from mailstack.relay.routes import NO_ROUTES, NO_SENDER_ROUTES, Routes, SenderRoutes, SmartHost
from mailstack.relay.source_addresses import SourceRule
from mailstack.relay.tls_policy import NO_TLS_POLICY, OPPORTUNISTIC, TlsPolicy, TlsPolicyTable
from mailstack.relay.tls_requirements import TlsRequirementNotMet, TlsRequirements, requiretls_missing
from mailstack.relay.transcript import truncate_middle
from mailstack.relay.trouble import (
    NO_ANSWER,
    all_hosts_trouble,
    clean,
    host_trouble,
    is_stale,
    transaction_trouble,
)
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.tls_results import SessionFailure, SessionResults

_log = logging.getLogger(__name__)

UNREADABLE = Deferred(Status(4, 3, 0), "the content of the letter can't be read here at present")
TOO_MANY_RECIPIENTS = Status(4, 5, 3)


class AttemptLimits(Struct, frozen=True):
    """How much one attempt may do."""

    recipients: int = 100
    """In one transaction; every host takes that many (RFC 5321 §4.5.3.1.8)."""
    transactions: int = 50
    """In one attempt, when the host takes fewer recipients at a time than we have."""
    seconds: float = 900.0
    """After which no further host is called."""
    handover: float = 3600.0
    """Seconds that one host may take over the letter, in all its sessions, so that no host holds it, drop by drop, beyond
    the queue's lease.
    """
    dialogue: int = 400
    """Lines kept as history: the first half and the last half of them."""
    dialogue_size: int = 32_768
    """Characters of these lines, in the same way."""
    dialogue_size_again: int = 8192
    """The same for an attempt that is not the first: else a host with much to say fills the disk for days by one letter."""


ATTEMPT_LIMITS = AttemptLimits()


class _Handover(Struct, frozen=True):
    """What became of the recipients at one host, and what to tell of it."""

    outcomes: tuple[Outcome, ...]
    facts: Mapping[str, Any]
    goes_on: bool = False
    """Whether the host takes the rest in another session."""
    lost: bool = False
    """Whether the session broke off before all was said."""


class RelayAgent:
    """Carries letters to other hosts. Trouble is an Outcome, never an exception (`mailstack.relay.trouble`)."""

    def __init__(
        self,
        names: DnsResolver,
        caller: Connector,
        clock: Clock,
        *,
        hostname: str,
        routes: Routes = NO_ROUTES,
        smart_hosts: Sequence[SmartHost] = (),
        sender_routes: SenderRoutes = NO_SENDER_ROUTES,
        port: int = 25,
        security: TlsPolicy = OPPORTUNISTIC,
        tls_policy: TlsPolicyTable = NO_TLS_POLICY,
        dane: bool = False,
        sts: MtaSts | None = None,
        ehlo_name: str = "",
        random: Random | None = None,
        attempt_limits: AttemptLimits = ATTEMPT_LIMITS,
        host_limits: HostLimits = HOST_LIMITS,
        connection_limits: ConnectionLimits = CONNECTION_LIMITS,
        down_limits: DownLimits = DOWN_LIMITS,
        timeouts: Timeouts | None = None,
        derive: Derive = derive_here,
        is_ours: Callable[[HostPort], bool] = lambda _: False,
        results: SessionResults | None = None,
        origins: Sequence[SourceRule] = (),
    ) -> None:
        """`hostname` is ours, and what EHLO says unless `ehlo_name` is another one; `random` shuffles equal hosts.

        `port` is for hosts that the DNS names. `security` holds where `tls_policy` says nothing, and what domains publish asks
        for no more: by DANE, where `dane` says that `names` come from a resolver that can be trusted, and by `sts`. `is_ours` knows where
        this office itself listens. `results` hears what TLS came to with every host that the DNS names.
        `origins` say from where hosts are called, and under which name.
        """
        self._hosts = Hosts(
            names,
            random or SystemRandom(),
            hostname=hostname,
            port=port,
            routes=routes,
            smart_hosts=smart_hosts,
            sender_routes=sender_routes,
            security=security,
            tls_policy=tls_policy,
            limits=host_limits,
            is_ours=is_ours,
            origins=origins,
        )
        self._demands = TlsRequirements(names, dane=dane, sts=sts)
        self._connections = ConnectionPool(
            caller,
            clock,
            ehlo_name or hostname,
            limits=connection_limits,
            down_limits=down_limits,
            timeouts=timeouts,
            derive=derive,
            results=results,
        )
        self._results = results
        self._clock = clock
        self._limits = attempt_limits

    async def deliver(self, letter: Letter, deliveries: tuple[Delivery, ...], watch: Watch | None = None, /) -> Attempt:
        """Try once; all deliveries are of one `line`. Raises Interrupted."""
        if watch is None:
            return await self._deliver(letter, deliveries, Watch())
        watch.work = work = Interruptible(self._deliver(letter, deliveries, watch))
        try:
            return await work
        finally:
            watch.work = None

    async def _deliver(self, letter: Letter, deliveries: tuple[Delivery, ...], watch: Watch) -> Attempt:
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

    def line(self, letter: Letter, destination: str) -> str:
        """What the letters that go to the same hosts have in common: they share transactions, connections and limits."""
        return self._hosts.line(destination, letter.envelope.sender)

    def line_of(self, destination: str) -> str | None:
        """The same for a destination alone; None where the sender of a letter matters."""
        return self._hosts.line_of(destination)

    def conditions(self, most: int) -> list[DelayReason]:
        """What letters wait for here, for people who ask."""
        return self._connections.down(most)

    async def close(self) -> None:
        """Say goodbye on connections that were kept."""
        await self._connections.close()

    async def _try_hosts(
        self, way: RouteTargets, letter: Letter, deliveries: tuple[Delivery, ...], watch: Watch
    ) -> Attempt:
        recipients = tuple([delivery.recipient for delivery in deliveries])
        hurried = any(delivery.is_hurried for delivery in deliveries)
        again = deliveries[0].attempts > 1
        transcript: list[str] = []
        failures: list[Deferred | Failed] = []
        candidate, wishes, policy = way.candidates[0], TlsRequest(letter), str(way.security)
        late = self._clock.steady() + self._limits.seconds
        reached: bool | None = False
        for candidate in way.candidates:
            if failures and self._clock.steady() >= late:
                break
            watch.step()
            watch.session = None
            try:
                security = await self._demands.of(way, candidate, wishes)
                policy = str(security)
                # A reverse-path for each recipient needs a transaction for each.
                most = self._limits.recipients if delimiters_of(letter.envelope) is None else 1
                progress = Progress(candidate.host, len(recipients), most)
                under_tls = wishes.requires_tls and not is_unix_socket(candidate.host)
                hasty = candidate is not way.candidates[-1] and self._has_another_address(way, candidate)
                domain = way.domain if way.published and way.domain else ""
                go = _Go(
                    candidate,
                    security,
                    under_tls,
                    letter,
                    recipients,
                    hurried,
                    transcript,
                    progress,
                    watch,
                    domain,
                    hasty,
                )
                handover = await self._through(go)
            except TlsRequirementNotMet as refused:
                transcript.append(f"-- {candidate}: {clean(str(refused))}")
                failures.append(refused.outcome)
                reached = None
                self._count_refused(way, candidate, refused)
                continue
            except (ConnectFailed, Trouble) as trouble:
                failures.append(host_trouble(candidate.host, trouble, must_be_tls=wishes.requires_tls))
                continue
            except Interrupted as interrupted:
                if interrupted.put_back:
                    raise
                transcript.append(f"-- {candidate}: {interrupted}")
                failures.append(Deferred(NO_ANSWER, clean(f"{candidate.host}: {interrupted}"), candidate.host))
                continue
            facts = {**handover.facts, "policy": policy}
            history = way.facts(candidate), self._kept(transcript, again=again), facts
            return Attempt(handover.outcomes, *history, reached=not handover.lost)
        outcomes = (all_hosts_trouble(failures),) * len(recipients)
        facts = {"host": candidate.host, "policy": policy}
        return Attempt(outcomes, way.facts(candidate), self._kept(transcript, again=again), facts, reached)

    def _has_another_address(self, way: RouteTargets, candidate: TargetHost) -> bool:
        """Whether the same host is called under another one if this does not answer soon."""
        after = way.candidates[way.candidates.index(candidate) + 1 :]
        return any(each.host == candidate.host and not self._connections.is_down(each.address) for each in after)

    def _count_refused(self, way: RouteTargets, candidate: TargetHost, refused: TlsRequirementNotMet) -> None:
        """A host that must not be called, by what its domain publishes, is a session that failed (RFC 8460 §4.3.2)."""
        if self._results is not None and way.domain is not None and refused.published is not None:
            failure = SessionFailure(
                refused.fault, "", candidate.host, candidate.address.host, clean(refused.outcome.text)
            )
            self._results.count(way.domain, refused.published, failure)

    async def _through(self, go: _Go) -> _Handover:
        """Hand over on a kept connection, or a fresh one.

        Raises Unreachable or Trouble when this host can't be used, Refused when it must not.
        """
        handover = None
        late = self._clock.steady() + self._limits.handover
        connection = self._connections.take(go.candidate, go.security, go.domain)
        if connection is not None:
            go.transcript.append(f"-- on the connection that was open to {go.candidate}")
            go.watch.session = connection.session
            self._check_offer(go, connection)
            try:
                handover = await self._hand_over(connection, go, late)
            except Trouble as trouble:
                go.transcript.append(f"-- it had died: {clean(str(trouble))}")
        if handover is None:
            handover = await self._hand_over(await self._open(go), go, late)
        # A host that takes few letters in a session is called again for the rest (RFC 9422 §4.1). When it can't be,
        # the rest waits: it is not offered to another host, for some of it is taken here.
        while handover.goes_on and self._clock.steady() < late:
            try:
                connection = await self._open(go)
            except (ConnectFailed, Trouble, TlsRequirementNotMet):
                break
            handover = await self._hand_over(connection, go, late)
        return handover

    async def _open(self, go: _Go) -> Connection:
        connection = await self._connections.open(
            go.candidate,
            go.security,
            go.transcript,
            hurried=go.hurried,
            hasty=go.hasty,
            domain=go.counted_for,
            watch=go.watch,
        )
        self._check_offer(go, connection)
        return connection

    def _check_offer(self, go: _Go, connection: Connection) -> None:
        """Raises Refused where REQUIRETLS is needed and not offered; the connection is good for other letters."""
        if go.requires_tls and REQUIRETLS not in connection.session.extensions:
            self._connections.keep(connection)
            raise TlsRequirementNotMet(requiretls_missing(go.candidate.host))

    async def _hand_over(self, connection: Connection, go: _Go, late: float) -> _Handover:
        """The transactions that this letter needs, as many as the host takes in this session, until `late`.

        Raises Trouble only for a kept connection that died before any.
        """
        host, progress = connection.candidate.host, go.progress
        progress.limit(connection.session.limits.recipients)
        connection.domains.add(go.domain)
        goes_on = lost = False
        rest: Deferred | Failed = Deferred(TOO_MANY_RECIPIENTS, f"{host} takes too few recipients at a time")
        stop_timer = self._clock.call_later(max(0.0, late - self._clock.steady()), connection.drop)
        try:
            while (batch := progress.batch()) and progress.transactions < self._limits.transactions:
                if connection.is_used_up:
                    goes_on = True
                    break
                replies = await self._transact(connection, go, batch)
                progress.settle(batch, replies, connection.session.extensions)
                go.watch.settle()
        except Trouble as trouble:
            connection.drop()
            if connection.letters and not progress.transactions and is_stale(trouble):
                raise
            rest, lost = transaction_trouble(host, trouble), True
        except StoreError as trouble:
            # The final dot was not sent, so that the host has no letter that is not whole.
            connection.drop()
            if not progress.outcomes:
                raise
            _log.error("letter %s can't be read on: %s", go.letter.id, trouble)
            rest, lost = UNREADABLE, True
        except BaseException:
            connection.drop()
            raise
        else:
            self._connections.keep(connection)
        finally:
            stop_timer()
            go.transcript.extend(connection.new_lines())
        outcomes = tuple([progress.outcomes.get(number, rest) for number in range(len(go.recipients))])
        return _Handover(outcomes, _facts(connection, progress), goes_on, lost)

    async def _transact(self, connection: Connection, go: _Go, batch: Sequence[int]) -> tuple[Reply, ...]:
        """Sends the letter to these of its recipients. Raises Trouble, and what reading the content raises."""
        letter, chosen = go.letter, tuple(go.recipients[number] for number in batch)
        envelope = onward(letter, self._clock.now(), connection.session.extensions)
        if delimiters_of(letter.envelope) is not None:
            envelope = replace(envelope, sender=sender_for(letter.envelope, chosen[0]))
        return await connection.session.transact(envelope, chosen, letter.content)

    def _kept(self, transcript: Sequence[str], *, again: bool) -> tuple[str, ...]:
        return truncate_middle(
            transcript,
            self._limits.dialogue,
            self._limits.dialogue_size_again if again else self._limits.dialogue_size,
        )


def onward(letter: Letter, now: float, extensions: Collection[str] = ()) -> Envelope:
    """The envelope as the next host is told of it: with the time that is left for delivery (RFC 2852 §4.1.4).

    A letter that was held back here is not held back again: that is for submission alone (RFC 4865 §3).
    """
    # RFC 6710 §4.2, RFC 6758 §3.2: to a host that knows priorities, also the normal one is told.
    tells = PRIORITY in extensions and said_priority(letter.envelope) is None
    if not letter.envelope.parameters and not tells:
        return letter.envelope
    parameters = [each for each in letter.envelope.parameters if each[0] not in (BY, HOLDFOR, HOLDUNTIL, XVERP)]
    by = deadline(letter)
    if by is not None:
        parameters.append((BY, str(by.from_now(now))))
    if tells:
        parameters.append((PRIORITY, str(NORMAL)))
    return replace(letter.envelope, parameters=tuple(parameters))


class _Go(Struct, frozen=True):
    """One letter's go at one host."""

    candidate: TargetHost
    security: TlsPolicy
    requires_tls: bool
    letter: Letter
    recipients: Sequence[Recipient]
    hurried: bool
    transcript: list[str]
    progress: Progress
    watch: Watch
    counted_for: str = ""
    """The domain whose TLS reports tell of the session; empty where the operator decided about TLS."""
    hasty: bool = False
    """Whether another address of this host is next."""

    @property
    def domain(self) -> str:
        """What all the recipients have in common: they were routed by it."""
        return self.recipients[0].address.ascii_domain.lower() if self.recipients else ""


def _facts(connection: Connection, progress: Progress) -> Mapping[str, Any]:
    """For the `attempted` step."""
    candidate, tls = connection.candidate, connection.tls
    facts: dict[str, Any] = {"host": candidate.host, "address": candidate.address.host, "port": candidate.address.port}
    if candidate.origin is not None:
        facts["from"] = candidate.origin.label
    if tls is not None:
        facts["tls"] = {"version": tls.version, "cipher": tls.cipher, "verified": tls.verified}
    if progress.remote_id is not None:
        facts["remote_id"] = progress.remote_id
    return facts
