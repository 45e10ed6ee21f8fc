"""What happens, as server-sent events: a stream that can be taken up again where it broke."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from mailstack.letter.step import Step
from mailstack.mailbox.index.feed import Event, EventsMissed
from mailstack.mailbox.index.indexer import IndexedLetter
from mailstack.mailbox.index.items import ChangedItems, DeletedItems, Item
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.timeout import with_timeout
from mailstack.protocols.connection import Clock
from mailstack.store.journey_json import step_json
from mailstack.web.api import serialize
from mailstack.web.api.letter_index import ApiShelf, seen_of
from mailstack.web.api.stream_limits import StreamLimits
from mailstack.web.http_values import Request, Response, User
from mailstack.web.routes import Parameter, Route, RouteDoc

ALIVE = 15.0
"""Seconds of silence after which a comment is sent, so that nobody between takes the connection for dead."""
MOST_AT_ONCE = 500
"""Events in one piece."""
AGAIN = 1000
"""Milliseconds after which a browser comes back."""

MISSED = -1

CALLED = {"pruned": "deleted"}
"""Events that have another name outside."""

_TOLD = RouteDoc(
    "Server-sent events: letter (Summary), changed, deleted, step, fault, dialogue, clock, and reset when some were missed.",
    (Parameter("after", "As Last-Event-ID, for those who can't send fields."),),
    media_type="text/event-stream",
)


def event_routes(shelf: ApiShelf, clock: Clock, places: StreamLimits) -> tuple[Route, ...]:
    """The stream."""
    return (Route("GET", "/v1/events", EventStreams(shelf, clock, places).events, "user", told=_TOLD),)


class EventStreams:
    """The page behind it."""

    def __init__(self, shelf: ApiShelf, clock: Clock, places: StreamLimits) -> None:
        self._shelf = shelf
        self._index: LetterIndex = shelf.index
        self._clock = clock
        self._places = places

    async def events(self, ask: Request) -> Response:
        self._places.check(ask)
        return Response(self._stream(ask), "text/event-stream; charset=utf-8")

    async def _stream(self, ask: Request) -> AsyncGenerator[bytes, None]:
        with self._places.one(ask):
            async with self._index.feed.watched():
                yield b"retry: %d\n\n" % AGAIN
                position = self._begun(ask)
                while not self._index.feed.is_closed:
                    piece, position = await self._next(position, ask.visitor)
                    # The name may have another holder by now, whose letters these are.
                    if not await ask.holds():
                        return
                    if piece:
                        yield piece

    def _begun(self, ask: Request) -> int:
        """Where a stream goes on: before all that is known, where something was missed."""
        feed = self._index.feed
        came_back = ask.fields.get("last-event-id") or ask.query.get("after", "")
        if not came_back:
            return feed.newest
        try:
            return feed.sequence_of(came_back)
        except EventsMissed:
            return MISSED

    async def _next(self, position: int, visitor: User) -> tuple[bytes, int]:
        """What is told next, after some silence a comment, and where that leads to."""
        feed = self._index.feed
        try:
            events = feed.after(position)[:MOST_AT_ONCE]
        except EventsMissed:
            return _framed(feed.name_of(feed.newest), "reset", {}), feed.newest
        if not events:
            return b"" if await with_timeout(self._clock, feed.more(position), ALIVE) else b":\n\n", position
        pieces = [
            _framed(feed.name_of(event.sequence), CALLED.get(event.name, event.name), data)
            for event in events
            if _may_hear(event, visitor) and (data := await self._data(event, visitor)) is not None
        ]
        return b"".join(pieces), events[-1].sequence

    async def _data(self, event: Event, visitor: User) -> Any:
        """What is told of it, in JSON's values; None: nothing."""
        match event.data:
            case IndexedLetter(item, record):
                return serialize.summary(seen_of(item, visitor), {record.letter.id: record})
            case Step():
                return step_json(event.data)
            case DeletedItems(_, _, _, only_for) if only_for and only_for != visitor.account:
                return None
            case DeletedItems(count, _, ids):
                return {"count": count, "ids": ids if count == len(ids) else None}
            case ChangedItems(count, items):
                own = [each for each in items if _is_for(each, visitor)]
                changed = None if count > len(items) else [each.id for each in own]
                return {"count": count, "ids": changed, "letters": await self._shelf.summaries(own, visitor)}
            case data:
                return data


def _may_hear(event: Event, visitor: User) -> bool:
    return visitor.is_admin or (event.holders is not None and visitor.account in event.holders)


def _is_for(item: Item, visitor: User) -> bool:
    return visitor.is_admin or visitor.account in item.mailboxes or visitor.account == item.account


def _framed(name: str, kind: str, data: Any) -> bytes:
    """One event of the stream; JSON has no line breaks."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (name.encode(), kind.encode(), msgspec.json.encode(data))
