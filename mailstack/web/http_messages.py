"""HTTP requests, their targets (RFC 9112 §3.2) and responses as values."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct, field

from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import AccountLogin, OpenSession
from mailstack.store import StoreError

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"

T = TypeVar("T")


class User(Struct, frozen=True):
    """Authenticated user of a request."""

    account: str = ""
    """Account as `Address.key`; empty where no login is required."""
    is_admin: bool = False
    """Whether the user may see and do everything, instead of only what concerns the account."""
    login: AccountLogin | None = None
    """Login of the request; None where no login is required."""


class Request(Struct, frozen=True):
    """One HTTP request of bounded size; its contents are not validated."""

    method: str
    path: str
    """Percent-decoded path without the query."""
    host: str
    """Host of the Host field in lower case, without port, brackets and final dot."""
    query: Mapping[str, str] = field(default_factory=dict)
    """First value of each query parameter."""
    body: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Header fields by name in lower case; repeated fields are joined with commas (RFC 9110 §5.3)."""
    remote: HostPort = HostPort("", 0)
    is_secure: bool = False
    """Whether the connection has TLS."""
    authority: str = ""
    """The Host field in lower case, with its port."""
    parts: tuple[str, ...] = ()
    """Segments of the path, each percent-decoded by itself; empty: split `path`."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Values of the path variables of the route, by name."""
    user: User = User()
    """Authenticated user; an empty User on public routes."""
    session: OpenSession | None = None
    """Session of the login, which a password change ends; None: not tracked."""

    @property
    def segments(self) -> tuple[str, ...]:
        return self.parts or tuple(self.path.split("/")[1:])

    async def holds(self) -> bool:
        """Whether the login of a long request is still valid. Raises HttpError 503."""
        try:
            return self.session is None or await self.session.holds()
        except StoreError:
            raise HttpError(
                503, "The accounts can't be read at present; try again later.", ("Retry-After", "5")
            ) from None


class Response(Struct, frozen=True):
    """One HTTP response."""

    body: bytes | AsyncGenerator[bytes, None]
    """Whole body, or a generator of chunks, which is closed if the client disconnects or sent HEAD."""
    media_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    """Total octets of a generator's chunks; None: unknown."""
    etag: str = ""
    """Entity tag without quotes (RFC 9110 §8.8.3), for conditional requests; empty: none."""


class StreamLine(Protocol):
    """Connection after a protocol upgrade."""

    async def read(self) -> bytes:
        """Return octets from the client; b"" at the end of the connection."""

    async def write(self, octets: bytes) -> None:
        """Send octets; return when the send buffer has space."""


class Upgrade(Struct, frozen=True):
    """Response that switches the protocol of the connection (RFC 9110 §7.8)."""

    protocol: str
    """Name of the new protocol, for example "websocket"."""
    converse: Callable[[StreamLine], Awaitable[None]]
    """Runs the new protocol until it returns; cancelled if the client disconnects."""
    headers: tuple[tuple[str, str], ...] = ()


Page = Callable[[Request], Awaitable[Response | Upgrade]]
"""Handler of a route. Safe methods and routes with `ends_with_client` are cancelled if the client disconnects."""


class HttpError(Exception):
    """Error response with a status and a line for people: what is wrong and what to do."""

    def __init__(
        self, status: int, reason: str, *headers: tuple[str, str], facts: Mapping[str, Any] | None = None
    ) -> None:
        """`facts` are extension members of the problem object (RFC 9457 §3.2)."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers
        self.facts = facts or {}


def text_response(text: str, status: int = 200, *headers: tuple[str, str]) -> Response:
    """Return a plain-text response."""
    return Response(f"{text}\n".encode(), PLAIN, status, headers)


def json_response(value: object, status: int = 200, *headers: tuple[str, str]) -> Response:
    """Return a JSON response with any value that msgspec encodes."""
    return Response(msgspec.json.encode(value), JSON, status, headers)


def require_json(request: Request) -> None:
    """Check the Content-Type of the body. Raises HttpError 415."""
    if request.fields.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "The body must be JSON, with Content-Type: application/json")


def decode_json(request: Request, kind: type[T]) -> T:
    """Decode the JSON body as a value of `kind`. Raises HttpError 415 and 400, with the place of the error."""
    require_json(request)
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpError(400, f"Invalid request body: {error}") from None


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
