"""MailServer, the composition root: one host's services, built from one configuration and wired here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.config.authentication import checks, signer
from mailstack.net.clock import ReactorClock
from mailstack.net.lookups import DnsWithTimeout
from mailstack.net.periodic import PeriodicTask
from mailstack.policy.authentication.outbound_signing import OutboundSigner
from mailstack.policy.authentication.signing import SigningKey
from mailstack.policy.client_names import ClientNames
from mailstack.policy.counters import single_process
from mailstack.policy.networks import networks_of
from mailstack.policy.ownership import Ownership
from mailstack.policy.priorities import TrustedHops
from mailstack.policy.relaying import Relaying
from mailstack.protocols.smtp.extensions.mtpriority import Priorities
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher
from mailstack.receiving.from_header import FromHeaderPolicy
from mailstack.receiving.intake import Intake
from mailstack.receiving.lmtp import LmtpRules
from mailstack.receiving.mx import MxRules
from mailstack.receiving.submission import SubmissionRules
from mailstack.server.delivery_pipeline import DeliveryPipeline
from mailstack.server.listeners import Listeners
from mailstack.server.policies import account_policies, client_policies
from mailstack.server.runtime import Surroundings
from mailstack.store import StoreError

_log = logging.getLogger(__name__)

HOUSEKEEPING = 3600.0
"""Seconds between looks for histories that may be forgotten."""


class MailServer:
    """The services of one host, from its configuration and its surroundings.

    `listen` binds the ports, `start` begins to work, `stop` ends it; an office is used once. The store is opened and
    closed by whoever made it, so that several offices can share one.
    """

    def __init__(self, config: Config, around: Surroundings) -> None:
        self.config = config
        self.clock = around.clock or ReactorClock(around.reactor)
        if around.faults is not None:
            # Only an environment where things shall go wrong pays for that.
            from mailstack.sandbox.faults.install import with_faults  # noqa: PLC0415

            around = with_faults(around, config.hostname, self.clock)
        self._around = around
        self._announcers: list[OutboxDispatcher] = []
        if config.webhooks:
            # Only an office that tells others pays for it.
            from mailstack.queue.webhooks.wake_on_step import WakingJournal  # noqa: PLC0415
            from mailstack.server.wiring.webhooks import announcers, subscribe  # noqa: PLC0415

            subscribe(config, around.store)
            self._announcers = announcers(
                config,
                around.store,
                self.clock,
                around.reactor,
                seat=around.seat,
                poll=around.poll,
                jitter=around.random.random,
            )
            self._around = around = replace(around, journal=WakingJournal(around.journal, self._announcers))
        self._signing = OutboundSigner()
        self.sign_by(config, around.signing_keys)
        self._carriage = carriage = DeliveryPipeline(
            config, around, self.clock, lambda: self.doors.addresses, self._signing
        )
        ours, limits = config.submission, config.limits
        commons = around.commons or single_process(self.clock)
        self.counter = Intake(
            config.hostname,
            carriage.queue,
            around.store,
            around.directory,
            hops=limits.hops,
            hide_client=ours.hide_client,
            quotas=carriage.quotas,
            free_space=around.free_space,
        )
        ownership = Ownership(around.directory) if ours.check_sender else None
        author = FromHeaderPolicy(ours.broken_header, ours.check_from, around.directory)
        lookups = DnsWithTimeout(around.names, around.reactor, config.policy.dns_timeout)
        at_sender, at_recipient = account_policies(config, self.clock, lookups, self.counter.is_local, commons.rates)
        self.submission = SubmissionRules(
            self.counter,
            ownership,
            priorities=Priorities(most=ours.max_priority),
            author=author,
            at_sender=at_sender,
            at_recipient=at_recipient,
            signing=self._signing,
            owners=around.directory,
            verp=ours.verp,
        )
        names = ClientNames(lookups, self.clock.steady, self.clock.spawn)
        guard = client_policies(config, around.store, self.clock, lookups, names, commons.rates)
        hops = TrustedHops(
            networks_of(config.exchange.priority_from),
            Priorities(config.exchange.min_priority, config.exchange.max_priority),
        )
        self.exchange = MxRules(
            self.counter,
            Relaying(config.relay.relay_from),
            priorities=hops,
            guard=guard,
            names=names if config.exchange.reverse_dns else None,
            checks=checks(config, lookups, self._in_thread, self.clock.now, around.random.random),
            signing=self._signing if config.dkim.sign_relayed else None,
            owners=around.directory,
        )
        self.handover = LmtpRules(self.counter, config.lmtp.lmtp_from, priorities=hops)
        self.doors = Listeners(
            config,
            around,
            self.clock,
            commons,
            submission=self.submission,
            exchange=self.exchange,
            handover=self.handover,
            in_thread=self._in_thread,
            sessions=SessionRegistry(around.store, around.reactor.callLater),
        )
        self._pruning = PeriodicTask(self.clock, self._prune)

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._around.reactor, self._around.reactor.getThreadPool(), work)

    def sign_by(self, config: Config, keys: Sequence[SigningKey]) -> None:
        """Sign letters by these keys from now on, as `[dkim]` of a configuration wants it."""
        self._signing.use(signer(config, keys, self._in_thread, self.clock.now))

    async def listen(self) -> None:
        """Bind every port of the configuration. Raises twisted.internet.error.CannotListenError."""
        await self.doors.listen()

    async def start(self) -> None:
        """Serve those who wait, and work through the queue."""
        await self._carriage.queue.start()
        if self._around.seat.keeps_house:
            for announcer in self._announcers:
                await announcer.start()
            if self._carriage.reporter is not None:
                self._carriage.reporter.start()
            self._pruning.start(HOUSEKEEPING)
        self.doors.open()

    async def stop(self, patience: float = 10.0) -> None:
        """Say goodbye to clients (RFC 5321 §3.8), finish the attempts under way within `patience` seconds each."""
        self._pruning.stop()
        await self.doors.close(patience)
        stopped: Deferred[None] = Deferred()
        self._carriage.queue.stop(lambda: stopped.callback(None), patience)
        await stopped
        await self._carriage.relay.close()
        if self._carriage.reporter is not None:
            self._carriage.reporter.stop()
        if self._carriage.collector is not None:
            await self._carriage.collector.flush()
        told: list[Deferred[None]] = []
        for announcer in self._announcers:
            ended: Deferred[None] = Deferred()
            told.append(ended)
            announcer.stop(partial(ended.callback, None), patience)
        await gatherResults(told)

    async def _prune(self) -> None:
        """Forget histories that are older than the configuration wants."""
        before = self.clock.now() - self.config.journey.keep
        try:
            await self._around.store.prune(self.config.hostname, before=before)
            # Of webhooks that are no longer configured.
            await self._around.store.forget_announcements(None, before)
            if self.config.policy.greylist.enabled:
                await self._around.store.forget_contacts(self.clock.now(), self.config.policy.greylist.max_entries)
            await self._around.store.sweep()
        except StoreError as error:
            _log.error("old histories could not be forgotten: %s", error)  # no bug
