"""The conversation of a receiving host: one coroutine that asks its station what to answer (RFC 5321 §4.1.4)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar

from msgspec.structs import replace

from mailstack.letter import Arrival, Envelope, Letter, Recipient, ReversePath, new_letter_id
from mailstack.protocols.connection import (
    Clock,
    Ending,
    HostPort,
    LoggedOut,
    Peer,
    ResourceError,
    ShuttingDown,
    TimedOut,
    TlsInfo,
)
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.protocols.sasl import (
    AccountLogin,
    Authenticator,
    Cancelled,
    Channel,
    Denied,
    OpenSession,
    SaslExchange,
    Sessions,
    Unavailable,
    offered,
)
from mailstack.protocols.smtp.authenticate import AuthenticatedUser, authenticate
from mailstack.protocols.smtp.commands import (
    Auth,
    AuthResponse,
    Bdat,
    Chunk,
    Data,
    EndOfData,
    Expand,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rejected,
    Reset,
    ServerEvent,
    StartTls,
    Verify,
    XClient,
)
from mailstack.protocols.smtp.extensions import INCOMING_HOOKS, incoming_hooks
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.hooks import HeaderHook, IncomingHook
from mailstack.protocols.smtp.incoming_content import IncomingContent
from mailstack.protocols.smtp.limits import FEWEST_RECIPIENTS, RECIPIENT, SessionLimits, Toll
from mailstack.protocols.smtp.receiving_rules import Facts, ReceivingRules
from mailstack.protocols.smtp.replies import Refusal, Reply, reply
from mailstack.protocols.smtp.server import ServerEngine
from mailstack.protocols.smtp.standard_replies import (
    AUTH_UNAVAILABLE,
    AUTHENTICATED,
    BAD_CREDENTIALS,
    CANNOT_VERIFY,
    CHUNK_OK,
    GOODBYE,
    LOCAL_ERROR,
    LOGGED_OUT,
    NO_EXPANSION,
    NO_TLS,
    OK,
    RECIPIENT_OK,
    SENDER_OK,
    SPOKE_EARLY,
    START_DATA,
    TLS_GO_AHEAD,
    TOO_MANY_ERRORS,
    TOO_MANY_GUESSES,
    TOO_MANY_LETTERS,
    TOO_MANY_RECIPIENTS,
    queued_as,
)

_log = logging.getLogger(__name__)


@lru_cache(maxsize=64)
def _now(listener: Capabilities, **now: Any) -> Capabilities:
    """What a listener can do as things stand. Most connections can do the same, and share it."""
    return replace(listener, **now)


_JUNK = frozenset({Hello, Mail, Reset, Noop, Verify, Help})
"""Commands that cost a client nothing, and of which a letter needs few (as Postfix's `smtpd_junk_command_limit`)."""

_NOBODY = XClient()
"""Whom a client speaks for that has not said so."""


class ServerSession:
    """What is known of one connection, and what it is told."""

    # Thousands of these are idle at a time: slots keep each small.
    __slots__ = (
        "_arriving",
        "_authenticator",
        "_clock",
        "_crowd",
        "_elapsed",
        "_engine",
        "_errors",
        "_guesses",
        "_header_hooks",
        "_hooks",
        "_is_busy",
        "_is_exempt",
        "_is_logged_out",
        "_junk",
        "_letters",
        "_limits",
        "_log_out",
        "_login",
        "_mail",
        "_may_speak_for_others",
        "_peer",
        "_require_tls",
        "_sessions",
        "_spoken_for",
        "_toll",
        "identity",
        "recipients",
        "sender",
        "station",
    )

    def __init__(
        self,
        peer: Peer[ServerEvent],
        engine: ServerEngine,
        station: ReceivingRules,
        clock: Clock,
        *,
        limits: SessionLimits | None = None,
        authenticator: Authenticator | None = None,
        require_tls: bool = True,
        may_speak_for_others: bool = False,
        toll: Toll | None = None,
        is_busy: Callable[[], bool] = lambda: False,
        elapsed: Callable[[], float] | None = None,
        crowd: MemoryBudget | None = None,
        sessions: Sessions | None = None,
        log_out: Callable[[], None] = lambda: None,
        is_exempt: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Without an `authenticator` AUTH is not offered; with `require_tls` only under TLS (RFC 4954 §4).

        `may_speak_for_others` offers XCLIENT. `toll` is what errors cost. `is_busy` says whether so many are here that
        nobody may be slow. `elapsed` gives seconds, for how long a client takes; None: by the `clock`, which may be moved.
        `sessions` registers each login, and `log_out` ends the connection when it does not hold any longer; None: no
        change ends a login.
        `crowd` is for the recipients of all sessions; None: this one is alone. `is_exempt` says of a client's address
        whether it may send any number of junk commands.
        """
        self.station = station
        self.identity: AuthenticatedUser | None = None
        self.sender: ReversePath = None
        self.recipients: list[Recipient] = []
        self._require_tls = require_tls
        self._mail: Mail | None = None
        self._arriving: IncomingContent | None = None
        self._peer = peer
        self._engine = engine
        self._clock = clock
        self._limits = limits or SessionLimits()
        self._authenticator = authenticator
        self._may_speak_for_others = may_speak_for_others
        self._spoken_for = _NOBODY
        self._letters = 0
        self._toll = toll
        self._is_busy = is_busy
        self._elapsed = elapsed or clock.steady
        self._errors = 0
        self._guesses = 0
        self._junk = 0
        self._hooks: Sequence[IncomingHook] = ()
        """Hooks of the extensions that the transaction uses."""
        self._header_hooks: Sequence[HeaderHook] = ()
        """Hooks that read the header sections of this client's letters."""
        self._is_exempt = is_exempt
        self._crowd = crowd or MemoryBudget()
        self._sessions = sessions
        self._log_out = log_out
        self._login: OpenSession | None = None
        self._is_logged_out = False

    @property
    def remote(self) -> HostPort:
        """Who the client is: at the other end of the connection, or spoken for by the host that is there."""
        there, said = self._peer.remote, self._spoken_for
        if said.address is None:
            return there
        return HostPort(said.address, said.port or 0)

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
        return self._spoken_for.hello or (self._engine.hello.domain if self._engine.hello else "")

    @property
    def must_start_tls(self) -> bool:
        return self._require_tls and self._peer.can_start_tls

    @property
    def _greeting(self) -> Reply:
        return reply(220, None, f"{self.station.hostname} ESMTP mailstack")

    async def converse(self) -> None:
        """From the greeting to the last reply."""
        self._offer()
        greeting = await self._welcome()
        self._peer.send(self._engine.greet(greeting))
        if greeting.closes:
            return
        try:
            while await self._one_command():
                pass
        except _Gone:
            pass
        finally:
            # Chunks of a letter whose last never came.
            self._forget()
            self._close_login()

    async def _welcome(self) -> Reply:
        """The greeting: 220, or 554 after which we wait for QUIT (RFC 5321 §3.1)."""
        host = self.station.hostname
        self._header_hooks = self.station.header_hooks(self)
        try:
            await self.station.check_client(self)
            await self._wait_for_early_talk()
        except Refusal as refusal:
            _log.info("turned %s away: %s", self.remote.host, refusal)
            return replace(refusal.reply, text=f"{host} {refusal.reply.text}")
        return self._greeting

    async def _wait_for_early_talk(self) -> None:
        """Raise the Refusal of a client that does not wait for our greeting (RFC 5321 §4.3.1)."""
        if self._limits.greet_delay and self._toll is not None:
            await self._toll.pause(self._limits.greet_delay)
            if self._engine.buffered:
                raise Refusal(SPOKE_EARLY, "spoke before the greeting")

    def _patience(self, usual: float) -> float:
        """How long we wait, in seconds, where `usual` is what we wait while there is room for everybody."""
        return min(usual, self._limits.busy_timeout) if self._is_busy() else usual

    async def _one_command(self) -> bool:
        """Whether the conversation goes on after it."""
        event = await self._peer.next_event(self._patience(self._limits.command_timeout))
        door = self._DOORS.get(type(event))
        if door is None:
            self._end(event)  # type: ignore[arg-type]
            return False
        answer = await self._ask(door, event)
        # What is only put off is no error of the client's: who has too many recipients, or is greylisted, must live to
        # send the others (RFC 5321 §4.5.3.1.10).
        if answer.code >= 500 or (type(event) in _JUNK and self._is_junk()):
            self._errors += 1
            if self._errors > self._limits.errors:
                answer = TOO_MANY_ERRORS
            elif self._toll is not None:
                await self._toll.hold(self._errors)
        self._peer.send(self._engine.answer(answer))
        if answer.closes:
            return False
        if answer is TLS_GO_AHEAD:
            await self._peer.start_tls()
            self.identity = None
            self._close_login()
            self._offer()
        return True

    def _is_junk(self) -> bool:
        """Count a junk command; whether it is one too many."""
        self._junk += 1
        limit = self._limits.junk_commands
        return 0 < limit < self._junk and not self._is_exempt(self.remote.host)

    async def _ask(self, door: Callable[[ServerSession, Any], Awaitable[Reply]], event: object) -> Reply:
        """The answer to an event, whatever goes wrong in finding it."""
        try:
            return await door(self, event)
        except Refusal as refusal:
            if refusal.reason:
                _log.info("refused %s: %s", self.remote.host, refusal)
            return refusal.reply
        except _Gone:
            raise
        except ResourceError as error:
            return self.station.counter.reply_to(error)
        except Exception:  # noqa: BLE001 - a bug: the client hears 451, the log hears more
            _log.exception("a command from %s could not be answered", self.remote.host)
            return LOCAL_ERROR

    def _end(self, ending: Ending) -> None:
        """Say why we go, if anybody hears it (RFC 5321 §3.8, §4.5.3.2)."""
        host = self.station.hostname
        if isinstance(ending, ShuttingDown):
            self._peer.send(self._engine.say(reply(421, "4.3.2", f"{host} is shutting down", closes=True)))
        elif isinstance(ending, TimedOut):
            why = "is busy and can't wait longer" if self._is_busy() else "waited too long"
            self._peer.send(self._engine.say(reply(421, "4.4.2", f"{host} {why}, closing", closes=True)))
        elif isinstance(ending, LoggedOut):
            self._peer.send(self._engine.say(LOGGED_OUT))

    def _offer(self) -> None:
        """What the next EHLO is answered with, as TLS and AUTH stand."""
        self._engine.capabilities = _now(
            self._engine.capabilities,
            starttls=self._peer.can_start_tls,
            mechanisms=self._mechanisms(),
            logins=self._authenticator is not None,
            xclient=self._may_speak_for_others,
            # To the second, as it is told: so that who comes within the same one can share what is made of it.
            since=self._clock.now() // 1 if self._engine.capabilities.max_hold else 0.0,
        )
        self._engine.tls = self.tls is not None
        self._engine.authenticated = self.identity is not None

    def _mechanisms(self) -> tuple[str, ...]:
        if self._authenticator is None or (self.tls is None and self._require_tls):
            return ()
        return offered(self._authenticator, self._channel())

    def _channel(self) -> Channel:
        return Channel.of(self._peer, self.station.hostname)

    # --- one coroutine for each command

    async def _hello(self, _: Hello) -> Reply:
        self._forget()
        if self.tls is not None:
            # Only now is the handshake over, and known what may be bound to it.
            self._offer()
        return reply(250, None, self.station.hostname)

    async def _take_sender(self, mail: Mail) -> Reply:
        # What the engine refuses for its grammar, or a chunk for its size, may end a transaction unseen here: nothing of
        # it may be left, its chunks and recipients least of all.
        self._forget()
        if self._engine.capabilities.max_letters and self._letters >= self._engine.capabilities.max_letters:
            return TOO_MANY_LETTERS
        await self.station.check_sender(self, mail)
        self.station.counter.check_room(mail.size or 0)
        answer: Reply | None = None
        self._hooks = ()
        if mail.parameters or mail.body in INCOMING_HOOKS:
            self._hooks = incoming_hooks(mail)
            for hook in self._hooks:
                mail, said = hook.accept_mail(mail, self.station, self, self._clock.now())
                answer = said or answer
        self._letters += 1
        self.sender, self._mail = mail.sender, mail
        return answer or SENDER_OK

    async def _take_recipient(self, rcpt: Rcpt) -> Reply:
        count = len(self.recipients)
        if count >= self._limits.max_recipients or (count >= FEWEST_RECIPIENTS and self._crowd.is_scarce):
            return TOO_MANY_RECIPIENTS
        await self.station.check_recipient(self, rcpt)
        self.recipients.append(Recipient(rcpt.address, parameters=rcpt.parameters))
        self._crowd.held += RECIPIENT
        return RECIPIENT_OK

    async def _reset(self, _: Reset) -> Reply:
        self._forget()
        return OK

    async def _noop(self, _: Noop) -> Reply:
        return OK

    async def _help(self, _: Help) -> Reply:
        return reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY AUTH STARTTLS QUIT; see RFC 5321")

    async def _verify(self, _: Verify) -> Reply:
        return CANNOT_VERIFY

    async def _expand(self, _: Expand) -> Reply:
        return NO_EXPANSION

    async def _rejected(self, rejected: Rejected) -> Reply:
        return rejected.reply

    async def _quit(self, _: Quit) -> Reply:
        return GOODBYE

    async def _start_tls(self, _: StartTls) -> Reply:
        if not self._peer.can_start_tls:
            return NO_TLS
        self._forget()
        return TLS_GO_AHEAD

    def _forget(self) -> None:
        """The transaction is over (RFC 5321 §4.1.1.5)."""
        self.sender, self._mail = None, None
        self._crowd.held -= RECIPIENT * len(self.recipients)
        self.recipients = []
        if self._arriving is not None:
            self._arriving.discard()
            self._arriving = None

    async def _speak_for(self, client: XClient) -> Reply:
        """The session begins anew, as that of the client that is named."""
        self._forget()
        if client.address is None:
            # A later XCLIENT may say the rest; it does not give the client the standing of the host in front.
            before = self._spoken_for
            client = replace(client, address=before.address, port=before.port)
        self._spoken_for = client
        self._close_login()
        self.identity = AuthenticatedUser(await self._login_of(client.login), "XCLIENT") if client.login else None
        self._errors = self._guesses = self._junk = self._letters = 0
        self._header_hooks = self.station.header_hooks(self)
        self._offer()
        _log.info("%s speaks for %s", self._peer.remote.host, self.remote.host)
        try:
            await self.station.check_client(self)
        except Refusal as refusal:
            raise Refusal(replace(refusal.reply, closes=True), refusal.reason) from None
        return self._greeting

    # --- AUTH (RFC 4954)

    async def _auth(self, auth: Auth) -> Reply:
        assert self._authenticator is not None, "the engine takes only the mechanisms that it offers"
        channel, remote = self._channel(), self.remote
        exchange = SaslExchange(auth.mechanism, auth.initial, channel, self._authenticator, remote, self._challenge)
        try:
            self.identity = await authenticate(exchange)
            self._register(self.identity.login)
        except Denied as denied:
            self._guesses += 1
            why = f": {denied.args[0]}" if denied.args else ""
            _log.info("AUTH %s from %s denied%s", auth.mechanism, remote.host, why)
            return TOO_MANY_GUESSES if self._guesses >= self._limits.auth_failures else BAD_CREDENTIALS
        self._offer()
        return AUTHENTICATED

    async def _login_of(self, account: str) -> AccountLogin:
        """The login to an account that the proxy in front has authenticated, registered. Raises Refusal."""
        if self._sessions is None:
            return AccountLogin(account)
        try:
            login = await self._sessions.login_of(account)
        except Unavailable as error:
            raise Refusal(AUTH_UNAVAILABLE, str(error)) from error
        self._register(login)
        return login

    def _register(self, login: AccountLogin) -> None:
        if self._sessions is not None:
            self._login = self._sessions.open(login, self._credentials_changed)

    def _credentials_changed(self) -> None:
        self._is_logged_out = True
        self._log_out()

    def _close_login(self) -> None:
        if self._login is not None:
            self._login.close()
            self._login = None

    async def _challenge(self, challenge: bytes) -> bytes:
        """The response to a challenge. Raises Cancelled, Refusal for one that is no base64."""
        self._peer.send(self._engine.challenge(challenge))
        event = await self._peer.next_event(self._patience(self._limits.command_timeout))
        if isinstance(event, AuthResponse):
            if event.response is None:
                raise Cancelled
            return event.response
        if isinstance(event, Rejected):
            raise Refusal(event.reply)
        self._end(event)  # type: ignore[arg-type]
        raise _Gone

    # --- DATA and BDAT

    async def _take_letter(self, _: Data) -> Reply:
        """354, the content, and the reply to its final dot."""
        try:
            for hook in self._hooks:
                hook.check_data()
            self.station.counter.check_room(self.declared_size)
        except Refusal:
            self._forget()
            raise
        self._arriving = arriving = self._begin_letter()
        self._peer.send(self._engine.answer(START_DATA))
        return await self._take_content(arriving, last=True)

    async def _take_chunk(self, chunk: Bdat) -> Reply:
        """The octets of a chunk, and the reply to it; the last one makes the letter (RFC 3030 §2)."""
        if self._arriving is None:
            self._arriving = self._begin_letter()
        return await self._take_content(self._arriving, last=chunk.last)

    async def _take_content(self, arriving: IncomingContent, *, last: bool) -> Reply:
        try:
            end = await self._receive(arriving)
            if end.fault is None:
                if not last:
                    return CHUNK_OK
                letter = await arriving.finish()
                facts = {**arriving.facts, "bare_newlines": True} if end.bare_newlines else arriving.facts
                answer = await self._accept(letter, facts)
                if answer.positive:
                    self._arriving = None
                    self._junk = 0
            else:
                answer = end.fault
        except BaseException:
            self._forget()
            raise
        self._forget()
        return answer

    async def _accept(self, letter: Letter, facts: Facts) -> Reply:
        if self._is_logged_out:
            raise Refusal(LOGGED_OUT, "the credentials have changed")
        await self.station.accept(letter, facts)
        # RFC 5321 §6.1: 250 is said by the line below the durable accept, and nowhere else.
        return queued_as(letter)

    def _begin_letter(self) -> IncomingContent:
        now = self._clock.now()
        assert self._mail is not None, "the engine's order table lets DATA and BDAT through only after MAIL"
        mail = self._mail
        envelope = Envelope(mail.sender, tuple(self.recipients), mail.body, mail.parameters)
        arrival = Arrival(
            at=now,
            office=self.station.hostname,
            protocol=self._protocol(),
            remote=self.remote,
            helo=self.helo,
            name=self.station.name_of(self),
            account=self.account,
            mechanism=self.identity.mechanism if self.identity else None,
            tls=self.tls,
        )
        return IncomingContent(
            self.station,
            new_letter_id(now),
            envelope,
            arrival,
            self._limits.header_size,
            hooks=self._hooks,
            header_hooks=self._header_hooks,
        )

    def _protocol(self) -> str:
        """The `with` clause (RFC 3848; RFC 6531 §4.3)."""
        if self._engine.hello is None or not self._engine.hello.extended or self._spoken_for.protocol == "SMTP":
            return "SMTP"
        language = "UTF8SMTP" if self._mail is not None and self._mail.smtputf8 else "ESMTP"
        return language + ("S" if self.tls else "") + ("A" if self.identity else "")

    async def _receive(self, arriving: IncomingContent) -> EndOfData:
        """Everything up to the final dot, or the end of the chunk; what fails on the way is told there (RFC 1870 §6.3)."""
        failure: BaseException | None = None
        begun, size = self._elapsed(), 0
        while True:
            # Who dribbles has less time for each piece, until there is none left.
            left = begun + self._limits.data_timeout + size / self._limits.data_rate - self._elapsed()
            event = await self._peer.next_event(self._patience(min(self._limits.data_timeout, left)))
            if isinstance(event, EndOfData):
                if failure is not None:
                    raise failure
                return event
            if not isinstance(event, Chunk):
                self._end(event)  # type: ignore[arg-type]
                raise _Gone
            size += len(event.octets)
            if failure is None:
                try:
                    await arriving.write(event.octets)
                except Refusal as refusal:
                    # Told at the end; without its traceback, which would hold the octets until then.
                    failure = Refusal(refusal.reply, refusal.reason)
                    arriving.discard()
                except Exception as error:  # noqa: BLE001 - the same, and a bug
                    failure = error
                    arriving.discard()
            # Thousands may wait for their next piece: let go of this one.
            del event

    _DOORS: ClassVar[dict[type, Callable[[ServerSession, Any], Awaitable[Reply]]]] = {
        Hello: _hello,
        Mail: _take_sender,
        Rcpt: _take_recipient,
        Data: _take_letter,
        Bdat: _take_chunk,
        Reset: _reset,
        Noop: _noop,
        Help: _help,
        Verify: _verify,
        Expand: _expand,
        StartTls: _start_tls,
        Auth: _auth,
        XClient: _speak_for,
        Quit: _quit,
        Rejected: _rejected,
    }
    """Which coroutine answers which command; whatever is not here is an Ending."""


class _Gone(Exception):
    """The connection ended in the middle of a command; nobody is there to answer."""
