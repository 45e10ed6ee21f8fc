"""SMTP server connection of an `smtpd`, with STARTTLS, AUTH and stored messages."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from email.message import Message as EmailMessage
from typing import Any

from msgspec.structs import replace

from mailstack.protocols.smtp import commands
from mailstack.protocols.smtp.commands import Auth
from mailstack.testing.aiosmtpd.handlers import Message
from mailstack.testing.aiosmtpd.smtp import SMTP

log = logging.getLogger(__name__)

BEFORE_TLS = (commands.Noop, commands.Hello, commands.StartTls, commands.Quit)
"""Commands that are accepted in clear when TLS is required."""
AFTER_LOGIN = {b"MAIL", b"RCPT", b"DATA", b"VRFY", b"HELP"}
"""Commands that are refused before the login when it is required, malformed ones included."""


class AuthSMTP(SMTP):
    """SMTP with STARTTLS and AUTH; the handler is an AuthMessage."""

    def __init__(
        self,
        handler: Any,
        *,
        tls_context: ssl.SSLContext | None = None,
        require_starttls: bool = False,
        auth_required: bool = False,
        auth_require_tls: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(handler, **options)
        self._tls_context = tls_context
        self._require_starttls = require_starttls
        self._auth_required = auth_required
        self._auth_require_tls = auth_require_tls

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        tls = self.session.ssl is not None
        self._engine.capabilities = replace(
            self.capabilities,
            starttls=self._tls_context is not None and not tls,
            mechanisms=self.event_handler.MECHANISMS if tls or not self._auth_require_tls else (),
        )

    async def handle(self, event: commands.ServerEvent) -> None:
        refusal = self._refusal(event)
        if refusal is not None:
            self.answer(refusal)
        elif isinstance(event, commands.StartTls):
            await self._start_tls()
        elif isinstance(event, commands.Auth):
            await self._authenticate(event)
        else:
            await super().handle(event)

    def _refusal(self, event: commands.ServerEvent) -> str | None:
        """Reply to a command that is not allowed yet; None for an allowed one."""
        tls = self.session.ssl is not None
        verb = _verb_of(event)
        if self._require_starttls and not tls and not isinstance(event, BEFORE_TLS):
            return "530 Must issue a STARTTLS command first"
        if verb == b"AUTH" and self._auth_require_tls and not tls:
            return "538 5.7.11 Encryption required for requested authentication mechanism"
        if verb == b"AUTH" and self._engine.authenticated:
            return "503 Already authenticated"
        if self._auth_required and not self._engine.authenticated and verb in AFTER_LOGIN and self._engine.hello:
            return "530 5.7.0 Authentication required"
        return None

    async def _start_tls(self) -> None:
        self.answer("220 Ready to start TLS")
        self._engine.tls_started()
        assert self._tls_context is not None, "the engine accepts STARTTLS only where it is announced"
        start_tls = asyncio.get_running_loop().start_tls
        try:
            transport = await start_tls(
                self.transport, self, self._tls_context, server_side=True, ssl_handshake_timeout=5.0
            )
        except OSError:
            log.exception("%r: the TLS handshake failed", self.session.peer)
            self.transport.abort()
        else:
            self.connection_made(transport)

    async def _authenticate(self, auth: commands.Auth) -> None:
        """Answers AUTH with the result of the handler, or the response to its challenge that is none."""
        try:
            accepted = await self.event_handler.authenticate(auth, self.challenge)
        except AuthAborted as aborted:
            self.answer(str(aborted))
        else:
            succeeded = "235 2.7.0 Authentication successful"
            self.answer(succeeded if accepted else "535 5.7.8 Authentication credentials invalid")

    async def challenge(self, octets: bytes) -> bytes:
        """The client's response to a challenge. Raises AuthAborted."""
        self.transport.write(self._engine.challenge(octets))
        event = await self.next_event()
        if isinstance(event, commands.AuthResponse) and event.response is not None:
            return event.response
        raise AuthAborted(
            "501 5.7.0 Auth aborted" if isinstance(event, commands.AuthResponse) else "501 5.5.2 Can't decode base64"
        )


class AuthAborted(Exception):
    """The client sent no response to a challenge; str() is the reply."""


def _verb_of(event: commands.ServerEvent) -> bytes:
    if isinstance(event, commands.Rejected):
        return event.line.split(b" ")[0].strip().upper()
    names = {commands.Mail: b"MAIL", commands.Rcpt: b"RCPT", commands.Data: b"DATA", commands.Auth: b"AUTH"}
    return names.get(type(event), b"VRFY" if isinstance(event, commands.Verify | commands.Help) else b"")


Challenge = Callable[[bytes], Awaitable[bytes]]


class Authenticator(ABC):
    """Users and their passwords."""

    @abstractmethod
    def validate(self, username: str, password: str) -> bool:
        """Whether this is the user's password."""

    @abstractmethod
    def verify(self, username: str) -> bool:
        """Whether there is such a user."""

    @abstractmethod
    def get_password(self, username: str) -> str:
        """The user's password, for mechanisms that never send it."""


class AuthMessage(Message):
    """Stores the messages, and accepts the logins that the authenticator accepts: by PLAIN, LOGIN or CRAM-MD5."""

    MECHANISMS = ("CRAM-MD5", "LOGIN", "PLAIN")

    def __init__(self, messages: list[EmailMessage], authenticator: Authenticator | None = None) -> None:
        self._messages = messages
        self._authenticator = authenticator

    def handle_message(self, message: EmailMessage) -> None:
        self._messages.append(message)

    async def authenticate(self, auth: Auth, challenge: Challenge) -> bool:
        """Whether the client proves its identity; `challenge` gives the response to a challenge."""
        if auth.mechanism == "CRAM-MD5":
            return await self._cram_md5(challenge)
        if auth.mechanism == "LOGIN":
            name = await challenge(b"Username") if auth.initial is None else auth.initial
            return self._validate([name, await challenge(b"Password")])
        # RFC 4616, or name and password with a blank between them, as smtpdfix has it.
        response = await challenge(b"") if auth.initial is None else auth.initial
        return self._validate(response.replace(b"\0", b" ").split())

    async def _cram_md5(self, challenge: Challenge) -> bool:
        """RFC 2195."""
        text = f"<{secrets.token_hex(16)}@localhost>".encode()
        name, _, digest = (await challenge(text)).rpartition(b" ")
        if self._authenticator is None:
            return False
        password = self._authenticator.get_password(name.decode(errors="replace"))
        return hmac.compare_digest(hmac.new(password.encode(), text, "md5").hexdigest().encode(), digest)

    def _validate(self, words: list[bytes]) -> bool:
        if self._authenticator is None or len(words) < 2:
            return False
        return self._authenticator.validate(words[0].decode(errors="replace"), words[-1].decode(errors="replace"))
