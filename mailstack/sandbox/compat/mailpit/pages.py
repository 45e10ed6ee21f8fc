"""All paths of Mailpit's, for one office."""

from __future__ import annotations

from urllib.parse import urlencode

from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.mailpit.about import Told, about_pages
from mailstack.sandbox.compat.mailpit.chaos import chaos_pages
from mailstack.sandbox.compat.mailpit.checks import check_pages
from mailstack.sandbox.compat.mailpit.events import event_pages
from mailstack.sandbox.compat.mailpit.message import message_pages
from mailstack.sandbox.compat.mailpit.messages import list_pages
from mailstack.sandbox.compat.mailpit.sending import sending_pages
from mailstack.web.api.description import About, Description
from mailstack.web.http_values import Request, Response
from mailstack.web.letter_reader import Shelf
from mailstack.web.routes import Route

_ABOUT = About(
    "Mailpit's API, answered by mailstack",
    "What mailstack answers on the paths of Mailpit's API v1. Names in bodies may be written in any case.",
    refused_in=("text/plain", "application/json"),
)


def mailpit_pages(ground: CompatContext, told: Told) -> tuple[Route, ...]:
    """Everything below /api/v1, /view and beside them."""
    pages = _pages(ground, told)
    return (*pages, Description(pages, "/api/v1/swagger.json", _ABOUT).route, Route("GET", "/search", _search))


async def _search(ask: Request) -> Response:
    """Where Mailpit's pages have their search, ours have it in the fragment, which a server does not see."""
    query = urlencode({"query": ask.query.get("q") or ask.query.get("query") or ""})
    return Response(b"", "", 302, (("Location", f"./#/letters?{query}"),))


def _pages(ground: CompatContext, told: Told) -> tuple[Route, ...]:
    shelf = Shelf(ground.catalogue, ground.in_thread)
    return (
        *list_pages(ground.catalogue, ground.clock),
        *message_pages(shelf, ground.clock),
        *sending_pages(ground, shelf),
        *event_pages(ground.catalogue, ground.places),
        *check_pages(shelf, ground.look, ground.judge),
        *chaos_pages(ground.faults),
        *about_pages(ground.catalogue, ground.clock, told),
    )
