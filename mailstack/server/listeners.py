"""The doors of an office: what serves those who come, by the rules of a station and within the limits of the office."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import Config
from mailstack.config import Exchange as ExchangeSettings
from mailstack.config import Submission as SubmissionSettings
from mailstack.config.checks import SERVED
from mailstack.letter.connection import HostPort
from mailstack.mailbox.pop3.login_delay import LoginDelay
from mailstack.mailbox.pop3.read_ahead import MOST_OF_ALL
from mailstack.mailbox.pop3.session import Limits as Pop3Limits
from mailstack.mailbox.pop3.session import converse as read_maildrop
from mailstack.net.clock import ReactorClock
from mailstack.net.listening import Listener, ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.net.run_queue import RunQueue
from mailstack.net.service_ports import Ports
from mailstack.policy.counters import SharedCounters
from mailstack.policy.limits import Admission, ServiceLimits
from mailstack.policy.limits import ConnectionLimits as ClientLimits
from mailstack.policy.networks import is_exempt, networks_of, within
from mailstack.policy.tarpit import Tarpit
from mailstack.protocols.connection import Peer
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.protocols.pop3.commands import Pop3Event
from mailstack.protocols.pop3.responses import Code
from mailstack.protocols.pop3.server import ServerEngine as Pop3Engine
from mailstack.protocols.sasl import Authenticator
from mailstack.protocols.smtp.commands import ServerEvent
from mailstack.protocols.smtp.extensions.extension import BareNewlines
from mailstack.protocols.smtp.limits import SessionLimits
from mailstack.protocols.smtp.lmtp import LmtpSession
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.protocols.smtp.replies import Reply
from mailstack.protocols.smtp.server import Capabilities
from mailstack.protocols.smtp.server import ServerEngine as SmtpEngine
from mailstack.protocols.smtp.server_session import ListenerContext, ServerSession
from mailstack.receiving.lmtp import LmtpRules
from mailstack.receiving.mx import MxRules
from mailstack.receiving.submission import SubmissionRules
from mailstack.server.runtime import Surroundings

Conversation = Callable[[], Coroutine[Any, Any, None]]


class Listeners(dict[str, Listener]):
    """The doors that are bound, by their names in `[listen]`, and how each kind is made.

    Who comes before `open` waits; `close` says goodbye.
    """

    def __init__(
        self,
        config: Config,
        around: Surroundings,
        clock: ReactorClock,
        commons: SharedCounters,
        *,
        submission: SubmissionRules,
        exchange: MxRules,
        handover: LmtpRules,
        in_thread: Callable[[Callable[[], Any]], Deferred[Any]],
        sessions: SessionRegistry,
    ) -> None:
        super().__init__()
        self.config = config
        self._around = around
        self._clock = clock
        self._commons = commons
        self._submission = submission
        self._exchange = exchange
        self._handover = handover
        self._in_thread = in_thread
        self._sessions = sessions
        self._is_open = False
        self._waiting: list[Deferred[None]] = []
        limits = config.limits
        self._exempt = networks_of((*limits.exempt, *config.relay.relay_from))
        self._connections = ClientLimits(
            limits.connections,
            limits.connections_per_address,
            per_minute=limits.connections_per_minute,
            busy=limits.busy_percent / 100,
            now=clock.steady,
            counts=commons.connections,
            rates=commons.rates,
            exempt=self._exempt,
        )
        self._exchange_connections = ServiceLimits(
            self._connections,
            config.exchange.connections_per_address,
            counts=commons.exchange,
            exempt=self._exempt,
        )
        self._tarpit = Tarpit(
            clock, first=limits.tarpit, longest=limits.tarpit_longest, most=around.seat.share(limits.tarpit_connections)
        )
        self._login_delay = LoginDelay(math.ceil(limits.pop3_login_delay), clock.steady, commons.logins)
        self._run_queue = RunQueue(around.reactor)
        self._ahead = MemoryBudget(MOST_OF_ALL)
        self._crowd = MemoryBudget()

    @property
    def addresses(self) -> list[HostPort]:
        """Where we listen."""
        return [each for door in self.values() for each in door.addresses]

    async def listen(self) -> None:
        """Bind every port of the configuration. Raises twisted.internet.error.CannotListenError."""
        makers: dict[str, Callable[[], Listener]] = {
            "submission": self.submission,
            "submissions": lambda: self.submission(implicit_tls=True),
            "mx": self.exchange,
            "lmtp": self.lmtp,
            "pop3": self.pop3,
            "pop3s": lambda: self.pop3(implicit_tls=True),
            "web": self.web,
            "https": lambda: self.web(implicit_tls=True),
        }
        for name in SERVED:
            descriptions: Sequence[str] = getattr(self.config.listen, name)
            if descriptions:
                await self.bind(name, makers[name](), descriptions)

    async def bind(self, name: str, door: Listener, descriptions: Sequence[str]) -> None:
        """Have a door listen, and know it by a name. Raises twisted.internet.error.CannotListenError."""
        self[name] = door
        await door.listen(descriptions)

    def open(self) -> None:
        """Serve those who wait, and all who come."""
        self._is_open = True
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)

    async def close(self, patience: float) -> None:
        """Say goodbye to clients (RFC 5321 §3.8), who have `patience` seconds for theirs."""
        for door in self.values():
            await door.stop_listening()
        await gatherResults([Deferred.fromCoroutine(door.wait_until_empty(patience)) for door in self.values()])

    def submission(self, *, implicit_tls: bool = False) -> ServiceListener[ServerEvent]:
        """For our own users: AUTH required (RFC 6409, RFC 8314)."""
        return self.smtp(
            self._submission,
            self.config.submission,
            authenticator=self._around.submitters,
            require_tls=self.config.accounts.require_tls,
            implicit_tls=implicit_tls,
            bare_newlines="normalize",
            service="submissions" if implicit_tls else "submission",
        )

    def exchange(self) -> ServiceListener[ServerEvent]:
        """For other hosts: no AUTH (RFC 5321)."""
        return self.smtp(self._exchange, self.config.exchange, connections=self._exchange_connections, service="mx")

    def lmtp(self) -> ServiceListener[ServerEvent]:
        """For other programs of ours that hand letters to our mailboxes (RFC 2033); limits are those of strangers."""
        return self.smtp(self._handover, self.config.exchange, lmtp=True, service="lmtp")

    def smtp(
        self,
        station: ReceivingRules,
        settings: SubmissionSettings | ExchangeSettings,
        *,
        authenticator: Authenticator | None = None,
        require_tls: bool = True,
        implicit_tls: bool = False,
        lmtp: bool = False,
        bare_newlines: BareNewlines = "reject",
        connections: Admission | None = None,
        service: str = "smtp",
    ) -> ServiceListener[ServerEvent]:
        """SMTP by the rules of a station, as its table of the configuration has them; `service` names it to people.

        `bare_newlines`: what becomes of lines that end in LF alone. Other hosts' letters are never taken with them: two hosts
        that disagree about the end of a letter make two of it (SMTP smuggling).
        """
        limits = self.config.limits
        capabilities = self._capabilities(settings, bare_newlines=bare_newlines)
        speakers = () if lmtp else networks_of(settings.xclient)
        session_class: Any = LmtpSession if lmtp else ServerSession
        session_limits = SessionLimits(
            max_recipients=capabilities.max_recipients,
            errors=limits.errors,
            junk_commands=limits.junk_commands,
            auth_failures=limits.auth_failures,
            command_timeout=limits.command_timeout,
            data_timeout=limits.data_timeout,
            header_size=limits.header_size,
            data_rate=limits.data_rate,
            busy_timeout=limits.busy_timeout,
            greet_delay=self.config.exchange.greet_delay if station is self._exchange else 0.0,
        )

        listener = ListenerContext(
            session_limits,
            authenticator,
            require_tls,
            self._tarpit,
            self._connections.is_busy,
            self._around.reactor.seconds,
            self._crowd,
            self._sessions,
            self._is_exempt,
        )

        def converse(peer: NetPeer[ServerEvent], engine: SmtpEngine) -> Coroutine[Any, Any, None]:
            session = session_class(
                self._between(peer, engine, service),
                engine,
                station,
                self._clock,
                listener,
                may_speak_for_others=bool(speakers) and within(peer.remote.host, speakers),
                log_out=peer.log_out,
            )
            return self._once_open(session.converse)

        async def turn_away(peer: NetPeer[ServerEvent], engine: SmtpEngine, reply: Reply) -> None:
            peer.send(engine.greet(reply))

        def engine() -> SmtpEngine:
            return SmtpEngine(capabilities, lmtp=lmtp)

        return self._door(service, engine, converse, turn_away, implicit_tls=implicit_tls, connections=connections)

    def _is_exempt(self, host: str) -> bool:
        return is_exempt(host, self._exempt)

    def _capabilities(
        self, settings: SubmissionSettings | ExchangeSettings, *, bare_newlines: BareNewlines
    ) -> Capabilities:
        """What a listener offers; a limit that is None is the one for our own users."""
        ours = self.config.submission
        return Capabilities(
            self.config.hostname,
            max_size=settings.max_size or ours.max_size,
            max_line=self.config.limits.content_line,
            max_recipients=settings.max_recipients or ours.max_recipients,
            max_letters=self.config.limits.session_letters,
            max_hold=int(settings.max_hold) if isinstance(settings, SubmissionSettings) else 0,
            least_by=int(settings.min_deliver_by),
            priorities=True,
            verp=isinstance(settings, SubmissionSettings),
            withheld=frozenset(settings.withhold),
            bare_newlines=bare_newlines,
        )

    def pop3(self, *, implicit_tls: bool = False) -> ServiceListener[Pop3Event]:
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
                clock=self._clock,
                pause=self._clock.pause,
                journal=around.journal,
                limits=limits,
                login_delay=self._login_delay,
                holder_of=around.holder_of,
                room=self._ahead,
                sessions=self._sessions,
                log_out=peer.log_out,
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

    def web(self, *, implicit_tls: bool = False) -> Listener:
        """Pages for people, and the files by which their clients set themselves up."""
        # Only an office that has such a door pays for it.
        from mailstack.web.listener import Speak, WebDoor  # noqa: PLC0415

        around = self._around
        bound = {name: door.addresses[0].port for name, door in self.items() if door.addresses}

        async def load() -> Speak:
            # Many modules: in a thread, where nobody waits for them.
            await self._in_thread(partial(import_module, "mailstack.web.app"))
            from mailstack.web.api.context import ApiContext  # noqa: PLC0415
            from mailstack.web.api.stream_limits import StreamLimits  # noqa: PLC0415
            from mailstack.web.app import hosted  # noqa: PLC0415

            web = self.config.web
            places = StreamLimits(web.streams, web.streams_per_client, self._commons.streams)
            return hosted(
                around.reactor,
                self.config,
                bound,
                accounts=around.accounts,
                more=await around.more_pages(places) if around.more_pages else (),
                behind=ApiContext(
                    self.config,
                    around,
                    self._clock,
                    around.web_threads or self._in_thread,
                    places,
                    self._submission,
                    self._commons,
                    self._sessions,
                ),
            )

        ports = self._ports(around.certificate_of("https").for_web() if implicit_tls else None)
        return WebDoor(around.reactor, ports, limits=self._connections, load=load)

    def _door(
        self,
        service: str,
        engine: Callable[[], Any],
        converse: Any,
        turn_away: Any,
        *,
        implicit_tls: bool,
        connections: Admission | None = None,
    ) -> ServiceListener[Any]:
        context = self._around.context_of(self.config.hostname, service)
        return ServiceListener(
            self._around.reactor,
            self._ports(context if implicit_tls else None),
            engine=engine,
            converse=converse,
            turn_away=turn_away,
            limits=connections or self._connections,
            context=context,
            lifetime=self.config.limits.session_time,
            queue=self._run_queue,
        )

    def _ports(self, implicit_tls: Any) -> Ports:
        """Ports of one service, under TLS from the first octet if `implicit_tls` has a certificate."""
        return Ports(
            self._around.reactor,
            implicit_tls=implicit_tls,
            proxies=self.config.proxy.networks,
            proxy_timeout=self.config.proxy.timeout,
            endpoint=self._around.endpoint,
            handshake_timeout=self.config.limits.handshake_timeout,
        )

    def _between(self, peer: Peer[Any], engine: Any, service: str) -> Peer[Any]:
        around, office = self._around, self.config.hostname
        for put in (around.between, around.troubles):
            if put is not None:
                peer = put(peer, engine, office, service)
        return peer

    def _once_open(self, begin: Conversation) -> Coroutine[Any, Any, None]:
        """The conversation, when the office works: its ports are bound before it is ready, and before it gives up root."""
        return begin() if self._is_open else self._wait_and_begin(begin)

    async def _wait_and_begin(self, begin: Conversation) -> None:
        deferred: Deferred[None] = Deferred()
        self._waiting.append(deferred)
        await deferred
        await begin()
