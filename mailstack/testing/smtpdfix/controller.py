"""The server of an `smtpd`: a Controller that follows its configuration."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from email.message import Message as EmailMessage
from typing import Any

from mailstack.testing.aiosmtpd.controller import Controller
from mailstack.testing.smtpdfix.configuration import Config
from mailstack.testing.smtpdfix.handlers import Authenticator, AuthMessage
from mailstack.testing.smtpdfix.smtp import AuthSMTP


class AuthController(Controller):
    """`start`, `stop`, `messages`; a change of `config` restarts it, on the same port unless that is what changed."""

    def __init__(  # noqa: PLR0917 - smtpdfix's form
        self,
        loop: asyncio.AbstractEventLoop | None = None,
        hostname: str | None = None,
        port: int | None = None,
        ready_timeout: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        config: Config | None = None,
        authenticator: Authenticator | None = None,
        messages: list[EmailMessage] | None = None,
        **kwargs: Any,
    ) -> None:
        self.config = config = config or Config()
        self._messages: list[EmailMessage] = [] if messages is None else messages
        self._given_context = ssl_context
        if hostname is not None:
            config.host = hostname
        if port is not None:
            config.port = port
        super().__init__(
            AuthMessage(self._messages, authenticator),
            hostname=config.host,
            port=config.port,
            loop=loop,
            ready_timeout=ready_timeout or config.ready_timeout,
            **kwargs,
        )
        config.OnChanged += self.reset

    @property
    def messages(self) -> list[EmailMessage]:
        """The letters so far; the list is a copy."""
        return self._messages.copy()

    def start(self) -> None:
        """Listen as the configuration says. Raises FileNotFoundError without a certificate where TLS is asked for."""
        config = self.config
        if self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._hang_up)
        self.hostname, self.port = config.host, config.port
        self.ssl_context = self._context() if config.use_ssl and not config.use_starttls else None
        super().start()
        # Without telling anybody: the next start takes the same port.
        config._values["port"] = self.port  # noqa: SLF001

    def reset(self, persist_messages: bool = True) -> None:
        """Forget the letters, if told to, and begin anew if it runs."""
        if not persist_messages:
            self._messages.clear()
        if self._thread is not None:
            self.stop()
            self.start()
        else:
            self.hostname, self.port = self.config.host, self.config.port

    def factory(self) -> AuthSMTP:
        """Protocol for one connection, as the configuration is now."""
        config = self.config
        return AuthSMTP(
            self.handler,
            require_starttls=config.use_starttls,
            tls_context=self._context() if config.use_starttls else None,
            auth_required=config.enforce_auth,
            auth_require_tls=config.auth_require_tls,
            **self.SMTP_kwargs,
        )

    def _context(self) -> ssl.SSLContext:
        if self._given_context is not None:
            return self._given_context
        certificate, key = self.config.ssl_cert_files
        if certificate is None:
            raise FileNotFoundError("TLS needs a certificate: set config.ssl_cert_files or SMTPD_SSL_CERTIFICATE_FILE")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        return context

    def _hang_up(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Whatever nobody caught in the loop ends the service, as the client is told."""
        loop.default_exception_handler(context)
        if self.smtpd is not None and self.smtpd.transport is not None:
            with suppress(Exception):
                self.smtpd.transport.write(b"421 Service not available. Closing connection.\r\n")
            self.smtpd.transport.close()
        if self.server is not None:
            self.server.close()
