"""Route table: URL path patterns with variables, and the OpenAPI data of routes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct, field

from mailstack.web.http_messages import Page

MAX_SEGMENTS = 16
"""Maximum segments of a path; no route has as many."""


class QueryParameter(Struct, frozen=True):
    """Query parameter in the OpenAPI description."""

    name: str
    description: str
    kind: Any = str
    """Type of the value with its constraints, as for msgspec."""


class RouteDoc(Struct, frozen=True):
    """OpenAPI description of a route."""

    summary: str
    query: tuple[QueryParameter, ...] = ()
    request: object = None
    """Type of the JSON request body; None: no body."""
    response: object = None
    """Type of the JSON response; None: described by `media_type`, or empty."""
    media_type: str = ""
    status: int = 200


class HttpRoute(Struct, frozen=True):
    """Handler of one method and path; GET routes answer HEAD too."""

    method: str
    path: str
    """Path pattern such as "/v1/letters/{id}": a variable matches one non-empty segment."""
    page: Page
    access: Literal["public", "user", "admin"] = "public"
    """Required access: none, a login, or an administrator's login."""
    is_large: bool = False
    """Whether the body may have the size of a letter."""
    ends_with_client: bool = False
    """Whether an unsafe method is cancelled if the client disconnects; the page shields its writes itself."""
    is_picture: bool = False
    """Whether pages may load the resource as an image, audio or video."""
    doc: RouteDoc | None = None
    """OpenAPI description; None: not part of the API."""


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

    def at(self, segments: Sequence[str]) -> dict[str, HttpRoute]:
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
    part, rest = segments[0], segments[1:]
    if (following := node.literal.get(part)) and (found := _find(following, rest, literal=literal)):
        return found
    if node.variable is None or not part or literal:
        return {}
    return _find(node.variable, rest)
