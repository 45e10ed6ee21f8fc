"""What handlers are given, and give back: Session, Envelope, and the results of an authentication."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, TypeVar

_MECHANISM = re.compile(r"[A-Z0-9_-]+\Z")
_CallableT = TypeVar("_CallableT", bound=Callable[..., Any])


class _Missing(Enum):
    MISSING = "nothing was said, where None means something"


MISSING = _Missing.MISSING


@dataclass(kw_only=True)
class AuthResult:
    """What an authenticator, or an `auth_…` method of a handler, found out."""

    success: bool
    handled: bool = True
    """Without success: whether the client was answered already."""
    message: str | None = None
    """The reply, where the usual one won't do."""
    auth_data: Any = field(default=None, repr=False)
    """Kept in the session."""


class LoginPassword(NamedTuple):
    """What PLAIN and LOGIN bring, as sent."""

    login: bytes
    password: bytes

    def __repr__(self) -> str:
        return f"LoginPassword(login={self.login.decode(errors='replace')!r}, password=...)"


class Session:
    """One connection; begun anew when TLS begins."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.peer: Any = None
        """Address and port of the client."""
        self.ssl: dict[str, Any] | None = None
        """What was negotiated; None in the clear."""
        self.host_name: str | None = None
        """What the client calls itself."""
        self.extended_smtp = False
        """Whether it said EHLO."""
        self.authenticated: bool | None = None
        self.auth_data: Any = None
        self.login_data: Any = None
        self.proxy_data: Any = None


class Envelope:
    """One transaction, filled in as it comes."""

    def __init__(self) -> None:
        self.mail_from: str | None = None
        self.mail_options: list[str] = []
        self.smtp_utf8 = False
        self.rcpt_tos: list[str] = []
        self.rcpt_options: list[str] = []
        self.content: bytes | str | None = None
        """The letter: octets, or text where the server decodes."""
        self.original_content: bytes | None = None


def auth_mechanism(actual_name: str) -> Callable[[_CallableT], _CallableT]:
    """Name the mechanism of an `auth_…` method whose own name can't say it. Raises ValueError."""
    name = actual_name.upper()
    if not _MECHANISM.match(name):
        raise ValueError(f"{actual_name!r} is no name of a SASL mechanism: letters, digits, - and _")

    def named(method: _CallableT) -> _CallableT:
        method.__auth_mechanism_name__ = name  # type: ignore[attr-defined]
        return method

    return named


def mechanism_of(attribute: str, method: Any) -> str:
    """The mechanism that an `auth_…` method is for."""
    return str(getattr(method, "__auth_mechanism_name__", attribute.removeprefix("auth_").replace("__", "-")))
