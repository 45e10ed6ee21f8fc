"""What the operator has decided about ways out: static routes by domain, and a smart host for all the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

_HOST_PORT = re.compile(r"(?:\[(?P<literal>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+)):(?P<port>[0-9]{1,5})\Z")
_PATTERN = re.compile(r"\*\Z|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z|\[[0-9A-Fa-f:.IPvp]+\]\Z")


class RouteError(ValueError):
    """A route as it was written can't be used; str() says what is wrong with it."""


@frozen
class Target:
    """A host and port that somebody has written down: no MX look-up is made for it."""

    host: str
    """A name or an IP address, without brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `host:port`, `192.0.2.1:25` or `[2001:db8::1]:25`; raises RouteError."""
        found = _HOST_PORT.match(text)
        if found is None:
            raise RouteError(f"{text!r} is not host:port (an IPv6 address stands in brackets)")
        return cls(found["literal"] or found["name"].rstrip("."), _port(int(found["port"])))


@frozen
class Routes:
    """Static routes: the most exact pattern that fits a domain wins, whatever order they were written in."""

    targets: Mapping[str, Target] = field(factory=dict)
    """By pattern in lower case: "domain", "*.domain" (every name beneath it) or "*" (everything)."""

    @classmethod
    def parse(cls, table: Mapping[str, str]) -> Routes:
        """Read `[relay.routes]`; raises RouteError."""
        targets: dict[str, Target] = {}
        for pattern, text in table.items():
            if not _PATTERN.match(pattern):
                raise RouteError(f'{pattern!r} is neither a domain, nor "*.domain", nor "*"')
            targets[pattern.lower()] = Target.parse(text)
        return cls(targets)

    def find(self, domain: str) -> tuple[str, Target] | None:
        """The pattern that decides for a domain, and where it leads; None when there is no route."""
        targets = self.targets
        if not targets:
            return None
        domain = domain.lower()
        if (exact := targets.get(domain)) is not None:
            return domain, exact
        rest = "" if domain.startswith("[") else domain
        while "." in rest:
            rest = rest.partition(".")[2]
            if (above := targets.get(pattern := f"*.{rest}")) is not None:
                return pattern, above
        if (any_other := targets.get("*")) is not None:
            return "*", any_other
        return None


NO_ROUTES = Routes()


@frozen
class Credentials:
    """Who we are to a smart host."""

    username: str
    password: str = field(repr=False)


@frozen
class SmartHost:
    """Where every letter goes that has no route of its own (RFC 5321 §5.1, RFC 6409)."""

    target: Target
    implicit_tls: bool
    """smtps://: TLS before the first octet (RFC 8314 §3.3); else STARTTLS."""
    credentials: Credentials | None = None

    @classmethod
    def parse(cls, url: str, password: str | None = None) -> SmartHost:
        """Read `smtp://[user[:password]@]host[:port]` or `smtps://…`, percent-encoded where need be; raises RouteError.

        `password` is for those who don't want it in the URL. The port is 465 for smtps, else 587 with a user and 25 without.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise RouteError(f"the smart host is not a URL: {error}") from None
        if parts.scheme not in {"smtp", "smtps"} or not host or parts.path.strip("/") or parts.query or parts.fragment:
            raise RouteError("the smart host is not smtp://[user[:password]@]host[:port], or smtps://…")
        implicit = parts.scheme == "smtps"
        credentials = None
        if parts.username:
            password = unquote(parts.password) if parts.password is not None else password
            if not password:
                raise RouteError("the smart host has a user and no password")
            credentials = Credentials(unquote(parts.username), password)
        if port is None:
            port = 465 if implicit else 587 if credentials else 25
        return cls(Target.parse(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"), implicit, credentials)


def _port(number: int) -> int:
    if not 0 < number < 65536:
        raise RouteError(f"{number} is not a port (1 to 65535)")
    return number
