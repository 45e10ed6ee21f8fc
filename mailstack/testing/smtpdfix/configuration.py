"""The settings of an `smtpd`: each can be set by the environment, and whoever listens to OnChanged hears of a change."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

_WORDS = {"y": True, "yes": True, "t": True, "true": True, "on": True, "1": True,
          "n": False, "no": False, "f": False, "false": False, "off": False, "0": False}  # fmt: skip


def truth(value: Any) -> bool:
    """What a setting that is true or false says. Raises ValueError for words that are neither."""
    if not isinstance(value, str):
        return bool(value)
    try:
        return _WORDS[value.lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false: use one of {', '.join(_WORDS)}") from None


def files(value: Any) -> tuple[str | None, str | None]:
    """Certificate and key; the key may be in the certificate's file. Raises FileNotFoundError."""
    certificate, key = value if isinstance(value, tuple) else (value, None)
    for each in (certificate, key):
        if each is not None and not Path(each).is_file():
            raise FileNotFoundError(f"{each}: there is no such file; give the certificate and its key in PEM")
    return certificate, key


class EventHandler:
    """Functions that are called together: `+=` adds one, `-=` takes it away."""

    def __init__(self) -> None:
        self._called: list[Callable[..., Any]] = []

    def __iadd__(self, function: Callable[..., Any]) -> Self:
        if function not in self._called:
            self._called.append(function)
        return self

    def __isub__(self, function: Callable[..., Any]) -> Self:
        self._called.remove(function)
        return self

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(self._called)

    def __call__(self, *arguments: Any, **named: Any) -> None:
        for function in list(self._called):
            function(*arguments, **named)


def _setting(name: str, read: Callable[[Any], Any], told: str) -> Any:
    def give(config: Config) -> Any:
        return config._values[name]  # noqa: SLF001 - its own

    def change(config: Config, value: Any) -> None:
        config._values[name] = read(value)  # noqa: SLF001 - its own
        config.OnChanged()

    return property(give, change, doc=told)


class Config:
    """What an `smtpd` is like; a change restarts it."""

    host = _setting("host", lambda value: value, "The address to listen on. SMTPD_HOST")
    port = _setting("port", int, "The port; 0 is any that is free. SMTPD_PORT")
    ready_timeout = _setting("ready_timeout", float, "Seconds until it must listen. SMTPD_READY_TIMEOUT")
    login_username = _setting("login_username", lambda value: value, "Who may log in. SMTPD_LOGIN_NAME")
    login_password = _setting("login_password", lambda value: value, "With which password. SMTPD_LOGIN_PASSWORD")
    enforce_auth = _setting("enforce_auth", truth, "Whether clients must log in. SMTPD_ENFORCE_AUTH")
    auth_require_tls = _setting("auth_require_tls", truth, "Whether logins need TLS. SMTPD_AUTH_REQUIRE_TLS")
    ssl_cert_files = _setting(
        "ssl_cert_files", files, "Certificate and key. SMTPD_SSL_CERTIFICATE_FILE, SMTPD_SSL_KEY_FILE"
    )
    use_starttls = _setting("use_starttls", truth, "Whether clients must say STARTTLS. SMTPD_USE_STARTTLS")
    use_ssl = _setting("use_ssl", truth, "Whether TLS is there from the start. SMTPD_USE_SSL, SMTPD_USE_TLS")

    def __init__(self) -> None:
        """Raises ValueError, FileNotFoundError for what the environment says."""
        said = os.environ.get
        self.OnChanged = EventHandler()
        self._values: dict[str, Any] = {
            "host": said("SMTPD_HOST", "localhost"),
            "port": int(said("SMTPD_PORT", "0")),
            "ready_timeout": float(said("SMTPD_READY_TIMEOUT", "10")),
            "login_username": said("SMTPD_LOGIN_NAME", "user"),
            "login_password": said("SMTPD_LOGIN_PASSWORD", "password"),
            "enforce_auth": truth(said("SMTPD_ENFORCE_AUTH", "false")),
            "auth_require_tls": truth(said("SMTPD_AUTH_REQUIRE_TLS", "true")),
            "ssl_cert_files": files((said("SMTPD_SSL_CERTIFICATE_FILE"), said("SMTPD_SSL_KEY_FILE"))),
            "use_starttls": truth(said("SMTPD_USE_STARTTLS", "false")),
            "use_ssl": truth(said("SMTPD_USE_SSL", "false")) or truth(said("SMTPD_USE_TLS", "false")),
        }
