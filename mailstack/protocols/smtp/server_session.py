"""SMTP and LMTP server sessions: greeting, command loop, errors, replies (RFC 5321, RFC 2033)."""

from __future__ import annotations

import logging
from typing import ClassVar, Protocol

from msgspec.structs import replace

from mailstack.letter import Letter, Recipient
from mailstack.protocols.connection import ResourceError
from mailstack.protocols.smtp.commands import Expand, Hello, Help, Mail, Noop, Quit, Rejected, Reset, StartTls, Verify
from mailstack.protocols.smtp.receiving_rules import Facts, ReceivingRules
from mailstack.protocols.smtp.replies import (
    CANNOT_VERIFY,
    GOODBYE,
    LOCAL_ERROR,
    NO_EXPANSION,
    NO_TLS,
    OK,
    SPOKE_EARLY,
    TLS_GO_AHEAD,
    TOO_MANY_ERRORS,
    EachReply,
    Refusal,
    Reply,
    queued_as,
    reply,
)
from mailstack.protocols.smtp.session_letter import SessionLetter
from mailstack.protocols.smtp.session_state import Gone, Handler, Handlers, ListenerContext

__all__ = ["ListenerContext", "ServerSession"]

_log = logging.getLogger(__name__)

_JUNK = frozenset({Hello, Mail, Reset, Noop, Verify, Help})
"""Commands that count as junk (Postfix: `smtpd_junk_command_limit`)."""


class ServerSession(SessionLetter):
    """One SMTP connection of a server."""

    __slots__ = ()

    async def serve(self) -> None:
        """Run the session, from the greeting to the last reply."""
        self._update_capabilities()
        greeting = await self._check_client()
        self._peer.send(self._engine.greet(greeting))
        if greeting.closes:
            return
        try:
            while await self._handle_command():
                pass
        except Gone:
            pass
        finally:
            # The chunks of an unfinished letter.
            self._reset_transaction()
            self._close_login()

    async def _check_client(self) -> Reply:
        """The greeting: 220, or 554, after which only QUIT is accepted (RFC 5321 §3.1)."""
        host = self.rules.hostname
        self._header_hooks = self.rules.header_hooks(self)
        try:
            await self.rules.check_client(self)
            await self._check_early_talk()
        except Refusal as refusal:
            _log.info("rejected connection from %s: %s", self.remote.host, refusal)
            return replace(refusal.reply, text=f"{host} {refusal.reply.text}")
        return self._greeting

    async def _check_early_talk(self) -> None:
        """Raises Refusal for a client that sends before the greeting (RFC 5321 §4.3.1)."""
        if self._limits.greet_delay and self._listener.tarpit is not None:
            await self._listener.tarpit.pause(self._limits.greet_delay)
            if self._engine.buffered:
                raise Refusal(SPOKE_EARLY, "the client sent before the greeting")

    async def _handle_command(self) -> bool:
        """Handle one command; whether the session continues."""
        event = await self._peer.next_event(self._timeout(self._limits.command_timeout))
        handler = self.HANDLERS.get(type(event))
        if handler is None:
            self._end(event)  # type: ignore[arg-type]
            return False
        answer = await self._dispatch(handler, event)
        # A 4xx reply is no error of the client: after too many recipients it must be able to send the other ones
        # (RFC 5321 §4.5.3.1.10).
        if answer.code >= 500 or (type(event) in _JUNK and self._is_junk()):
            self._errors += 1
            if self._errors > self._limits.errors:
                answer = TOO_MANY_ERRORS
            elif self._listener.tarpit is not None:
                await self._listener.tarpit.hold(self._errors)
        self._peer.send(self._engine.answer(answer))
        if answer.closes:
            return False
        if answer is TLS_GO_AHEAD:
            await self._peer.start_tls()
            self.identity = None
            self._close_login()
            self._update_capabilities()
        return True

    def _is_junk(self) -> bool:
        """Count a junk command; whether there are too many."""
        self._junk += 1
        limit = self._limits.junk_commands
        return 0 < limit < self._junk and not self._listener.is_exempt(self.remote.host)

    async def _dispatch(self, handler: Handler, event: object) -> Reply:
        """The reply to an event, also for an error in its handler."""
        try:
            return await handler(self, event)
        except Refusal as refusal:
            if refusal.reason:
                _log.info("refused %s: %s", self.remote.host, refusal)
            return refusal.reply
        except Gone:
            raise
        except ResourceError as error:
            return self.rules.intake.reply_to(error)
        except Exception:  # noqa: BLE001 - a bug: 451 for the client, the traceback for the log
            _log.exception("internal error while handling a command from %s", self.remote.host)
            return LOCAL_ERROR

    # --- handlers

    async def _hello(self, _: Hello) -> Reply:
        self._reset_transaction()
        if self.tls is not None:
            # Channel bindings are known only after the handshake.
            self._update_capabilities()
        return reply(250, None, self.rules.hostname)

    async def _reset(self, _: Reset) -> Reply:
        self._reset_transaction()
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
        self._reset_transaction()
        return TLS_GO_AHEAD

    HANDLERS: ClassVar[Handlers] = {
        **SessionLetter.HANDLERS,
        Hello: _hello,
        Reset: _reset,
        Noop: _noop,
        Help: _help,
        Verify: _verify,
        Expand: _expand,
        StartTls: _start_tls,
        Quit: _quit,
        Rejected: _rejected,
    }
    """Coroutine for each kind of command; any other event is an Ending."""


class LmtpReceivingRules(ReceivingRules, Protocol):
    """Receiving rules of an LMTP port."""

    async def check_delivery(self, recipient: Recipient, size: int) -> None:
        """Raises Refusal if a letter of `size` octets can't be delivered to an accepted recipient."""


class LmtpSession(ServerSession):
    """One LMTP connection of a server (RFC 2033)."""

    __slots__ = ()

    rules: LmtpReceivingRules

    @property
    def _greeting(self) -> Reply:
        return reply(220, None, f"{self.rules.hostname} LMTP mailstack")

    def _protocol(self) -> str:
        """The `with` clause (RFC 3848; RFC 6531 §4.3)."""
        return super()._protocol().replace("ESMTP", "LMTP").replace("UTF8SMTP", "UTF8LMTP")

    async def _accept(self, letter: Letter, facts: Facts) -> Reply:
        """Accept the letter for the recipients that can be delivered; one reply for each (§4.2)."""
        refusals: dict[int, Reply] = {}
        recipients = letter.envelope.recipients
        for number, recipient in enumerate(recipients):
            try:
                await self.rules.check_delivery(recipient, letter.content.size)
            except Refusal as refusal:
                refusals[number] = refusal.reply
        accepted = tuple([recipient for number, recipient in enumerate(recipients) if number not in refusals])
        final = queued_as(letter)
        if accepted:
            await self.rules.accept(replace(letter, envelope=replace(letter.envelope, recipients=accepted)), facts)
        else:
            final = refusals[0]
        each = tuple([refusals.get(number, final) for number in range(len(recipients))])
        return EachReply(final.code, final.text, final.status, each=each)
