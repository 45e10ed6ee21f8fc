"""SMTP server session: limits, state and helpers of all commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter import Recipient, ReversePath
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.connection import Clock, Ending, LoggedOut, Peer, ShuttingDown, TimedOut
from mailstack.protocols.sasl import AccountLogin, Authenticator, Channel, OpenSession, Sessions, offered
from mailstack.protocols.smtp.commands import Mail, ServerEvent, XClient
from mailstack.protocols.smtp.extensions.extension import Capabilities, IncomingHook
from mailstack.protocols.smtp.incoming_content import IncomingContent
from mailstack.protocols.smtp.receiving_rules import HeaderHook, ReceivingRules
from mailstack.protocols.smtp.replies import LOGGED_OUT, Reply, reply
from mailstack.protocols.smtp.server import ServerEngine

MIN_RECIPIENTS = 100
"""Recipients that each letter may always have (RFC 5321 §4.5.3.1.8)."""
RECIPIENT_OCTETS = 1024
"""Octets of memory counted for one recipient, with its parameters."""


class SessionLimits(Struct, frozen=True):
    """Limits of one connection; every value is a setting."""

    max_recipients: int = 1000
    """Maximum recipients of one transaction (RFC 5321 §4.5.3.1.8: at least 100)."""
    errors: int = 20
    """Refused commands before 421."""
    junk_commands: int = 100
    """Junk commands since the last letter; each one beyond them is an error. 0 is no limit."""
    auth_failures: int = 5
    """Failed logins before 421 (RFC 4954 §9)."""
    command_timeout: float = 300.0
    """Seconds for a whole command (RFC 5321 §4.5.3.2.7)."""
    data_timeout: float = 180.0
    """Seconds between pieces of a content (RFC 5321 §4.5.3.2.5)."""
    header_size: int = 262144
    """Octets of a header section."""
    data_rate: int = 128
    """Minimum average octets a second of a content, after `data_timeout`."""
    busy_timeout: float = 30.0
    """Maximum of the other timeouts, in seconds, while the server is busy."""
    greet_delay: float = 0.0
    """Seconds before the greeting; a client that sends earlier is rejected (RFC 5321 §4.3.1)."""


class ErrorDelay(Protocol):
    """Delay of replies to a client that makes errors, as `mailstack.policy.limits.Tarpit`."""

    async def pause(self, seconds: float) -> None: ...

    async def hold(self, errors: int) -> None:
        """Wait until the reply to the client's error of this number may be sent."""


_NO_XCLIENT = XClient()
"""XCLIENT state before any XCLIENT."""


Handler = Callable[[Any, Any], Awaitable[Reply]]
"""Coroutine of a session that handles one kind of command."""
Handlers = Mapping[type, Handler]


class Gone(Exception):
    """The connection ended in the middle of a command, so no reply can be sent."""


class ListenerContext(Struct, frozen=True):
    """Limits, policies and counters that all sessions of a listener share."""

    limits: SessionLimits = SessionLimits()
    authenticator: Authenticator | None = None
    """Check of credentials; None offers no AUTH."""
    require_tls: bool = True
    """Whether AUTH is offered under TLS only (RFC 4954 §4)."""
    tarpit: ErrorDelay | None = None
    """Delay of a client that makes errors; None delays no client."""
    is_busy: Callable[[], bool] = lambda: False
    """Whether so many connections are open that timeouts are short."""
    monotonic: Callable[[], float] | None = None
    """Monotonic seconds of the client; None uses the session's clock, which can be advanced."""
    recipient_budget: MemoryBudget = field(default_factory=MemoryBudget)
    """Memory for the recipients of all transactions."""
    sessions: Sessions | None = None
    """Registry of logins, which ends a session after a change of its credentials; None ends no session."""
    is_exempt: Callable[[str], bool] = lambda _: False
    """Whether a client at an address may send any number of junk commands."""


@lru_cache(maxsize=64)
def _with_state(listener: Capabilities, **now: Any) -> Capabilities:
    """Capabilities of a listener for one state of TLS and AUTH. Most connections share one value."""
    return replace(listener, **now)


class SessionState:
    """State of one connection."""

    # Slots save memory: thousands of sessions are idle at a time.
    __slots__ = (
        "_arriving",
        "_auth_failures",
        "_clock",
        "_engine",
        "_errors",
        "_header_hooks",
        "_hooks",
        "_is_busy",
        "_is_logged_out",
        "_junk",
        "_letters",
        "_limits",
        "_listener",
        "_log_out",
        "_login",
        "_mail",
        "_monotonic",
        "_peer",
        "_recipient_budget",
        "_xclient",
        "_xclient_allowed",
        "identity",
        "recipients",
        "rules",
        "sender",
    )

    def __init__(
        self,
        peer: Peer[ServerEvent],
        engine: ServerEngine,
        rules: ReceivingRules,
        clock: Clock,
        listener: ListenerContext | None = None,
        *,
        xclient_allowed: bool = False,
        log_out: Callable[[], None] = lambda: None,
    ) -> None:
        """`xclient_allowed` offers XCLIENT. `log_out` ends the connection after a change of credentials."""
        listener = listener or ListenerContext()
        self.rules = rules
        self.identity: AuthenticatedUser | None = None
        self.sender: ReversePath = None
        self.recipients: list[Recipient] = []
        self._mail: Mail | None = None
        self._arriving: IncomingContent | None = None
        self._peer = peer
        self._engine = engine
        self._clock = clock
        self._listener = listener
        self._limits = listener.limits
        self._is_busy = listener.is_busy
        self._monotonic = listener.monotonic or clock.steady
        self._recipient_budget = listener.recipient_budget
        self._xclient_allowed = xclient_allowed
        self._xclient = _NO_XCLIENT
        self._letters = 0
        self._errors = 0
        self._auth_failures = 0
        self._junk = 0
        self._hooks: Sequence[IncomingHook] = ()
        """Hooks of the extensions that the transaction uses."""
        self._header_hooks: Sequence[HeaderHook] = ()
        """Hooks that read the header sections of this client's letters."""
        self._log_out = log_out
        self._login: OpenSession | None = None
        self._is_logged_out = False

    @property
    def remote(self) -> HostPort:
        """Address and port of the client, from XCLIENT or the connection."""
        if self._xclient.address is None:
            return self._peer.remote
        return HostPort(self._xclient.address, self._xclient.port or 0)

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    @property
    def account(self) -> str | None:
        return self.identity.account if self.identity else None

    @property
    def declared_size(self) -> int:
        return (self._mail.size or 0) if self._mail else 0

    @property
    def helo(self) -> str:
        return self._xclient.hello or (self._engine.hello.domain if self._engine.hello else "")

    @property
    def must_start_tls(self) -> bool:
        return self._listener.require_tls and self._peer.can_start_tls

    @property
    def _greeting(self) -> Reply:
        return reply(220, None, f"{self.rules.hostname} ESMTP mailstack")

    def _timeout(self, usual: float) -> float:
        """Timeout in seconds: `usual`, or a short one while the listener is busy."""
        return min(usual, self._limits.busy_timeout) if self._is_busy() else usual

    def _end(self, ending: Ending) -> None:
        """Send the reason of the end if the connection is still open (RFC 5321 §3.8, §4.5.3.2)."""
        host = self.rules.hostname
        if isinstance(ending, ShuttingDown):
            self._peer.send(self._engine.unsolicited(reply(421, "4.3.2", f"{host} is shutting down", closes=True)))
        elif isinstance(ending, TimedOut):
            reason = "is busy and can't wait longer" if self._is_busy() else "waited too long"
            self._peer.send(self._engine.unsolicited(reply(421, "4.4.2", f"{host} {reason}, closing", closes=True)))
        elif isinstance(ending, LoggedOut):
            self._peer.send(self._engine.unsolicited(LOGGED_OUT))

    def _update_capabilities(self) -> None:
        """Set the extensions of the next EHLO reply for the present state of TLS and AUTH."""
        self._engine.capabilities = _with_state(
            self._engine.capabilities,
            starttls=self._peer.can_start_tls,
            mechanisms=self._mechanisms(),
            logins=self._listener.authenticator is not None,
            xclient=self._xclient_allowed,
            # Whole seconds, as in EHLO, so that connections of the same second share one value.
            since=self._clock.now() // 1 if self._engine.capabilities.max_hold else 0.0,
        )
        self._engine.tls = self.tls is not None
        self._engine.authenticated = self.identity is not None

    def _mechanisms(self) -> tuple[str, ...]:
        if self._listener.authenticator is None or (self.tls is None and self._listener.require_tls):
            return ()
        return offered(self._listener.authenticator, self._channel())

    def _channel(self) -> Channel:
        return Channel.for_peer(self._peer, self.rules.hostname)

    def _reset_transaction(self) -> None:
        """End the transaction (RFC 5321 §4.1.1.5)."""
        self.sender, self._mail = None, None
        self._recipient_budget.used -= RECIPIENT_OCTETS * len(self.recipients)
        self.recipients = []
        if self._arriving is not None:
            self._arriving.discard()
            self._arriving = None

    def _close_login(self) -> None:
        if self._login is not None:
            self._login.close()
            self._login = None


class AuthenticatedUser(Struct, frozen=True):
    """Authenticated account and SASL mechanism."""

    login: AccountLogin
    mechanism: str

    @property
    def account(self) -> str:
        return self.login.account
