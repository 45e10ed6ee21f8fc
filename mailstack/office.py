"""PostOffice, the composition root: one host's services, built from one configuration and wired here and nowhere else."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from mailstack.authentication.signed import Signing
from mailstack.authentication.signing import SigningKey
from mailstack.carriage import Carriage
from mailstack.commons import alone
from mailstack.config import Config
from mailstack.config import Exchange as ExchangeSettings
from mailstack.config import Submission as SubmissionSettings
from mailstack.config.authentication import checks, signer
from mailstack.config.checks import SERVED
from mailstack.exchange import Exchange, LocalHandover
from mailstack.mailbox.login_delay import LoginDelay
from mailstack.mailbox.session import Limits as Pop3Limits
from mailstack.mailbox.session import converse as read_maildrop
from mailstack.net.clock import ReactorClock
from mailstack.net.listening import Door, Listener
from mailstack.net.lookups import TimedLookups
from mailstack.net.peer import NetPeer
from mailstack.net.ports import Ports
from mailstack.net.repeating import Repeating
from mailstack.opinions import about_accounts, about_strangers
from mailstack.policy.client_names import ClientNames
from mailstack.policy.limits import ConnectionLimits as ClientLimits
from mailstack.policy.networks import networks_of, within
from mailstack.policy.ownership import Ownership
from mailstack.policy.priorities import TrustedHops
from mailstack.policy.relaying import Relaying
from mailstack.policy.tarpit import Tarpit
from mailstack.pop3.commands import Pop3Event
from mailstack.pop3.responses import Code
from mailstack.pop3.server import ServerEngine as Pop3Engine
from mailstack.queue.counter import Counter
from mailstack.sasl import Authenticator
from mailstack.smtp.commands import ServerEvent
from mailstack.smtp.extensions.mtpriority import Priorities
from mailstack.smtp.limits import SessionLimits
from mailstack.smtp.lmtp import LmtpSession
from mailstack.smtp.replies import Reply
from mailstack.smtp.server import Capabilities
from mailstack.smtp.server import ServerEngine as SmtpEngine
from mailstack.smtp.session import Session
from mailstack.smtp.station import Station
from mailstack.store import StoreError
from mailstack.submission import Submission
from mailstack.submission.author import Author
from mailstack.surroundings import Surroundings
from mailstack.webhooks.announcer import Announcer
from mailstack.wire import HostPort, Peer

__all__ = ["PostOffice", "Surroundings"]

_log = logging.getLogger(__name__)

HOUSEKEEPING = 3600.0
"""Seconds between looks for histories that may be forgotten."""


Conversation = Callable[[], Coroutine[Any, Any, None]]


class PostOffice:
    """The services of one host, from its configuration and its surroundings.

    `listen` binds the ports, `start` begins to work, `stop` ends it; an office is used once. The store is opened and
    closed by whoever made it, so that several offices can share one.
    """

    def __init__(self, config: Config, around: Surroundings) -> None:
        self.config = config
        self.clock = around.clock or ReactorClock(around.reactor)
        if around.faults is not None:
            # Only an environment where things shall go wrong pays for that.
            from mailstack.beset import beset  # noqa: PLC0415

            around = beset(around, config.hostname, self.clock)
        self._around = around
        self._announcers: list[Announcer] = []
        if config.webhooks:
            # Only an office that tells others pays for it.
            from mailstack.config.webhooks import announcers, subscribe  # noqa: PLC0415
            from mailstack.webhooks.waking import Waking  # noqa: PLC0415

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
            self._around = around = replace(around, journal=Waking(around.journal, self._announcers))
        self._open = False
        self._waiting: list[Deferred[None]] = []
        self._signing = Signing()
        self.sign_by(config, around.signing_keys)
        self._carriage = carriage = Carriage(config, around, self.clock, self._addresses, self._signing)
        ours, limits = config.submission, config.limits
        commons = around.commons or alone(self.clock.now)
        self._commons = commons
        self.counter = Counter(
            config.hostname,
            carriage.queue,
            around.store,
            around.directory,
            hops=limits.hops,
            hide_client=ours.hide_client,
            quotas=carriage.quotas,
        )
        ownership = Ownership(around.directory) if ours.check_sender else None
        author = Author(ours.broken_header, ours.check_from, around.directory)
        lookups = TimedLookups(around.names, around.reactor, config.policy.dns_timeout)
        at_sender, at_recipient = about_accounts(config, self.clock, lookups, self.counter.is_local, commons.rates)
        self.submission = Submission(
            self.counter,
            ownership,
            priorities=Priorities(most=ours.max_priority),
            author=author,
            at_sender=at_sender,
            at_recipient=at_recipient,
            signing=self._signing,
            verp=ours.verp,
        )
        names = ClientNames(lookups, self.clock.now, self.clock.spawn)
        guard = about_strangers(config, around.store, self.clock, lookups, names, commons.rates)
        hops = TrustedHops(
            networks_of(config.exchange.priority_from),
            Priorities(config.exchange.min_priority, config.exchange.max_priority),
        )
        self.exchange = Exchange(
            self.counter,
            Relaying(config.relay.relay_from),
            priorities=hops,
            guard=guard,
            names=names if config.exchange.reverse_dns else None,
            checks=checks(config, lookups, self._in_thread, self.clock.now, around.random.random),
            signing=self._signing if config.dkim.sign_relayed else None,
        )
        self.handover = LocalHandover(self.counter, config.lmtp.lmtp_from, priorities=hops)
        self._connections = ClientLimits(
            limits.connections,
            limits.connections_per_address,
            per_minute=limits.connections_per_minute,
            busy=limits.busy / 100,
            now=self.clock.now,
            counts=commons.connections,
            rates=commons.rates,
        )
        self._tarpit = Tarpit(
            self.clock, first=limits.tarpit, longest=limits.tarpit_longest, most=around.seat.share(limits.tarpit_most)
        )
        self._login_delay = LoginDelay(math.ceil(limits.pop3_login_delay), self.clock.now, commons.logins)
        self._pruning = Repeating(self.clock, self._prune)
        self.doors: dict[str, Listener] = {}

    def _addresses(self) -> list[HostPort]:
        """Where we listen."""
        return [each for door in self.doors.values() for each in door.addresses]

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        return deferToThreadPool(self._around.reactor, self._around.reactor.getThreadPool(), work)

    def sign_by(self, config: Config, keys: Sequence[SigningKey]) -> None:
        """Sign letters by these keys from now on, as `[dkim]` of a configuration wants it."""
        self._signing.use(signer(config, keys, self._in_thread, self.clock.now))

    async def listen(self) -> None:
        """Bind every port of the configuration. Raises twisted.internet.error.CannotListenError."""
        listen = self.config.listen
        doors: dict[str, Callable[[], Listener]] = {
            "submission": self.submission_door,
            "submissions": lambda: self.submission_door(implicit_tls=True),
            "mx": self.exchange_door,
            "lmtp": self.lmtp_door,
            "pop3": self.pop3_door,
            "pop3s": lambda: self.pop3_door(implicit_tls=True),
            "web": self.web_door,
            "https": lambda: self.web_door(implicit_tls=True),
        }
        for name in SERVED:
            descriptions: Sequence[str] = getattr(listen, name)
            if descriptions:
                self.doors[name] = doors[name]()
                await self.doors[name].listen(descriptions)

    async def start(self) -> None:
        """Serve those who wait, and work through the queue."""
        await self._carriage.runner.start()
        if self._around.seat.keeps_house:
            for announcer in self._announcers:
                await announcer.start()
            if self._carriage.reporter is not None:
                self._carriage.reporter.start()
            self._pruning.start(HOUSEKEEPING)
        self._open = True
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    async def stop(self, patience: float = 10.0) -> None:
        """Say goodbye to clients (RFC 5321 §3.8), finish the attempts under way within `patience` seconds each."""
        self._pruning.stop()
        for door in self.doors.values():
            await door.stop_listening()
        leaving = [Deferred.fromCoroutine(door.wait_until_empty(patience)) for door in self.doors.values()]
        await gatherResults(leaving)
        stopped: Deferred[None] = Deferred()
        self._carriage.runner.stop(lambda: stopped.callback(None), patience)
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

    # --- doors: one for each service

    def submission_door(self, *, implicit_tls: bool = False) -> Door[ServerEvent]:
        """For our own users: AUTH required (RFC 6409, RFC 8314)."""
        return self.smtp_door(
            self.submission,
            self.config.submission,
            authenticator=self._around.submitters,
            require_tls=self.config.accounts.require_tls,
            implicit_tls=implicit_tls,
            service="submissions" if implicit_tls else "submission",
        )

    def exchange_door(self) -> Door[ServerEvent]:
        """For other hosts: no AUTH (RFC 5321)."""
        return self.smtp_door(self.exchange, self.config.exchange, service="mx")

    def lmtp_door(self) -> Door[ServerEvent]:
        """For other programs of ours that hand letters to our mailboxes (RFC 2033); limits are those of strangers."""
        return self.smtp_door(self.handover, self.config.exchange, lmtp=True, service="lmtp")

    def smtp_door(
        self,
        station: Station,
        settings: SubmissionSettings | ExchangeSettings,
        *,
        authenticator: Authenticator | None = None,
        require_tls: bool = True,
        implicit_tls: bool = False,
        lmtp: bool = False,
        service: str = "smtp",
    ) -> Door[ServerEvent]:
        """SMTP by the rules of a station, as its table of the configuration has them; `service` names it to people."""
        limits = self.config.limits
        capabilities = self._capabilities(settings)
        speakers = () if lmtp else networks_of(settings.xclient)
        session_class: Any = LmtpSession if lmtp else Session
        session_limits = SessionLimits(
            max_recipients=capabilities.max_recipients,
            errors=limits.errors,
            auth_failures=limits.auth_failures,
            command_timeout=limits.command_timeout,
            data_timeout=limits.data_timeout,
            header_size=limits.header_size,
            data_rate=limits.data_rate,
            busy_timeout=limits.busy_timeout,
            greet_delay=self.config.exchange.greet_delay if station is self.exchange else 0.0,
        )

        is_busy, elapsed = self._connections.is_busy, self._around.reactor.seconds

        def converse(peer: NetPeer[ServerEvent], engine: SmtpEngine) -> Coroutine[Any, Any, None]:
            session = session_class(
                self._between(peer, engine, service),
                engine,
                station,
                self.clock,
                limits=session_limits,
                authenticator=authenticator,
                require_tls=require_tls,
                may_speak_for_others=bool(speakers) and within(peer.remote.host, speakers),
                toll=self._tarpit,
                is_busy=is_busy,
                elapsed=elapsed,
            )
            return self._once_open(session.converse)

        async def turn_away(peer: NetPeer[ServerEvent], engine: SmtpEngine, reply: Reply) -> None:
            peer.send(engine.greet(reply))

        def engine() -> SmtpEngine:
            return SmtpEngine(capabilities, lmtp=lmtp)

        return self._door(service, engine, converse, turn_away, implicit_tls=implicit_tls)

    def _capabilities(self, settings: SubmissionSettings | ExchangeSettings) -> Capabilities:
        """What a listener offers; a limit that is None is the one for our own users."""
        ours = self.config.submission
        return Capabilities(
            self.config.hostname,
            max_size=settings.max_size or ours.max_size,
            max_line=self.config.limits.content_line,
            max_recipients=settings.max_recipients or ours.max_recipients,
            max_letters=self.config.limits.session_letters,
            max_hold=int(settings.max_hold) if isinstance(settings, SubmissionSettings) else 0,
            least_by=int(settings.least_deliver_by),
            priorities=True,
            verp=isinstance(settings, SubmissionSettings),
            withheld=frozenset(settings.withhold),
        )

    def pop3_door(self, *, implicit_tls: bool = False) -> Door[Pop3Event]:
        """The readers' door (RFC 1939)."""
        require_tls = self.config.accounts.require_tls
        ours, around = self.config.limits, self._around
        service = "pop3s" if implicit_tls else "pop3"
        limits = Pop3Limits(idle_timeout=ours.pop3_idle, write_timeout=ours.pop3_write, errors=ours.errors)

        def converse(peer: NetPeer[Pop3Event], engine: Pop3Engine) -> Coroutine[Any, Any, None]:
            begin = partial(
                read_maildrop,
                self._between(peer, engine, service),
                engine,
                office=self.config.hostname,
                authenticator=around.readers,
                store=around.maildrops or around.store,
                clock=self.clock,
                pause=self.clock.pause,
                journal=around.journal,
                limits=limits,
                login_delay=self._login_delay,
                holder_of=around.holder_of,
            )
            return self._once_open(begin)

        async def turn_away(peer: NetPeer[Pop3Event], engine: Pop3Engine, reply: Reply) -> None:
            peer.send(engine.err(reply.text, Code.SYS_TEMP))

        return self._door(
            service,
            lambda: Pop3Engine(tls=implicit_tls, require_tls=require_tls, login_delay=self._login_delay.seconds),
            converse,
            turn_away,
            implicit_tls=implicit_tls,
        )

    def web_door(self, *, implicit_tls: bool = False) -> Listener:
        """Pages for people, and the files by which their clients set themselves up."""
        # Only an office that has such a door pays for it.
        from mailstack.web.door import Speak, WebDoor  # noqa: PLC0415

        around, proxy = self._around, self.config.proxy
        bound = {name: door.addresses[0].port for name, door in self.doors.items() if door.addresses}

        async def load() -> Speak:
            # Many modules: in a thread, where nobody waits for them.
            await self._in_thread(partial(import_module, "mailstack.web.hosting"))
            from mailstack.web.api.backstage import Backstage  # noqa: PLC0415
            from mailstack.web.api.places import Places  # noqa: PLC0415
            from mailstack.web.hosting import hosted  # noqa: PLC0415

            web = self.config.web
            places = Places(web.streams, web.streams_per_client, self._commons.streams)
            return hosted(
                around.reactor,
                self.config,
                bound,
                accounts=around.accounts,
                more=await around.more_pages(places) if around.more_pages else (),
                behind=Backstage(
                    self.config, around, self.clock, self._in_thread, places, self.submission, self._commons
                ),
            )

        ports = Ports(
            around.reactor,
            implicit_tls=around.certificate_of("https").for_web() if implicit_tls else None,
            proxies=proxy.networks,
            proxy_timeout=proxy.timeout,
            endpoint=around.endpoint,
        )
        return WebDoor(around.reactor, ports, limits=self._connections, load=load)

    def _door(
        self, service: str, engine: Callable[[], Any], converse: Any, turn_away: Any, *, implicit_tls: bool
    ) -> Door[Any]:
        return Door(
            self._around.reactor,
            engine=engine,
            converse=converse,
            turn_away=turn_away,
            limits=self._connections,
            context=self._around.context_of(self.config.hostname, service),
            implicit_tls=implicit_tls,
            lifetime=self.config.limits.session_time,
            proxies=self.config.proxy.networks,
            proxy_timeout=self.config.proxy.timeout,
            endpoint=self._around.endpoint,
        )

    def _between(self, peer: Peer[Any], engine: Any, service: str) -> Peer[Any]:
        around, office = self._around, self.config.hostname
        for put in (around.between, around.troubles):
            if put is not None:
                peer = put(peer, engine, office, service)
        return peer

    def _once_open(self, begin: Conversation) -> Coroutine[Any, Any, None]:
        """The conversation, when the office works: its ports are bound before it is ready, and before it gives up root."""
        return begin() if self._open else self._wait_and_begin(begin)

    async def _wait_and_begin(self, begin: Conversation) -> None:
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        await deferred
        await begin()

    async def _prune(self) -> None:
        """Forget histories that are older than the configuration wants."""
        before = self.clock.now() - self.config.journey.keep
        try:
            await self._around.store.prune(self.config.hostname, before=before)
            # Of webhooks that are no longer configured.
            await self._around.store.forget_announcements(None, before)
            if self.config.policy.greylist.enabled:
                await self._around.store.forget_contacts(self.clock.now(), self.config.policy.greylist.most)
            await self._around.store.sweep()
        except StoreError:
            _log.exception("old histories could not be forgotten")
