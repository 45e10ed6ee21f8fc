"""HTTP values: requests, targets (RFC 9112 §3.2), responses and routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Struct, field

from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import AccountLogin, OpenSession
from mailstack.store import StoreError

JSON = "application/json; charset=utf-8"

PROBLEM = "application/problem+json; charset=utf-8"

PLAIN = "text/plain; charset=utf-8"

MAX_FIELDS = 100
"""Maximum number of pairs in a query."""

MAX_SEGMENTS = 16
"""Maximum segments of a path; no route has as many."""

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

    `is_secure`: whether the connection has TLS, without which no https resource is served (RFC 9110 §7.4).
    Raises ValueError for every other form.
    """
    text = target.decode("ascii")
    authority = host.strip()
    if not text.startswith("/"):
        scheme, separator, remainder = text.partition("://")
        schemes = ("http", "https") if is_secure else ("http",)
        if not separator or scheme.lower() not in schemes:
            raise ValueError("RFC 9112 §3.2: neither origin form nor absolute form of this connection's scheme")
        end = min((at for at in (remainder.find("/"), remainder.find("?")) if at >= 0), default=len(remainder))
        authority, text = remainder[:end], remainder[end:]
        if not authority or "@" in authority:
            raise ValueError("RFC 9110 §4.2.1, §4.2.4: an http URI has a host, and no user information")
        if not text.startswith("/"):
            text = "/" + text
    path, _, query = text.partition("?")
    return RequestTarget(path, query, authority.lower())


def segments_of(path: str) -> tuple[str, ...]:
    """Segments of a path, each percent-decoded by itself. Raises ValueError."""
    return tuple(unquote(part, errors="strict") for part in path.split("/")[1:])


class QueryParameter(Struct, frozen=True):
    name: str
    description: str
    kind: Any = str
    """Type of the value with its constraints, as for msgspec."""


class RouteDoc(Struct, frozen=True):
    summary: str
    response: object = None
    """Type of the JSON response; None: described by `media_type`, or empty."""
    request: object = None
    """Type of the JSON request body; None: no body."""
    status: int = 200
    query: tuple[QueryParameter, ...] = ()
    media_type: str = ""


class HttpRoute(Struct, frozen=True):
    """Handler of one method and path; GET routes answer HEAD too."""

    method: str
    path: str
    """Path pattern such as "/v1/letters/{id}": a variable matches one non-empty segment."""
    page: Page
    access: Literal["public", "user", "admin"] = "public"
    """Required access: none, a login, or an administrator's login."""
    doc: RouteDoc | None = None
    """OpenAPI description; None: not part of the API."""
    is_large: bool = False
    """Whether the body may have the size of a letter."""
    ends_with_client: bool = False
    """Whether an unsafe method is cancelled if the client disconnects; the page shields its writes itself."""
    is_picture: bool = False
    """Whether pages may load the resource as an image, audio or video."""


class _Node(Struct):
    literal: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    routes: dict[str, HttpRoute] = field(default_factory=dict)
    """Routes of this path, by method."""


class RouteTable:
    """Routes by path. Literal paths match in any case, because Autodiscover clients vary the case."""

    def __init__(self, routes: Iterable[HttpRoute]) -> None:
        """Raises ValueError for two routes with the same method and path."""
        self.all = tuple(routes)
        self._root = _Node()
        for route in self.all:
            node = self._root
            for part in _segments(route.path):
                if _is_variable(part):
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.literal.setdefault(part, _Node())
            if route.method in node.routes:
                raise ValueError(f"duplicate route {route.method} {route.path}")
            node.routes[route.method] = route

    def lookup(self, segments: Sequence[str]) -> dict[str, HttpRoute]:
        """Return the routes of a path, by method."""
        if len(segments) > MAX_SEGMENTS:
            return {}
        return _find(self._root, segments) or _find(self._root, [part.lower() for part in segments], literal=True)


def path_variables(route: HttpRoute, segments: Sequence[str]) -> dict[str, str]:
    """Return the values of the path variables of a route."""
    pairs = zip(_segments(route.path), segments, strict=True)
    return {name[1:-1]: value for name, value in pairs if _is_variable(name)}


def _segments(path: str) -> list[str]:
    return path.split("/")[1:]


def _is_variable(part: str) -> bool:
    return part.startswith("{") and part.endswith("}")


def _find(node: _Node, segments: Sequence[str], *, literal: bool = False) -> dict[str, HttpRoute]:
    if not segments:
        return node.routes
    part, following_parts = segments[0], segments[1:]
    if (following := node.literal.get(part)) and (found := _find(following, following_parts, literal=literal)):
        return found
    if node.variable is None or not part or literal:
        return {}
    return _find(node.variable, following_parts)
