"""SMTP and LMTP listeners: submission, MX and LMTP, each by its receiving rules."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from msgspec import Struct

from mailstack.accounts.session_registry import SessionRegistry
from mailstack.config import ExchangeSettings, SubmissionSettings
from mailstack.net.listening import ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.policy.limits import Admission, ServiceLimiter, Tarpit
from mailstack.policy.networks import contains_host, parse_networks
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.sasl import Authenticator
from mailstack.protocols.smtp.commands import ServerEvent
from mailstack.protocols.smtp.extensions.extension import BareNewlines
from mailstack.protocols.smtp.receiving_rules import ReceivingRules
from mailstack.protocols.smtp.replies import Reply
from mailstack.protocols.smtp.server import Capabilities
from mailstack.protocols.smtp.server import ServerEngine as SmtpEngine
from mailstack.protocols.smtp.server_session import ListenerContext, LmtpSession, ServerSession
from mailstack.protocols.smtp.session_state import SessionLimits
from mailstack.server.listener_kit import ListenerKit
from mailstack.server.wiring.receiving import Receiving


class SmtpService(Struct, frozen=True):
    """One SMTP or LMTP service."""

    name: str
    """Name in sessions' records and TLS contexts."""
    rules: ReceivingRules
    """Receiving rules."""
    settings: SubmissionSettings | ExchangeSettings
    authenticator: Authenticator | None = None
    """Authenticator for AUTH. None: AUTH is not offered."""
    require_tls: bool = True
    """Whether AUTH needs TLS."""
    implicit_tls: bool = False
    lmtp: bool = False
    bare_newlines: BareNewlines = "reject"
    """Handling of lines that end in LF alone. Letters of other hosts must be rejected: two hosts that disagree about the
    end of a letter make two of it (SMTP smuggling)."""
    connections: Admission | None = None
    """Connection limits of the service. None: only the server's limits."""


class SmtpListeners:
    """Makes the listeners of one server."""

    def __init__(
        self, kit: ListenerKit, receiving: Receiving, submitters: Authenticator, sessions: SessionRegistry
    ) -> None:
        self._kit = kit
        self._receiving = receiving
        self._submitters = submitters
        self._sessions = sessions
        self._clock = kit.runtime.clock
        config, workers = kit.config, kit.workers
        limits = config.limits
        self._mx_connections = ServiceLimiter(
            kit.connections,
            config.exchange.connections_per_address,
            counts=workers.counters.exchange,
            exempt=kit.exempt,
        )
        self._tarpit = Tarpit(
            self._clock,
            first=limits.tarpit,
            max_delay=limits.tarpit_longest,
            max_waiting=workers.slot.share(limits.tarpit_connections),
        )
        self._recipient_budget = MemoryBudget()

    def submission(self, *, implicit_tls: bool = False) -> ServiceListener[ServerEvent]:
        """Listener for users: AUTH required (RFC 6409, RFC 8314)."""
        config = self._kit.config
        return self.listener(
            SmtpService(
                "submissions" if implicit_tls else "submission",
                self._receiving.submission,
                config.submission,
                authenticator=self._submitters,
                require_tls=config.accounts.require_tls,
                implicit_tls=implicit_tls,
                bare_newlines="normalize",
            )
        )

    def mx(self) -> ServiceListener[ServerEvent]:
        """Listener for other hosts: no AUTH (RFC 5321)."""
        rules, settings = self._receiving.exchange, self._kit.config.exchange
        return self.listener(SmtpService("mx", rules, settings, connections=self._mx_connections))

    def lmtp(self) -> ServiceListener[ServerEvent]:
        """Listener for programs that deliver to local mailboxes (RFC 2033), with the limits of the MX."""
        return self.listener(SmtpService("lmtp", self._receiving.lmtp, self._kit.config.exchange, lmtp=True))

    def listener(self, service: SmtpService) -> ServiceListener[ServerEvent]:
        kit, clock, name = self._kit, self._clock, service.name
        capabilities = self._capabilities(service)
        context = self._context(service, capabilities)
        speakers = () if service.lmtp else parse_networks(service.settings.xclient)
        session_class: Any = LmtpSession if service.lmtp else ServerSession

        def converse(peer: NetPeer[ServerEvent], engine: SmtpEngine) -> Coroutine[Any, Any, None]:
            session = session_class(
                kit.wrap_peer(peer, engine, name),
                engine,
                service.rules,
                clock,
                context,
                xclient_allowed=bool(speakers) and contains_host(peer.remote.host, speakers),
                log_out=peer.log_out,
            )
            return kit.start_when_open(session.serve)

        async def turn_away(peer: NetPeer[ServerEvent], engine: SmtpEngine, reply: Reply) -> None:
            peer.send(engine.greet(reply))

        def engine() -> SmtpEngine:
            return SmtpEngine(capabilities, lmtp=service.lmtp)

        return kit.listener(
            name, engine, converse, turn_away, implicit_tls=service.implicit_tls, connections=service.connections
        )

    def _context(self, service: SmtpService, capabilities: Capabilities) -> ListenerContext:
        kit, config = self._kit, self._kit.config
        limits = config.limits
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
            greet_delay=config.exchange.greet_delay if service.rules is self._receiving.exchange else 0.0,
        )
        return ListenerContext(
            session_limits,
            service.authenticator,
            service.require_tls,
            self._tarpit,
            kit.connections.is_busy,
            kit.runtime.reactor.seconds,
            self._recipient_budget,
            self._sessions,
            kit.is_exempt,
        )

    def _capabilities(self, service: SmtpService) -> Capabilities:
        """Capabilities of a listener; None: the limit of submission."""
        config, settings = self._kit.config, service.settings
        ours = config.submission
        return Capabilities(
            config.hostname,
            max_size=settings.max_size or ours.max_size,
            max_line=config.limits.content_line,
            max_recipients=settings.max_recipients or ours.max_recipients,
            max_letters=config.limits.session_letters,
            max_hold=int(settings.max_hold) if isinstance(settings, SubmissionSettings) else 0,
            min_by=int(settings.min_deliver_by),
            priorities=True,
            verp=isinstance(settings, SubmissionSettings),
            withheld=frozenset(settings.withhold),
            bare_newlines=service.bare_newlines,
        )
