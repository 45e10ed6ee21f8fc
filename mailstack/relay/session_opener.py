"""Session opener: connects to hosts, secures and authenticates the connection."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Clock, ConnectFailed, Connector, Peer
from mailstack.protocols.sasl.client import Derive
from mailstack.protocols.smtp.client import ClientEngine, ClientEvent
from mailstack.protocols.smtp.client_session import SmtpClientSession, SmtpSessionError, Timeouts
from mailstack.queue.attempt import ProgressWatch
from mailstack.relay.hosts import TargetHost
from mailstack.relay.routes import SmartHostCredentials
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.relay.trouble import clean
from mailstack.store.tls_results import AppliedPolicy, ResultType, SessionFailure, SessionResults

MAX_OCTETS = 10_240
"""Maximum octets of a token: what fits into a line of AUTH (RFC 4954 §4)."""

# RFC 6750 §2.1: b64token
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*\Z")


def read_token(file: Path) -> str:
    """Reads the token from a file, without surrounding white space. Raises OSError, and ValueError if it is invalid."""
    with file.open("rb") as opened:
        octets = opened.read(MAX_OCTETS + 1)
    return token_from(octets, str(file))


def token_from(octets: bytes, where: str) -> str:
    """Parses a token. Raises ValueError, which never contains the text."""
    text = octets.decode("ascii", "replace").strip()
    if len(octets) > MAX_OCTETS or not _TOKEN.match(text):
        raise ValueError(f"{where} holds no bearer token (RFC 6750 §2.1)")
    return text


_NOT_SUPPORTED: ResultType = "starttls-not-supported"
_ANY_FAULT: ResultType = "validation-failure"


class ConnectionLimits(Struct, frozen=True):
    """Times and numbers of connections."""

    connect: float = 30.0
    """Seconds to open a connection, with implicit TLS included."""
    connect_next: float = 5.0
    """Seconds to open a connection if the host has another address: broken IPv6 costs no more than that."""
    handshake: float = 60.0
    """Seconds for STARTTLS and its TLS handshake."""
    idle: float = 2.0
    """Seconds for which an idle connection stays open after a letter."""
    letters: int = 100
    """Maximum number of letters over one connection."""
    max_idle: int = 100
    """Maximum number of idle connections."""
    without_tls: float = 600.0
    """Seconds for which STARTTLS is not tried again after a failure."""
    remembered: int = 1000
    """Maximum number of hosts remembered as failing in TLS."""


class RelayConnection(Struct, eq=False):
    """Open SMTP session with the required TLS."""

    candidate: TargetHost
    peer: Peer[ClientEvent]
    session: SmtpClientSession
    security: TlsPolicy
    tls: TlsInfo | None = None
    letters: int = 0
    """Number of letters sent before the current one."""
    domains: set[str] = field(default_factory=set)
    """Domains of all recipients so far, in lower case and A-labels."""

    @property
    def is_used_up(self) -> bool:
        """Whether the host accepts no more letters in this session (RFC 9422 §4.1)."""
        max_letters = self.session.limits.letters
        return 0 < max_letters <= self.session.transactions

    def accepts_domain(self, domain: str) -> bool:
        """Whether the session accepts recipients of this domain (RFC 9422 §4.3)."""
        max_domains = self.session.limits.domains
        return not max_domains or domain in self.domains or len(self.domains) < max_domains

    def drop(self) -> None:
        """Closes the connection without QUIT, as after an error."""
        self.peer.close()

    def new_lines(self) -> list[str]:
        """Removes and returns the dialogue since the last call: a connection may serve many letters."""
        lines = self.session.dialogue.copy()
        self.session.dialogue.clear()
        return lines


class Call(Struct, frozen=True):
    """Request for one new connection."""

    candidate: TargetHost
    security: TlsPolicy
    transcript: list[str]
    """Lines of the journey, to which the dialogue is appended."""
    domain: str = ""
    """Domain for which TLS reports count the session; empty where the operator decided about TLS."""
    has_alternative: bool = False
    """Whether another address of this host is called next."""
    watch: ProgressWatch | None = None
    """Signs of progress of the attempt."""


_Host = tuple[str, HostPort]


def _host(candidate: TargetHost) -> _Host:
    return candidate.host, candidate.address


def _policy(call: Call) -> AppliedPolicy:
    return call.security.published or AppliedPolicy("no-policy-found", call.domain)


class SessionOpener:
    """Opens connections to hosts with the required TLS."""

    def __init__(  # noqa: PLR0917  # collaborators, each of a type of its own
        self,
        connector: Connector,
        clock: Clock,
        hostname: str,
        limits: ConnectionLimits,
        timeouts: Timeouts,
        derive: Derive,
        results: SessionResults | None,
    ) -> None:
        """`hostname` is the name in EHLO; `derive` computes the SCRAM keys; `results` counts TLS results."""
        self._connector = connector
        self._clock = clock
        self._hostname = hostname
        self._limits = limits
        self._timeouts = timeouts
        self._derive = derive
        self._results = results
        # Keyed by name and address: any domain may name an address, and must not affect the TLS of other names.
        self._tls_failed: TTLCache[_Host, str] = TTLCache(clock.steady, limits.without_tls, limits.remembered)
        self._testing_failures: TTLCache[_Host, SessionFailure] = TTLCache(
            clock.steady, limits.without_tls, limits.remembered
        )
        """Failures of hosts under a policy in testing, which is not tried again soon."""

    async def open(self, call: Call) -> RelayConnection:
        """Opens a connection. For TLS reports, an MTA-STS policy in testing is tried first as if it were enforced."""
        host = _host(call.candidate)
        if self._results is not None and call.security.testing:
            if (result_type := self._testing_failures.get(host)) is not None:
                connection = await self._open_with_fallback(replace(call, domain=""))
                self._results.count(call.domain, _policy(call), result_type)
                return connection
            try:
                return await self._connect(call, start_tls=True, testing=True)
            except SmtpSessionError as trouble:
                if trouble.stage != "starttls":
                    raise
            call.transcript.append("-- connecting again: the MTA-STS policy of the domain is in testing")
            call = replace(call, domain="")
        return await self._open_with_fallback(call)

    async def _open_with_fallback(self, call: Call) -> RelayConnection:
        """Opens a connection; if opportunistic TLS fails (RFC 7435), a new one without TLS (RFC 3207 §4.1)."""
        level, host = call.security.level, _host(call.candidate)
        if level is not TlsLevel.OPPORTUNISTIC:
            return await self._connect(call, start_tls=level is not TlsLevel.NEVER)
        try:
            return await self._connect(call, start_tls=self._tls_failed.get(host) is None)
        except SmtpSessionError as trouble:
            if trouble.stage != "starttls":
                raise
            self._tls_failed.put(host, str(trouble))
            call.transcript.append("-- connecting again, without TLS")
        return await self._connect(call, start_tls=False)

    async def _connect(self, call: Call, *, start_tls: bool, testing: bool = False) -> RelayConnection:
        candidate, security, transcript = call.candidate, call.security, call.transcript
        engine = ClientEngine()
        try:
            peer: Peer[ClientEvent] = await self._connector.connect(
                candidate.address,
                engine,
                timeout=self._limits.connect_next if call.has_alternative else self._limits.connect,
                tls=security.implicit,
                server_name=candidate.host,
                verify=security.verify,
                dane=security.dane,
                source=None if candidate.source_address is None else candidate.source_address.source,
            )
        except ConnectFailed as error:
            transcript.append(f"-- {candidate}: {error}")
            raise
        transcript.append(f"-- connected to {candidate}")
        own_name = "" if candidate.source_address is None else candidate.source_address.ehlo_name
        session = SmtpClientSession(peer, engine, own_name or self._hostname, self._timeouts, lmtp=candidate.lmtp)
        connection = RelayConnection(candidate, peer, session, security)
        if call.watch is not None:
            call.watch.step()
            call.watch.session = session
        try:
            await session.open()
            if start_tls and not security.implicit:
                await self._negotiate_tls(call, connection, testing=testing)
            if credentials := candidate.credentials:
                await self._authenticate(session, credentials)
        except SmtpSessionError as trouble:
            if trouble.reply is None or trouble.reply.closes:
                connection.drop()
            else:
                # A host that refuses the session still gets QUIT (RFC 5321 §3.1, §4.1.1.10).
                self._clock.spawn(session.quit())
            raise
        except BaseException:
            connection.drop()
            raise
        finally:
            transcript += connection.new_lines()
        connection.tls = peer.tls
        return connection

    async def _authenticate(self, session: SmtpClientSession, credentials: SmartHostCredentials) -> None:
        """Raises SmtpSessionError."""
        if credentials.token_file is None:
            await session.authenticate(credentials.username, credentials.password, derive=self._derive)
            return
        try:
            token = read_token(credentials.token_file)
        except (OSError, ValueError) as trouble:
            raise SmtpSessionError("auth", None, f"the token can't be read: {trouble}") from None
        await session.authenticate_by_token(credentials.username, token)

    async def _negotiate_tls(self, call: Call, connection: RelayConnection, *, testing: bool) -> None:
        """Runs STARTTLS, and counts its result. Raises SmtpSessionError."""
        # The address is known only before TLS, and while the connection is open.
        local = connection.peer.local.host if self._results is not None else ""
        offered = "STARTTLS" in connection.session.extensions
        kind = reason = ""
        try:
            if not await self._start_tls(connection, testing=testing):
                kind = _NOT_SUPPORTED
        except SmtpSessionError as trouble:
            refused = trouble.reply is not None or not offered
            kind, reason = (_NOT_SUPPORTED, "") if refused else (trouble.fault or _ANY_FAULT, trouble.reason)
            self._count_result(call, local, kind, reason)
            raise
        self._count_result(call, local, kind, reason)

    def _count_result(self, call: Call, local: str, kind: str, reason: str) -> None:
        if self._results is None or not call.domain:
            return
        host, wrong = call.candidate, call.security.fault
        if not kind and wrong is not None:
            kind, reason = wrong.type, wrong.reason
        failure = None
        if kind:
            result_type: ResultType = kind  # type: ignore[assignment]  # of our own words
            failure = SessionFailure(result_type, local, host.host, host.address.host, clean(reason))
            if call.security.testing:
                self._testing_failures.put(_host(host), failure)
        self._results.count(call.domain, _policy(call), failure)

    async def _start_tls(self, connection: RelayConnection, *, testing: bool) -> bool:
        """Runs STARTTLS if it is offered; returns whether. Raises SmtpSessionError if it fails, or is required and not offered."""
        session, security = connection.session, connection.security
        if "STARTTLS" not in session.extensions:
            if security.level is TlsLevel.OPPORTUNISTIC and not testing:
                return False
            raise SmtpSessionError("starttls", None, "TLS is required here, and the host does not offer it")
        # A timeout for hosts that reply 220 and never complete the handshake.
        timeout_texts: list[str] = []

        def on_timeout() -> None:
            timeout_texts.append(f"it took longer than {self._limits.handshake:g} seconds")
            connection.drop()

        stop_timer = self._clock.call_later(self._limits.handshake, on_timeout)
        try:
            # RFC 7672 §8.1: the name under which the TLSA records were found.
            name = security.dane.names[0] if security.dane else connection.candidate.host
            await session.start_tls(name, verify=security.verify or testing, dane=security.dane)
        except SmtpSessionError as trouble:
            if trouble.stage != "starttls" or trouble.reply is not None:
                raise
            reason = f"the TLS handshake failed: {timeout_texts[0]}" if timeout_texts else trouble.reason
            session.dialogue.append(f"-- {reason}")
            raise SmtpSessionError("starttls", None, reason, trouble.fault) from trouble
        finally:
            stop_timer()
        return True
