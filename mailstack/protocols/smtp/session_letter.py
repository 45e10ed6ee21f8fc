"""SMTP server session: AUTH, XCLIENT, MAIL, RCPT, DATA, BDAT (RFC 5321 §6.1, RFC 4954)."""

from __future__ import annotations

import logging
from typing import ClassVar

from msgspec.structs import replace

from mailstack.letter import Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.protocols.sasl import MECHANISMS, AccountLogin, Cancelled, Denied, Malformed, SaslExchange, Unavailable
from mailstack.protocols.smtp.commands import (
    Auth,
    AuthResponse,
    Bdat,
    Chunk,
    Data,
    EndOfData,
    Mail,
    Rcpt,
    Rejected,
    XClient,
)
from mailstack.protocols.smtp.extensions import INCOMING_HOOKS, incoming_hooks
from mailstack.protocols.smtp.incoming_content import IncomingContent
from mailstack.protocols.smtp.receiving_rules import Facts
from mailstack.protocols.smtp.replies import (
    AUTH_CANCELLED,
    AUTH_MALFORMED,
    AUTH_UNAVAILABLE,
    AUTHENTICATED,
    BAD_CREDENTIALS,
    CHUNK_OK,
    LOGGED_OUT,
    RECIPIENT_OK,
    SENDER_OK,
    START_DATA,
    TOO_MANY_GUESSES,
    TOO_MANY_LETTERS,
    TOO_MANY_RECIPIENTS,
    Refusal,
    Reply,
    queued_as,
)
from mailstack.protocols.smtp.session_state import (
    MIN_RECIPIENTS,
    RECIPIENT_OCTETS,
    AuthenticatedUser,
    Gone,
    Handlers,
    SessionState,
)

_log = logging.getLogger(__name__)


async def authenticate(exchange: SaslExchange) -> AuthenticatedUser:
    """The account of a successful exchange. Raises Denied for wrong credentials, else Refusal."""
    name = exchange.mechanism
    try:
        return AuthenticatedUser(await MECHANISMS[name].prove(exchange), name)
    except Cancelled:
        raise Refusal(AUTH_CANCELLED) from None
    except Malformed as malformed:
        raise Refusal(AUTH_MALFORMED, f"{name}: {malformed}") from None
    except Unavailable as trouble:
        raise Refusal(AUTH_UNAVAILABLE, f"{name}: {trouble}") from None


class SessionLogin(SessionState):
    """Commands that change the identity of the client."""

    __slots__ = ()

    async def _on_xclient(self, client: XClient) -> Reply:
        """Restart the session as that of the client in XCLIENT."""
        self._reset_transaction()
        if client.address is None:
            # A later XCLIENT can add attributes. The address stays that of the earlier one.
            before = self._xclient
            client = replace(client, address=before.address, port=before.port)
        self._xclient = client
        self._close_login()
        self.identity = AuthenticatedUser(await self._login_of(client.login), "XCLIENT") if client.login else None
        self._errors = self._auth_failures = self._junk = self._letters = 0
        self._header_hooks = self.rules.header_hooks(self)
        self._update_capabilities()
        _log.info("XCLIENT: %s is a proxy for %s", self._peer.remote.host, self.remote.host)
        try:
            await self.rules.check_client(self)
        except Refusal as refusal:
            raise Refusal(replace(refusal.reply, closes=True), refusal.reason) from None
        return self._greeting

    async def _auth(self, auth: Auth) -> Reply:
        authenticator = self._listener.authenticator
        assert authenticator is not None, "the engine accepts only mechanisms that it offers"
        channel, remote = self._channel(), self.remote
        exchange = SaslExchange(auth.mechanism, auth.initial, channel, authenticator, remote, self._challenge)
        try:
            self.identity = await authenticate(exchange)
            self._register(self.identity.login)
        except Denied as denied:
            self._auth_failures += 1
            reason = f": {denied.args[0]}" if denied.args else ""
            _log.info("AUTH %s from %s denied%s", auth.mechanism, remote.host, reason)
            return TOO_MANY_GUESSES if self._auth_failures >= self._limits.auth_failures else BAD_CREDENTIALS
        self._update_capabilities()
        return AUTHENTICATED

    async def _login_of(self, account: str) -> AccountLogin:
        """The registered login to an account that the proxy has authenticated. Raises Refusal."""
        if self._listener.sessions is None:
            return AccountLogin(account)
        try:
            login = await self._listener.sessions.login_of(account)
        except Unavailable as error:
            raise Refusal(AUTH_UNAVAILABLE, str(error)) from error
        self._register(login)
        return login

    def _register(self, login: AccountLogin) -> None:
        if self._listener.sessions is not None:
            self._login = self._listener.sessions.open(login, self._credentials_changed)

    def _credentials_changed(self) -> None:
        self._is_logged_out = True
        self._log_out()

    async def _challenge(self, challenge: bytes) -> bytes:
        """The response to a challenge. Raises Cancelled, and Refusal for invalid base64."""
        self._peer.send(self._engine.challenge(challenge))
        event = await self._peer.next_event(self._timeout(self._limits.command_timeout))
        if isinstance(event, AuthResponse):
            if event.response is None:
                raise Cancelled
            return event.response
        if isinstance(event, Rejected):
            raise Refusal(event.reply)
        self._end(event)  # type: ignore[arg-type]
        raise Gone

    HANDLERS: ClassVar[Handlers] = {Auth: _auth, XClient: _on_xclient}


class SessionLetter(SessionLogin):
    """Commands of a transaction."""

    __slots__ = ()

    async def _on_mail(self, mail: Mail) -> Reply:
        # The engine may have ended a transaction by itself, as after an oversized chunk.
        self._reset_transaction()
        if self._engine.capabilities.max_letters and self._letters >= self._engine.capabilities.max_letters:
            return TOO_MANY_LETTERS
        await self.rules.check_sender(self, mail)
        self.rules.intake.check_room(mail.size or 0)
        answer: Reply | None = None
        self._hooks = ()
        if mail.parameters or mail.body in INCOMING_HOOKS:
            self._hooks = incoming_hooks(mail)
            for hook in self._hooks:
                mail, hook_answer = hook.accept_mail(mail, self.rules, self, self._clock.now())
                answer = hook_answer or answer
        self._letters += 1
        self.sender, self._mail = mail.sender, mail
        return answer or SENDER_OK

    async def _on_rcpt(self, rcpt: Rcpt) -> Reply:
        count = len(self.recipients)
        if count >= self._limits.max_recipients or (count >= MIN_RECIPIENTS and self._recipient_budget.exhausted):
            return TOO_MANY_RECIPIENTS
        await self.rules.check_recipient(self, rcpt)
        self.recipients.append(Recipient(rcpt.address, parameters=rcpt.parameters))
        self._recipient_budget.used += RECIPIENT_OCTETS
        return RECIPIENT_OK

    async def _on_data(self, _: Data) -> Reply:
        """Send 354, receive the content, and return the reply to its final dot."""
        try:
            for hook in self._hooks:
                hook.check_data()
            self.rules.intake.check_room(self.declared_size)
        except Refusal:
            self._reset_transaction()
            raise
        self._arriving = arriving = self._new_content()
        self._peer.send(self._engine.answer(START_DATA))
        return await self._receive_content(arriving, last=True)

    async def _on_bdat(self, chunk: Bdat) -> Reply:
        """Receive a chunk; the last one completes the letter (RFC 3030 §2)."""
        if self._arriving is None:
            self._arriving = self._new_content()
        return await self._receive_content(self._arriving, last=chunk.last)

    async def _receive_content(self, arriving: IncomingContent, *, last: bool) -> Reply:
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
            self._reset_transaction()
            raise
        self._reset_transaction()
        return answer

    async def _accept(self, letter: Letter, facts: Facts) -> Reply:
        if self._is_logged_out:
            raise Refusal(LOGGED_OUT, "the credentials have changed")
        await self.rules.accept(letter, facts)
        # RFC 5321 §6.1: 250 is sent only after the durable accept above.
        return queued_as(letter)

    def _new_content(self) -> IncomingContent:
        now = self._clock.now()
        assert self._mail is not None, "the engine's order table lets DATA and BDAT through only after MAIL"
        mail = self._mail
        envelope = Envelope(mail.sender, tuple(self.recipients), mail.body, mail.parameters)
        arrival = Arrival(
            at=now,
            server=self.rules.hostname,
            protocol=self._protocol(),
            remote=self.remote,
            helo=self.helo,
            name=self.rules.name_of(self),
            account=self.account,
            mechanism=self.identity.mechanism if self.identity else None,
            tls=self.tls,
        )
        return IncomingContent(
            self.rules,
            new_letter_id(now),
            envelope,
            arrival,
            self._limits.header_size,
            hooks=self._hooks,
            header_hooks=self._header_hooks,
        )

    def _protocol(self) -> str:
        """The `with` clause (RFC 3848; RFC 6531 §4.3)."""
        if self._engine.hello is None or not self._engine.hello.extended or self._xclient.protocol == "SMTP":
            return "SMTP"
        language = "UTF8SMTP" if self._mail is not None and self._mail.smtputf8 else "ESMTP"
        return language + ("S" if self.tls else "") + ("A" if self.identity else "")

    async def _receive(self, arriving: IncomingContent) -> EndOfData:
        """Receive up to the final dot or the end of the chunk; a failure is raised there (RFC 1870 §6.3)."""
        failure: BaseException | None = None
        started, size = self._monotonic(), 0
        while True:
            # A slow client gets less time for each piece, down to none.
            remaining = started + self._limits.data_timeout + size / self._limits.data_rate - self._monotonic()
            event = await self._peer.next_event(self._timeout(min(self._limits.data_timeout, remaining)))
            if isinstance(event, EndOfData):
                if failure is not None:
                    raise failure
                return event
            if not isinstance(event, Chunk):
                self._end(event)  # type: ignore[arg-type]
                raise Gone
            size += len(event.octets)
            if failure is None:
                try:
                    await arriving.write(event.octets)
                except Refusal as refusal:
                    # Raised at the end, without its traceback, which would hold the octets until then.
                    failure = Refusal(refusal.reply, refusal.reason)
                    arriving.discard()
                except Exception as error:  # noqa: BLE001 - a bug, raised at the end too
                    failure = error
                    arriving.discard()
            # Thousands of sessions may wait here: free the piece first.
            del event

    HANDLERS: ClassVar[Handlers] = {
        **SessionLogin.HANDLERS,
        Mail: _on_mail,
        Rcpt: _on_rcpt,
        Data: _on_data,
        Bdat: _on_bdat,
    }
