"""Parses the request target of HTTP/1.1 (RFC 9112 §3.2)."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from msgspec import Struct

MAX_FIELDS = 100
"""Maximum number of pairs in a query."""


class RequestTarget(Struct, frozen=True):
    """Request target in origin form or absolute form, split but still percent-encoded."""

    path: str
    """Path with its leading slash, percent-encoded."""
    query: str
    """Query without the question mark, percent-encoded; empty if there is none."""
    authority: str
    """Host and optional port in lower case: of the target in absolute form, else of the Host field."""

    @property
    def host(self) -> str:
        """Host in lower case, without port, brackets and final dot (RFC 9110 §7.2)."""
        if self.authority.startswith("["):
            return self.authority[1:].partition("]")[0]
        return self.authority.partition(":")[0].rstrip(".")

    @property
    def segments(self) -> tuple[str, ...]:
        """Percent-decoded segments of the path. Raises ValueError."""
        return segments_of(self.path)

    @property
    def pairs(self) -> dict[str, str]:
        """Percent-decoded query; the first value of a name counts. Raises ValueError."""
        found = parse_qsl(self.query, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
        return dict(reversed(found))


def parse_target(target: bytes, host: str, *, is_secure: bool) -> RequestTarget:
    """Splits a request target; the authority of an absolute form replaces the Host field `host` (RFC 9112 §3.2.2).

    `is_secure` says whether the connection has TLS, without which no https resource is served (RFC 9110 §7.4).
    Raises ValueError for every other form.
    """
    text = target.decode("ascii")
    authority = host.strip()
    if not text.startswith("/"):
        scheme, separator, rest = text.partition("://")
        schemes = ("http", "https") if is_secure else ("http",)
        if not separator or scheme.lower() not in schemes:
            raise ValueError("RFC 9112 §3.2: neither origin form nor absolute form of this connection's scheme")
        end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        authority, text = rest[:end], rest[end:]
        if not authority or "@" in authority:
            raise ValueError("RFC 9110 §4.2.1, §4.2.4: an http URI has a host, and no user information")
        if not text.startswith("/"):
            text = "/" + text
    path, _, query = text.partition("?")
    return RequestTarget(path, query, authority.lower())


def segments_of(path: str) -> tuple[str, ...]:
    """Segments of a path, each percent-decoded by itself. Raises ValueError."""
    return tuple(unquote(part, errors="strict") for part in path.split("/")[1:])
