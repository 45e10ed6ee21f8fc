"""Route list of the API."""

from __future__ import annotations

from collections.abc import Iterable

from mailstack.net.clock import ReactorClock
from mailstack.web.api.accounts import account_routes
from mailstack.web.api.checks import check_routes
from mailstack.web.api.compose import compose_routes
from mailstack.web.api.context import ApiContext
from mailstack.web.api.description import OpenApiPage
from mailstack.web.api.events import event_routes
from mailstack.web.api.journeys import journey_routes
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.letters import letter_routes
from mailstack.web.api.long_poll import wait_routes
from mailstack.web.api.queue import queue_routes
from mailstack.web.http_values import HttpError, Request, Response
from mailstack.web.routes import HttpRoute


def api_routes(context: ApiContext, more: Iterable[HttpRoute]) -> tuple[HttpRoute, ...]:
    """Routes in the order of their description; `more` comes last."""
    hide_client = context.config.submission.hide_client
    routes = (
        *_letters(context),
        *journey_routes(context.store, context.index, hide_client=hide_client),
        *queue_routes(context),
        *account_routes(context),
        *more,
    )
    return (*routes, OpenApiPage(routes).route)


def _letters(context: ApiContext) -> tuple[HttpRoute, ...]:
    """What needs the index; without one, a word about that."""
    if context.index is None:
        return tuple(HttpRoute("GET", path, _no_letters) for path in ("/v1/letters", "/v1/letters/{id}", "/v1/wait"))
    reader = ApiLetterReader(
        context.index, context.requests.in_thread, hide_client=context.config.submission.hide_client
    )
    # Connections time out in real time, independent of an advanced clock of letters.
    timeout = ReactorClock(context.requests.reactor)
    stream_limits = context.requests.stream_limits
    return (
        *letter_routes(reader, context.clock.now),
        *compose_routes(context, reader),
        *check_routes(reader, context.options.admin.look, context.options.admin.judge),
        *wait_routes(reader, context.clock.now, timeout, stream_limits),
        *event_routes(reader, timeout, stream_limits),
    )


async def _no_letters(_: Request) -> Response:
    raise HttpError(404, "This server has no letter index; set [index] enabled = true.")
