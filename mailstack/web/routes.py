"""Which page a path leads to: patterns with variables, a literal part before a variable one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import Struct, field

from mailstack.web.http_values import Page

MOST_PARTS = 16
"""Of a path; none of ours is that deep."""


class Parameter(Struct, frozen=True):
    """One parameter of a query, for the description of the API."""

    name: str
    says: str
    kind: Any = str
    """A type that msgspec knows, with its bounds."""


class RouteDoc(Struct, frozen=True):
    """What the description of the API says of a route."""

    summary: str
    query: tuple[Parameter, ...] = ()
    takes: object = None
    """The type of the body, in JSON; None: there is none."""
    gives: object = None
    """The type of the answer, in JSON; None: it is described by `media_type`, or empty."""
    media_type: str = ""
    status: int = 200


class Route(Struct, frozen=True):
    """One method of one path, and its page; who knows GET knows HEAD."""

    method: str
    path: str
    """As "/v1/letters/{id}": a part in braces stands for any text without a slash, and is not empty."""
    page: Page
    access: Literal["anyone", "user", "admin"] = "anyone"
    """Who may ask."""
    is_large: bool = False
    """Whether a body may be as large as a letter."""
    ends_with_client: bool = False
    """Whether its page is cancelled when the client goes, also where it is no safe one. It shields what must not break off."""
    is_picture: bool = False
    """Whether it may be a picture, sound or film within a page, as that of a letter."""
    told: RouteDoc | None = None
    """None: it is no part of the API."""


class _Node(Struct):
    literal: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)
    """By method."""


class Routes:
    """The table. A path of literal parts alone is found in any case: Autodiscover's clients write it as they like."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises ValueError for two of the same method and path."""
        self.all = tuple(routes)
        self._root = _Node()
        for route in self.all:
            node = self._root
            for part in _parts(route.path):
                if _is_variable(part):
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.literal.setdefault(part, _Node())
            if route.method in node.routes:
                raise ValueError(f"{route.method} {route.path} is there already")
            node.routes[route.method] = route

    def at(self, segments: Sequence[str]) -> dict[str, Route]:
        """The routes of a path, by method; empty: there is none."""
        if len(segments) > MOST_PARTS:
            return {}
        return _find(self._root, segments) or _find(self._root, [part.lower() for part in segments], literal=True)


def variables(route: Route, segments: Sequence[str]) -> dict[str, str]:
    """What stands in a path that leads to the route."""
    pairs = zip(_parts(route.path), segments, strict=True)
    return {name[1:-1]: value for name, value in pairs if _is_variable(name)}


def _parts(path: str) -> list[str]:
    return path.split("/")[1:]


def _is_variable(part: str) -> bool:
    return part.startswith("{") and part.endswith("}")


def _find(node: _Node, segments: Sequence[str], *, literal: bool = False) -> dict[str, Route]:
    if not segments:
        return node.routes
    part, rest = segments[0], segments[1:]
    if (following := node.literal.get(part)) and (found := _find(following, rest, literal=literal)):
        return found
    if node.variable is None or not part or literal:
        return {}
    return _find(node.variable, rest)
