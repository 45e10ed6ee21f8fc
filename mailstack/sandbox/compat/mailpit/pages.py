"""Routes of Mailpit's API v1, of its views and of its health checks."""

from __future__ import annotations

from functools import partial

from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.mailpit.about import ChaosHandlers, InfoHandlers, alive
from mailstack.sandbox.compat.mailpit.checks import CheckHandlers
from mailstack.sandbox.compat.mailpit.message import MessageHandlers, TransferHandlers
from mailstack.sandbox.compat.mailpit.messages import ListHandlers, events
from mailstack.web.http_messages import HttpRoute

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
