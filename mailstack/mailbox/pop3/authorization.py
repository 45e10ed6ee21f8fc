"""AUTHORIZATION state and dialogue of POP3 (RFC 1939 §4, RFC 2449 §6.5)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

from msgspec import Struct

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.mailbox.login import LoginFailure, LoginRefused, MailboxLogin, SessionEnded
from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.protocols.connection import Ending, LoggedOut, Peer, ShuttingDown
from mailstack.protocols.pop3.commands import (
    Apop,
    AuthList,
    Capa,
    Lang,
    Pop3Auth,
    Pop3AuthResponse,
    Pop3Event,
    Pop3Pass,
    Pop3Quit,
    Pop3Rejected,
    Pop3User,
    Stls,
    Utf8,
)
from mailstack.protocols.pop3.server import LANGUAGES, Code, Pop3ServerEngine, choose_language
from mailstack.protocols.sasl import (
    AccountLogin,
    Authenticator,
    Cancelled,
    Channel,
    Credentials,
    DigestProof,
    Malformed,
    Sessions,
)
from mailstack.protocols.sasl.cram import fresh_id
from mailstack.store import Damaged, MailboxStore, Maildrop, MaildropInUse, StoreError

_log = logging.getLogger(__name__)


class Pop3Limits(Struct, frozen=True):
    """Limits of one connection; every value is a setting."""

    idle_timeout: float = 600.0
    """Maximum seconds without a whole command (RFC 1939 §3: at least 600)."""
    write_timeout: float = 120.0
    """Maximum seconds for a client to accept output; the maildrop stays locked for that time."""
    failure_delay: float = 2.0
    """Seconds before a wrong password is answered."""
    auth_failures: int = 3
    """Maximum wrong passwords before the connection is closed."""
    errors: int = 20
    """Maximum refused commands in a row before the connection is closed."""
    sets_seen: bool = True
    r"""Whether collected messages get \Seen, which IMAP clients show."""


class Dialogue:
    """Peer and engine of a session, for its two states."""

    def __init__(
        self,
        peer: Peer[Pop3Event],
        engine: Pop3ServerEngine,
        limits: Pop3Limits,
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`pause` returns after a number of seconds; 0 lets other sessions run."""
        self.pause = pause
        self.engine = engine
        self.limits = limits
        self._peer = peer
        self._errors = 0

    @property
    def remote(self) -> HostPort:
        return self._peer.remote

    @property
    def tls(self) -> TlsInfo | None:
        return self._peer.tls

    def channel(self, host: str) -> Channel:
        """Returns the connection for a SASL mechanism; `host` is the host name of the server."""
        return Channel.for_peer(self._peer, host)

    async def next(self) -> Pop3Event:
        """Returns the next command, once earlier replies are sent. Raises SessionEnded."""
        await self.drain()
        event = await self._peer.next_event(self.limits.idle_timeout)
        if isinstance(event, Ending):
            # RFC 1939 §3: after a timeout the session is closed without UPDATE and without a reply.
            if isinstance(event, ShuttingDown):
                self.err("the server is shutting down", Code.SYS_TEMP)
            elif isinstance(event, LoggedOut):
                self.err("login is no longer valid, closing connection", Code.SYS_TEMP)
            raise SessionEnded
        return event

    async def drain(self) -> None:
        """Waits until most of the output is sent. Raises SessionEnded."""
        if not await self._peer.drain(self.limits.write_timeout):
            raise SessionEnded

    def send(self, octets: bytes) -> None:
        self._peer.send(octets)

    def ok(self, text: str = "") -> None:
        self._errors = 0
        self.send(self.engine.ok(text))

    def err(self, text: str, code: Code | None = None) -> None:
        """Sends an error reply. Raises SessionEnded after too many errors."""
        self.send(self.engine.err(text, code))
        self._errors += 1
        if self._errors >= self.limits.errors:
            raise SessionEnded

    def trouble(self, doing: str, error: StoreError) -> None:
        """Reports a failure of the store, which never counts as an error of the client (RFC 3206 §4)."""
        _log.error("can't %s: %s", doing, error)
        if isinstance(error, Damaged):
            self.err("local error: the message is damaged, contact the postmaster", Code.SYS_PERM)
        else:
            self.err("local error, try again later", Code.SYS_TEMP)

    async def start_tls(self) -> None:
        """STLS (RFC 2595 §4)."""
        if not self._peer.can_start_tls:
            self.err("TLS is not available here")
            return
        self.ok("begin TLS")
        if not await self._peer.start_tls():
            raise SessionEnded

    def answer_common(self, event: Pop3Event) -> None:
        """Answers a command that is the same before and after login."""
        match event:
            case Capa():
                lines = self.engine.capabilities(stls=self._peer.can_start_tls)
                self.send(self.engine.listing("capabilities follow", lines))
            case Lang(None):
                self.send(self.engine.listing("languages follow", [f"{tag} {name}" for tag, name in LANGUAGES.items()]))
            case Lang(str(wanted)):
                tag = choose_language(wanted)
                self.err("language not supported") if tag is None else self.ok(f"{tag} language changed")
            case Pop3Rejected(text):
                self.err(text)
            case Pop3Quit():
                self.ok("goodbye")
                raise SessionEnded
            case _:
                raise AssertionError(f"unexpected {type(event).__name__} in this state")


class LoginDelay:
    """Time of the last login of each account, for all sessions of a server. Unused without a delay."""

    def __init__(self, seconds: int, now: Callable[[], float], table: CounterTable | None = None) -> None:
        """`seconds` is the minimum from one login to the next; 0 disables it. `now` returns seconds."""
        self.seconds = seconds
        self._now = now
        self._table = table or LocalCounterTable(now)

    def wait(self, account: str) -> float:
        """Returns the seconds until the account may log in; 0 for now."""
        if not self.seconds:
            return 0.0
        with self._table.entry(account) as entry:
            return max(0.0, entry[0] - self._now())

    def logged_in(self, account: str) -> None:
        if self.seconds:
            with self._table.entry(account) as entry:
                entry[0] = self._now() + self.seconds


_CODES = {LoginFailure.DENIED: Code.AUTH, LoginFailure.UNAVAILABLE: Code.SYS_TEMP}


class Authorization:
    """Part of a session from the greeting to a locked maildrop."""

    def __init__(
        self,
        dialogue: Dialogue,
        authenticator: Authenticator,
        mailboxes: MailboxStore,
        *,
        server: str,
        holder: str,
        delay: LoginDelay | None = None,
        sessions: Sessions | None = None,
        log_out: Callable[[], None] = lambda: None,
    ) -> None:
        """`holder` identifies this session in the maildrop's lock. `delay` is shared by all sessions.

        `sessions` registers the login, and calls `log_out` when it becomes invalid; None: no login becomes invalid.
        """
        self._dialogue = dialogue
        self._engine = dialogue.engine
        self._login = MailboxLogin(
            dialogue, dialogue.limits, authenticator, server=server, sessions=sessions, log_out=log_out
        )
        self._mailboxes = mailboxes
        self._server = server
        self._holder = holder
        self._login_delay = delay
        # APOP needs the password itself, so it is only for accounts with a stored plain password.
        self._stamp = fresh_id(server) if DigestProof in authenticator.kinds else b""
        self._engine.apop = bool(self._stamp)

    def greet(self) -> None:
        """Sends the greeting, with a timestamp if APOP is offered (RFC 1939 §7)."""
        self._dialogue.ok(f"{self._server} POP3 server ready {self._stamp.decode()}".rstrip())

    async def login(self) -> Maildrop:
        """Logs in and locks the maildrop; the reply to the last command is still owed. Raises SessionEnded."""
        name = ""
        while True:
            maildrop: Maildrop | None = None
            event = await self._dialogue.next()
            self._engine.mechanisms = self._login.mechanisms
            match event:
                case Pop3User(name):
                    self._dialogue.ok("send PASS")
                case Pop3Pass(password):
                    credentials = Credentials(username=name, password=password, mechanism="USER")
                    maildrop = await self._enter(self._login.check(credentials), name)
                case Apop(user, digest):
                    proof = DigestProof(username=user, mechanism="APOP", challenge=self._stamp, digest=digest)
                    maildrop = await self._enter(self._login.check(proof), user)
                case Pop3Auth(mechanism, initial):
                    maildrop = await self._authenticate(mechanism, initial)
                case AuthList():
                    self._dialogue.send(self._engine.listing("mechanisms follow", self._engine.mechanisms))
                case Stls():
                    await self._dialogue.start_tls()
                case Utf8():
                    self._dialogue.ok("messages come in UTF-8")
                case _:
                    self._dialogue.answer_common(event)
            if maildrop is not None:
                return maildrop

    def close(self) -> None:
        """Releases the login at the end of the session."""
        self._login.close()

    async def _authenticate(self, mechanism: str, initial: bytes | None) -> Maildrop | None:
        """AUTH (RFC 5034 §4)."""
        if mechanism not in self._engine.mechanisms:
            self._dialogue.err("unknown mechanism")
            return None
        return await self._enter(self._login.exchange(mechanism, initial, self._challenge), mechanism)

    async def _challenge(self, challenge: bytes) -> bytes:
        """Returns the response to a challenge. Raises Cancelled, Malformed."""
        self._dialogue.send(self._engine.challenge(challenge))
        event = await self._dialogue.next()
        if isinstance(event, Pop3Rejected):
            raise Malformed(event.text)
        assert isinstance(event, Pop3AuthResponse), "nothing else follows a challenge"
        if event.response is None:
            raise Cancelled
        return event.response

    async def _enter(self, proving: Awaitable[AccountLogin], login_name: str) -> Maildrop | None:
        """Opens the maildrop; returns None after an error reply (RFC 2449 §8, RFC 3206)."""
        try:
            login = await self._login.prove(proving, login_name)
            account = login.account
            if self._login_delay is not None and (wait := self._login_delay.wait(account)):
                self._dialogue.err(f"log in again in {math.ceil(wait)} seconds", Code.LOGIN_DELAY)
                return None
            maildrop = await self._mailboxes.open(account, self._holder)
        except LoginRefused as refused:
            self._dialogue.err(str(refused), _CODES.get(refused.failure))
            if self._login.is_exhausted:
                raise SessionEnded from None
        except MaildropInUse:
            self._dialogue.err("another session has the maildrop open", Code.IN_USE)
        except StoreError as error:
            self._dialogue.trouble("open a maildrop", error)
        else:
            self._enter_transaction(login)
            return maildrop
        return None

    def _enter_transaction(self, login: AccountLogin) -> None:
        self._engine.logged_in()
        if self._login_delay is not None:
            self._login_delay.logged_in(login.account)
        self._login.open(login)
