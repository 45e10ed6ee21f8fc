"""All routes of the API, for one server."""

from __future__ import annotations

from collections.abc import Iterable

from mailstack.net.clock import ReactorClock
from mailstack.web.api.accounts import account_routes
from mailstack.web.api.checks import check_routes
from mailstack.web.api.compose import composing_routes
from mailstack.web.api.context import ApiContext
from mailstack.web.api.description import Description
from mailstack.web.api.events import event_routes
from mailstack.web.api.journeys import journey_routes
from mailstack.web.api.letter_index import ApiShelf
from mailstack.web.api.letters import letter_routes
from mailstack.web.api.long_poll import wait_routes
from mailstack.web.api.queue import queue_routes
from mailstack.web.http_values import HttpError, Request, Response
from mailstack.web.routes import Route


def api_routes(behind: ApiContext, more: Iterable[Route]) -> tuple[Route, ...]:
    """Routes in the order of their description; `more` comes last."""
    hide_client = behind.config.submission.hide_client
    routes = (
        *_letters(behind),
        *journey_routes(behind.store, behind.index, hide_client=hide_client),
        *queue_routes(behind),
        *account_routes(behind),
        *more,
    )
    return (*routes, Description(routes).route)


def _letters(behind: ApiContext) -> tuple[Route, ...]:
    """What needs the index; without one, a word about that."""
    if behind.index is None:
        return tuple(Route("GET", path, _no_letters) for path in ("/v1/letters", "/v1/letters/{id}", "/v1/wait"))
    shelf = ApiShelf(behind.index, behind.requests.in_thread, hide_client=behind.config.submission.hide_client)
    # Who waits at a connection does so in real time, wherever the clock of letters has travelled.
    patience = ReactorClock(behind.requests.reactor)
    places = behind.requests.places
    return (
        *letter_routes(shelf, behind.clock.now),
        *composing_routes(behind, shelf),
        *check_routes(shelf, behind.options.admin.look, behind.options.admin.judge),
        *wait_routes(shelf, behind.clock.now, patience, places),
        *event_routes(shelf, patience, places),
    )


async def _no_letters(_: Request) -> Response:
    raise HttpError(
        404, "This server keeps no letters for people who look; [index] enabled = true would have it do so."
    )
