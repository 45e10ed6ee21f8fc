"""MailHog's streams of new messages: an EventSource (v1), and a WebSocket (v2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from mailstack.mailbox.index.feed import Feed, Missed
from mailstack.mailbox.index.items import Item
from mailstack.web.api.stream_limits import StreamLimits
from mailstack.web.http_values import HttpError, Request, Response, Upgrade
from mailstack.web.routes import Route

Show = Callable[[Item], Awaitable[bytes]]


def event_pages(feed: Feed, show: Show, places: StreamLimits) -> tuple[Route, ...]:
    """`show` gives a letter as JSON, or raises Trouble when it is gone."""

    async def stream(ask: Request) -> Response:
        places.check(ask)
        return Response(places.held(ask, _lines(feed, show)), "text/event-stream")

    async def socket(ask: Request) -> Upgrade:
        from mailstack.web.websocket import told_by_websocket  # noqa: PLC0415 - most environments have no such client

        places.check(ask)
        return told_by_websocket(ask, places.held(ask, _texts(feed, show)))

    return (
        Route("GET", "/api/v1/events", stream, "admin"),
        Route("GET", "/api/v2/websocket", socket, "admin"),
    )


async def _lines(feed: Feed, show: Show) -> AsyncGenerator[bytes, None]:
    yield b": new messages, as they come\n\n"
    async for message in _new(feed, show):
        yield b"data: " + message + b"\n\n"


async def _texts(feed: Feed, show: Show) -> AsyncGenerator[str, None]:
    async for message in _new(feed, show):
        yield message.decode()


async def _new(feed: Feed, show: Show) -> AsyncGenerator[bytes, None]:
    """Each letter that comes from now on; a client that is slow for long misses some."""
    at = feed.newest
    while not feed.is_closed:
        try:
            happened = feed.after(at)
        except Missed:
            happened, at = [], feed.newest
        for event in happened:
            at = event.sequence
            if event.name == "letter":
                try:
                    yield await show(event.data.item)
                except HttpError:
                    continue
        await feed.more(at)
