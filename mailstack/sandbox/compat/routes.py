"""Routes of Mailpit, MailHog and GreenMail, and answers for removed paths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mailstack.sandbox.compat.context import CompatAccounts, CompatContext
from mailstack.sandbox.compat.greenmail import greenmail_routes
from mailstack.sandbox.compat.mailhog import mailhog_routes
from mailstack.sandbox.compat.mailpit.about import ChaosHandlers, InfoHandlers, alive
from mailstack.sandbox.compat.mailpit.message import CheckHandlers, MessageHandlers, TransferHandlers
from mailstack.sandbox.compat.mailpit.messages import ListHandlers, events
from mailstack.web.http_messages import HttpRoute, Request, Response, text_response

_Admin = partial(HttpRoute, access="admin")


def mailpit_routes(context: CompatContext) -> tuple[HttpRoute, ...]:
    """Everything below /api/v1, /view and beside them that Mailpit's clients call."""
    reader = context.reader
    lists, one, transfers = (
        ListHandlers(context.index, context.clock),
        MessageHandlers(reader, context.clock),
        TransferHandlers(context),
    )
    checks, about, chaos = (
        CheckHandlers(reader, context.head, context.check_spam),
        InfoHandlers(context),
        ChaosHandlers(context.faults),
    )
    letter = "/api/v1/message/{id}"
    return (
        _Admin("GET", "/api/v1/messages", lists.messages),
        _Admin("PUT", "/api/v1/messages", lists.mark),
        _Admin("DELETE", "/api/v1/messages", lists.delete),
        _Admin("GET", "/api/v1/search", lists.search),
        _Admin("DELETE", "/api/v1/search", lists.delete_found),
        _Admin("GET", "/api/v1/tags", lists.tags),
        _Admin("PUT", "/api/v1/tags", lists.set_tags),
        _Admin("PUT", "/api/v1/tags/{tag}", lists.rename_tag),
        _Admin("DELETE", "/api/v1/tags/{tag}", lists.remove_tag),
        _Admin("GET", letter, one.message),
        _Admin("GET", f"{letter}/headers", one.headers),
        _Admin("GET", f"{letter}/raw", one.raw),
        _Admin("GET", f"{letter}/part/{{part}}", one.part, is_picture=True),
        _Admin("GET", f"{letter}/part/{{part}}/thumb", checks.thumbnail, is_picture=True),
        _Admin("GET", f"{letter}/html-check", checks.html),
        _Admin("GET", f"{letter}/link-check", checks.links),
        _Admin("GET", f"{letter}/sa-check", checks.spam),
        _Admin("GET", "/view/{name}", one.view),
        _Admin("POST", f"{letter}/release", transfers.release),
        HttpRoute(
            "POST",
            "/api/v1/send",
            transfers.send,
            "admin" if context.senders is None else "public",
            is_large=True,
            ends_with_client=True,
        ),
        _Admin("GET", "/api/events", partial(events, context.index, context.stream_limits)),
        _Admin("GET", "/api/v1/chaos", chaos.triggers),
        _Admin("PUT", "/api/v1/chaos", chaos.set_triggers),
        _Admin("GET", "/api/v1/info", about.info),
        _Admin("GET", "/api/v1/webui", about.interface),
        HttpRoute("GET", "/livez", alive),
        HttpRoute("GET", "/readyz", about.ready),
    )


_FAULTS = "POST /v1/faults, or mailstack dev --faults FILE, has rules by step, recipient, count and chance"
REMOVED = {
    "GET /api/v1/events": "the WebSocket /api/v2/websocket, or the event stream /v1/events, has new messages",
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
    names = {(route.method, route.path) for route in hog}
    pit = (route for route in mailpit_routes(context) if (route.method, route.path) not in names)
    return (*pit, *hog, *greenmail_routes(accounts, context.reader), *_removed())


def _removed() -> Iterator[HttpRoute]:
    for name, advice in REMOVED.items():

        async def page(_: Request, line: str = f"mailstack has no {name}: {advice}") -> Response:
            return text_response(line, 404)

        method, path = name.split()
        yield HttpRoute(method, path, page, "admin")
