"""Routes of Mailpit, MailHog and GreenMail, and answers for removed paths."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
from mailstack.sandbox.compat.greenmail import greenmail_routes
from mailstack.sandbox.compat.mailhog import mailhog_routes
from mailstack.sandbox.compat.mailpit.pages import mailpit_routes
from mailstack.web.http_messages import HttpRoute, Request, Response, text_response

_FAULTS = "POST /v1/faults, or mailstack dev --faults FILE, has rules by step, recipient, count and chance"
REMOVED = {
    "GET /api/v1/events": "the WebSocket /api/v2/websocket, or the event stream /v1/events, has new letters",
    "GET /api/v1/swagger.json": "/v1/openapi.json describes mailstack's own API",
    "GET /greenmail-openapi.yml": "/v1/openapi.json describes mailstack's own API",
    "GET /metrics": "GET /api/v1/info has the same numbers in JSON",
    "GET /search": "the page at / has the search",
    **{f"{method} /api/v2/jim": _FAULTS for method in ("GET", "POST", "PUT", "DELETE")},
    **{f"{method} /smtpBehaviors": _FAULTS for method in ("GET", "PUT", "DELETE")},
}
"""Paths of these tools that are not answered, and what to use instead."""


def tool_routes(
    context: CompatContext, accounts: CompatAccounts, *, mailhog_first: bool = False
) -> tuple[HttpRoute, ...]:
    """Routes of all three tools. `mailhog_first`: MailHog wins where Mailpit has the same path."""
    hog = mailhog_routes(context, is_first=mailhog_first)
    known = {(route.method, route.path) for route in hog}
    pit = (route for route in mailpit_routes(context) if (route.method, route.path) not in known)
    return (*pit, *hog, *greenmail_routes(accounts, context.reader), *_removed())


def _removed() -> Iterator[HttpRoute]:
    for name, advice in REMOVED.items():

        async def page(_: Request, line: str = f"mailstack has no {name}: {advice}") -> Response:
            return text_response(line, 404)

        method, path = name.split()
        yield HttpRoute(method, path, page, "admin")
