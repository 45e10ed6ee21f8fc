"""Settings of an `smtpd`, with defaults from environment variables and change notification."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

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
