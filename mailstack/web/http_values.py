"""What a page is asked, and what it answers: values, whatever carries them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct, field

from mailstack.letter.connection import HostPort
from mailstack.protocols.sasl import AccountLogin, OpenSession
from mailstack.store import StoreError

JSON = "application/json; charset=utf-8"
PROBLEM = "application/problem+json; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"

T = TypeVar("T")


class User(Struct, frozen=True):
    """Who asks, once a page wants to know."""

    account: str = ""
    """`Address.key`; empty where nobody has to log in."""
    is_admin: bool = False
    """Whether everything may be seen and done; else what concerns the account."""
    login: AccountLogin | None = None
    """The login that the request rests on; None where nobody has to log in."""


class Request(Struct, frozen=True):
    """One request, its size bounded, everything in it still hostile."""

    method: str
    path: str
    """Percent-decoded, without the query."""
    host: str
    """As the Host field says it: in lower case, without port, brackets and final dot."""
    query: Mapping[str, str] = field(default_factory=dict)
    """The first value of each name."""
    body: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The header, names in lower case; a field given several times is joined with commas (RFC 9110 §5.3)."""
    remote: HostPort = HostPort("", 0)
    is_secure: bool = False
    """Whether it came under TLS."""
    authority: str = ""
    """The Host field in lower case, with its port."""
    parts: tuple[str, ...] = ()
    """The path between its slashes, each part decoded by itself; empty: as `path` has them."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What stands in the path for each {name} of the route's."""
    visitor: User = User()
    """Nobody, where the route is for anybody."""
    session: OpenSession | None = None
    """The request as a session of its login; None: no change ends it."""

    @property
    def segments(self) -> tuple[str, ...]:
        return self.parts or tuple(self.path.split("/")[1:])

    async def holds(self) -> bool:
        """Whether the login of the request still holds, before it is told what came since the request. Raises Trouble."""
        try:
            return self.session is None or await self.session.holds()
        except StoreError:
            raise HttpError(503, "The accounts can't be read at the moment; try again.", ("Retry-After", "5")) from None


class Response(Struct, frozen=True):
    """What a page says."""

    body: bytes | AsyncGenerator[bytes, None]
    """All of it, or piece by piece; the generator is closed when the client goes, or asked for the header only."""
    media_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    size: int | None = None
    """Octets that a generator will give, if that is known."""
    etag: str = ""
    """Names this body (RFC 9110 §8.8.3), without quotes: who has it already is told so. Empty: nobody can have it."""


class StreamLine(Protocol):
    """A connection that speaks HTTP no longer."""

    async def read(self) -> bytes:
        """Octets from the client; b"" at the end."""

    async def write(self, octets: bytes) -> None:
        """Returns when there is room for more."""


class Upgrade(Struct, frozen=True):
    """Changes the protocol of the connection (RFC 9110 §7.8)."""

    protocol: str
    """As "websocket"."""
    converse: Callable[[StreamLine], Awaitable[None]]
    """Has the connection until it returns; cancelled when the client goes."""
    headers: tuple[tuple[str, str], ...] = ()


Page = Callable[[Request], Awaitable[Response | Upgrade]]
"""A safe one (GET), and one of a route that `ends_with_client`, is cancelled when its client goes; others finish what they do."""


class HttpError(Exception):
    """Ends a page; the client gets the status and the line, which says what is wrong and what to do."""

    def __init__(
        self, status: int, why: str, *headers: tuple[str, str], facts: Mapping[str, Any] | None = None
    ) -> None:
        """`facts` are further members of the problem (RFC 9457 §3.2)."""
        super().__init__(why)
        self.status = status
        self.why = why
        self.headers = headers
        self.facts = facts or {}


def plain(text: str, status: int = 200, *headers: tuple[str, str]) -> Response:
    """A line or more for whoever reads it."""
    return Response(f"{text}\n".encode(), PLAIN, status, headers)


def in_json(value: object, status: int = 200, *headers: tuple[str, str]) -> Response:
    """Any value that msgspec knows."""
    return Response(msgspec.json.encode(value), JSON, status, headers)


def check_is_json(ask: Request) -> None:
    """Raises Trouble 415 for a body that is not said to be JSON."""
    if ask.fields.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415, "Send the body as JSON, with Content-Type: application/json")


def from_json(ask: Request, kind: type[T]) -> T:
    """The request's body as a value of `kind`. Raises Trouble 415 and 400, which say where it is wrong."""
    check_is_json(ask)
    try:
        return msgspec.json.decode(ask.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HttpError(400, f"The body is not what this takes: {error}") from None
