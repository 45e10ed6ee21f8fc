"""Controller of an `smtpd`, with its settings, context manager and fixture."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.message import Message as EmailMessage
from pathlib import Path
from typing import Any, Self

import pytest

from mailstack.testing.aiosmtpd.controller import Controller
from mailstack.testing.certificates import combined_file
from mailstack.testing.smtpdfix.smtp import Authenticator, AuthMessage, AuthSMTP

_WORDS = {"y": True, "yes": True, "t": True, "true": True, "on": True, "1": True,
          "n": False, "no": False, "f": False, "false": False, "off": False, "0": False}  # fmt: skip


def boolean(value: Any) -> bool:
    """Parses a boolean setting. Raises ValueError."""
    if not isinstance(value, str):
        return bool(value)
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError(f"{value!r} is not a boolean: use one of {', '.join(_WORDS)}") from None


def pem_files(value: Any) -> tuple[str | None, str | None]:
    """Paths of certificate and key; the key may be in the certificate's file. Raises FileNotFoundError."""
    certificate, key = value if isinstance(value, tuple) else (value, None)
    for path in (certificate, key):
        if path is not None and not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file; give the certificate and its key as PEM files")
    return certificate, key


class EventHandler:
    """Callbacks for an event: `+=` adds one, `-=` removes it."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[..., Any]] = []

    def __iadd__(self, function: Callable[..., Any]) -> Self:
        if function not in self._callbacks:
            self._callbacks.append(function)
        return self

    def __isub__(self, function: Callable[..., Any]) -> Self:
        self._callbacks.remove(function)
        return self

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(self._callbacks)

    def __call__(self, *arguments: Any, **named: Any) -> None:
        for function in list(self._callbacks):
            function(*arguments, **named)


def _setting(name: str, read: Callable[[Any], Any], doc: str) -> Any:
    def get(config: Config) -> Any:
        return config._values[name]  # noqa: SLF001 - its own

    def change(config: Config, value: Any) -> None:
        config._values[name] = read(value)  # noqa: SLF001 - its own
        config.OnChanged()

    return property(get, change, doc=doc)


class Config:
    """Settings of an `smtpd`, which restarts when one changes."""

    host = _setting("host", lambda value: value, "Address to listen on. SMTPD_HOST")
    port = _setting("port", int, "Port to listen on; 0 is any free port. SMTPD_PORT")
    ready_timeout = _setting("ready_timeout", float, "Maximum seconds of the start. SMTPD_READY_TIMEOUT")
    login_username = _setting("login_username", lambda value: value, "User name for logins. SMTPD_LOGIN_NAME")
    login_password = _setting("login_password", lambda value: value, "Password for logins. SMTPD_LOGIN_PASSWORD")
    enforce_auth = _setting("enforce_auth", boolean, "Whether clients must log in. SMTPD_ENFORCE_AUTH")
    auth_require_tls = _setting("auth_require_tls", boolean, "Whether logins need TLS. SMTPD_AUTH_REQUIRE_TLS")
    ssl_cert_files = _setting(
        "ssl_cert_files", pem_files, "Certificate and key. SMTPD_SSL_CERTIFICATE_FILE, SMTPD_SSL_KEY_FILE"
    )
    use_starttls = _setting("use_starttls", boolean, "Whether clients must use STARTTLS. SMTPD_USE_STARTTLS")
    use_ssl = _setting("use_ssl", boolean, "Whether connections start with TLS. SMTPD_USE_SSL, SMTPD_USE_TLS")

    def __init__(self) -> None:
        """Raises ValueError or FileNotFoundError for an invalid environment variable."""
        env = os.environ.get
        self.OnChanged = EventHandler()
        self._values: dict[str, Any] = {
            "host": env("SMTPD_HOST", "localhost"),
            "port": int(env("SMTPD_PORT", "0")),
            "ready_timeout": float(env("SMTPD_READY_TIMEOUT", "10")),
            "login_username": env("SMTPD_LOGIN_NAME", "user"),
            "login_password": env("SMTPD_LOGIN_PASSWORD", "password"),
            "enforce_auth": boolean(env("SMTPD_ENFORCE_AUTH", "false")),
            "auth_require_tls": boolean(env("SMTPD_AUTH_REQUIRE_TLS", "true")),
            "ssl_cert_files": pem_files((env("SMTPD_SSL_CERTIFICATE_FILE"), env("SMTPD_SSL_KEY_FILE"))),
            "use_starttls": boolean(env("SMTPD_USE_STARTTLS", "false")),
            "use_ssl": boolean(env("SMTPD_USE_SSL", "false")) or boolean(env("SMTPD_USE_TLS", "false")),
        }


class AuthController(Controller):
    """SMTP server with `start`, `stop` and `messages`; it restarts on its port when `config` changes."""

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
        """Copy of the list of received messages."""
        return self._messages.copy()

    def start(self) -> None:
        """Listen on the configured port. Raises FileNotFoundError if TLS is configured without a certificate."""
        config = self.config
        if self.loop.is_closed():
            self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._hang_up)
        self.hostname, self.port = config.host, config.port
        self.ssl_context = self._context() if config.use_ssl and not config.use_starttls else None
        super().start()
        # Not through the property, which would restart the server: the next start uses the same port.
        config._values["port"] = self.port  # noqa: SLF001

    def reset(self, persist_messages: bool = True) -> None:
        """Restart the server if it runs; without `persist_messages` delete the messages."""
        if not persist_messages:
            self._messages.clear()
        if self._thread is not None:
            self.stop()
            self.start()
        else:
            self.hostname, self.port = self.config.host, self.config.port

    def factory(self) -> AuthSMTP:
        """Protocol for one connection, by the current configuration."""
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
        """Handles an uncaught exception in the loop: replies 421 and stops the service."""
        loop.default_exception_handler(context)
        if self.smtpd is not None and self.smtpd.transport is not None:
            with suppress(Exception):
                self.smtpd.transport.write(b"421 Service not available. Closing connection.\r\n")
            self.smtpd.transport.close()
        if self.server is not None:
            self.server.close()


CERTIFICATE = "SMTPD_SSL_CERTIFICATE_FILE"


class ConfiguredAuthenticator(Authenticator):
    """Accepts the user name and password of the configuration."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def validate(self, username: str, password: str) -> bool:
        return (username, password) == (self.config.login_username, self.config.login_password)

    def verify(self, username: str) -> bool:
        return bool(username == self.config.login_username)

    def get_password(self, username: str | None) -> str:  # noqa: ARG002 - there is one user
        return str(self.config.login_password)


class SMTPDFix:
    """Context manager for a running server: `with SMTPDFix() as smtpd:`."""

    def __init__(self, hostname: str | None = None, port: int | None = None, config: Config | None = None) -> None:
        self.hostname = hostname
        self.port = port
        self.config = config or Config()

    def __enter__(self) -> AuthController:
        self.controller = AuthController(
            hostname=self.hostname,
            port=self.port,
            config=self.config,
            authenticator=ConfiguredAuthenticator(self.config),
        )
        self.controller.start()
        return self.controller

    def __exit__(self, *_: object) -> None:
        self.controller.stop(no_assert=True)


@pytest.fixture
def smtpd(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthController]:
    """A running SMTP server, with `hostname`, `port`, `messages` and `config`."""
    if CERTIFICATE not in os.environ:
        monkeypatch.setenv(CERTIFICATE, str(combined_file()))
    with SMTPDFix() as server:
        yield server
