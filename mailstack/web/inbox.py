"""The inbox for people: the files of its pages, which a browser puts to work with the HTTP API."""

from __future__ import annotations

from importlib.resources import files

from mailstack.web.routes import Route
from mailstack.web.static_files import StaticFile, static_routes

_RULES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
POLICY = ("Content-Security-Policy", _RULES)
"""Scripts and styles are files of ours, and nothing else is one. A letter's HTML is a frame with a policy of its own."""


def inbox_pages() -> tuple[Route, ...]:
    """The page at `/`, in place of the front page, and what it is made of."""
    folder = files("mailstack.web").joinpath("pages")
    index = StaticFile(folder.joinpath("index.html"), POLICY)
    return (Route("GET", "/", index.page), *static_routes(folder, "/pages/", POLICY))
