"""Static routes, sender routes and smart hosts of the operator."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from mailstack.letter import Address
from mailstack.letter.address import parse_domain
from mailstack.letter.patterns import domain_pattern, find_by_domain
from mailstack.protocols.log import Redacted

_HOST_PORT = re.compile(r"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+)):(?P<port>[0-9]{1,5})\Z")

NULL_SENDER = "<>"
"""Key of the null reverse-path among senders."""

_LMTP, _LMTP_UNIX = "lmtp://", "lmtp:unix:"
_MAX_PATH = 100
"""Maximum octets of a socket path; the system limit is 107 or less."""

_A_TARGET = (
    'a host and a port such as "mx.home.test:25", "127.0.0.1:2525" or "[::1]:2525", '
    'or "lmtp://host:24" or "lmtp:unix:/run/lmtp"'
)
_A_SENDER = (
    'an address such as "alice@home.test", its domain, "*.home.test" for all beneath it, "*", or "<>" for reports'
)
_A_SMART_HOST = 'a URL such as "smtp://user@host:587" or "smtps://user@host:465"'


class RouteError(ValueError):
    """A route is invalid; str() is the expected form."""

    def __init__(self, expected: str, given: object = None) -> None:
        """`given` is the invalid part; None for a secret one, as a URL with a password."""
        super().__init__(expected)
        self.given = given


class RouteTarget(Struct, frozen=True):
    """Host and port in the configuration, called without an MX look-up."""

    host: str
    """A name in lower case, an IP address without brackets, or the path of a UNIX socket."""
    port: int
    """TCP port; 0 for a UNIX socket."""
    lmtp: bool = False
    """Whether it speaks LMTP (RFC 2033), and not SMTP."""

    @classmethod
    def parse(cls, text: object) -> RouteTarget:
        """Parses `host:port`, `192.0.2.1:25`, `[2001:db8::1]:25`, `lmtp://host:port` or `lmtp:unix:/path`. Raises RouteError."""
        if isinstance(text, str) and (path := text.removeprefix(_LMTP_UNIX)) != text:
            if not path.startswith("/") or not path.isprintable() or len(path.encode()) > _MAX_PATH:
                raise RouteError(_A_TARGET, text)
            return cls(path, 0, lmtp=True)
        lmtp = isinstance(text, str) and text.startswith(_LMTP)
        found = _HOST_PORT.match(text.removeprefix(_LMTP)) if isinstance(text, str) else None
        if found is None or not 0 < int(found["port"]) < 65536:
            raise RouteError(_A_TARGET, text)
        literal = found["literal"]
        try:
            host = str(ipaddress.ip_address(literal)) if literal else parse_domain(found["name"]).lower()
        except ValueError:
            raise RouteError(_A_TARGET, text) from None
        return cls(host, int(found["port"]), lmtp)


class StaticRoutes(Struct, frozen=True):
    """Static routes; the most specific pattern that matches a domain wins, in any order."""

    targets: Mapping[str, RouteTarget] = field(default_factory=dict)
    """Targets by domain pattern (`mailstack.letter.patterns`)."""

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> StaticRoutes:
        """Parses `[relay.routes]`. Raises RouteError."""
        return cls({_pattern(pattern): RouteTarget.parse(text) for pattern, text in table.items()})

    def find(self, domain: str) -> tuple[str, RouteTarget] | None:
        """The pattern that matches a domain, and its target; None if there is no route."""
        return find_by_domain(self.targets, domain)


NO_ROUTES = StaticRoutes()


class SmartHostCredentials(Redacted, frozen=True):
    """Credentials for a smart host."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    username: str
    password: str
    token_file: Path | None = None
    """File with a bearer token in place of a password; read for each login, because another program renews it."""


class SmartHost(Struct, frozen=True):
    """Smart host for letters without a route (RFC 5321 §5.1, RFC 6409)."""

    target: RouteTarget
    implicit_tls: bool
    """smtps://: TLS before the first octet (RFC 8314 §3.3); else STARTTLS."""
    credentials: SmartHostCredentials | None = None
    level: Literal["", "opportunistic", "required", "verified"] = ""
    """TLS level of this host (`mailstack.relay.tls_policy`); empty: it follows from the other fields."""

    @classmethod
    def parse(cls, url: object, password: str | None = None) -> SmartHost:
        """Parses `smtp://[user[:password]@]host[:port]` or `smtps://…`, percent-encoded if necessary. Raises RouteError.

        `password` is one outside of the URL: None if there is none, "" if the caller adds it later. The default port is
        465 for smtps (RFC 8314 §7.3), 587 with a user (RFC 6409 §3.1), otherwise 25.
        """
        # The invalid part is never shown: it may be a part of a password that was not percent-encoded.
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise RouteError(_A_SMART_HOST) from None
        if parts.scheme not in {"smtp", "smtps"} or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise RouteError(_A_SMART_HOST)
        if parts.password and not parts.username:
            raise RouteError(_A_SMART_HOST)
        implicit = parts.scheme == "smtps"
        credentials = None
        if parts.username:
            password = unquote(parts.password) if parts.password else password
            if password is None:
                raise RouteError('a password for the user, as "smtp://user:password@host:587"')
            credentials = SmartHostCredentials(unquote(parts.username), password)
        if port is None:
            port = 465 if implicit else 587 if credentials else 25
        try:
            target = RouteTarget.parse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RouteError:
            raise RouteError(_A_SMART_HOST) from None
        return cls(target, implicit, credentials)

    def with_password(self, password: str) -> SmartHost:
        """The same smart host with a password, if there is a user."""
        credentials = self.credentials
        return replace(self, credentials=replace(credentials, password=password)) if credentials else self

    def with_token_file(self, file: Path) -> SmartHost:
        """The same smart host with a token file, if there is a user."""
        credentials = self.credentials
        return replace(self, credentials=replace(credentials, token_file=file)) if credentials else self


class SenderRoutes(Struct, frozen=True):
    """Smart hosts by sender; an address takes precedence over its domain, in any order."""

    hosts: Mapping[str, tuple[SmartHost, ...]] = field(default_factory=dict)
    """Smart hosts by `Address.key`, by domain pattern (`mailstack.letter.patterns`), or by NULL_SENDER."""

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> SenderRoutes:
        """Parses `[relay.sender_routes]`: a URL, or a list of URLs, by sender. Raises RouteError."""
        hosts = {}
        for sender, urls in table.items():
            listed = urls if isinstance(urls, list) else [urls]
            if not listed:
                raise RouteError(_A_SMART_HOST)
            hosts[_sender(sender)] = tuple(SmartHost.parse(url) for url in listed)
        return cls(hosts)

    def find(self, sender: Address | None) -> tuple[str, tuple[SmartHost, ...]] | None:
        """The key that matches a sender (None: the null reverse-path), and its smart hosts in their order."""
        if not self.hosts:
            return None
        name = NULL_SENDER if sender is None else sender.key
        if (own := self.hosts.get(name)) is not None:
            return name, own
        return None if sender is None else find_by_domain(self.hosts, sender.ascii_domain)


NO_SENDER_ROUTES = SenderRoutes()


def _sender(text: str) -> str:
    """The key of a sender in `SenderRoutes.hosts`. Raises RouteError."""
    try:
        return text if text == NULL_SENDER else Address.parse(text).key if "@" in text else domain_pattern(text)
    except ValueError:
        raise RouteError(_A_SENDER, text) from None


def _pattern(text: str) -> str:
    """The key of a pattern in `StaticRoutes.targets`. Raises RouteError."""
    try:
        return domain_pattern(text)
    except ValueError as error:
        raise RouteError(str(error), text) from None
