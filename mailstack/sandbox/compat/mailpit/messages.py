"""Mailpit's lists of messages, marks, tags and WebSocket events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from mailstack.mailbox.index.feed import Event, EventsMissed
from mailstack.mailbox.index.items import ItemFilter, tag_of
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.query import Arrived, Term
from mailstack.protocols.connection import Clock
from mailstack.sandbox.compat.context import (
    decode_body,
    form_fields,
    integer_parameter,
    search_filter,
    upgrade_to_websocket,
)
from mailstack.sandbox.compat.mailpit.about import VERSION
from mailstack.sandbox.compat.mailpit.serialize import (
    DeleteRequest,
    MarkRequest,
    MessagesSummary,
    TagNameRequest,
    TagsRequest,
    summary,
)
from mailstack.web.api.events import StreamLimits
from mailstack.web.http_messages import HttpError, Request, Response, Upgrade, json_response

MAX_LIMIT = 10_000
"""Maximum messages of one answer."""
DEFAULT_LIMIT = 50

OK = Response(b"ok", "text/plain; charset=utf-8")


class ListHandlers:
    """Handlers of the paths about many messages."""

    def __init__(self, index: LetterIndex, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    async def messages(self, request: Request) -> Response:
        return await self._page(request, ItemFilter())

    async def search(self, request: Request) -> Response:
        return await self._page(request, self._found_by(request, request.query.get("query", "")))

    async def _page(self, request: Request, which: ItemFilter) -> Response:
        await self._index.up_to_date()
        start, limit = (
            integer_parameter(request, "start", 0),
            min(integer_parameter(request, "limit", DEFAULT_LIMIT), MAX_LIMIT),
        )
        if before := integer_parameter(request, "before", 0):
            which = replace(which, terms=(*which.terms, Term(Arrived(is_after=False, at=before / 1000))))
        everything = await self._index.find(ItemFilter(), 0)
        found = await self._index.find(which, limit, start)
        return json_response(
            MessagesSummary(
                total=everything.total,
                unread=everything.unread,
                count=len(found.items),
                messages_count=found.total,
                messages_unread=found.unread,
                start=start,
                tags=tuple(await self._index.tags()),
                messages=tuple(summary(item) for item in found.items),
            )
        )

    async def mark(self, request: Request) -> Response:
        """Marks messages by ids or by a search; without either all of them."""
        form = form_fields(request)
        chosen = (
            decode_body(request, MarkRequest)
            if form is None
            else MarkRequest(
                tuple(form.get("ids", ())),
                form.get("read", [""])[-1].lower() in {"true", "1"},
                form.get("search", [""])[-1],
            )
        )
        if chosen.ids and chosen.search:
            raise HttpError(400, "You may specify either IDs or a search query, not both")
        await self._index.up_to_date()
        which = self._found_by(request, chosen.search) if chosen.search else _all_or(chosen.ids)
        await self._index.mark(which, unread=not chosen.read)
        return OK

    async def delete(self, request: Request) -> Response:
        """Deletes the ids of the body, or all; an invalid body deletes nothing."""
        form = form_fields(request)
        if form is not None:
            ids = tuple(form.get("ids", ()))
        else:
            ids = (decode_body(request, DeleteRequest).ids or ()) if request.body.strip() else ()
        await self._index.up_to_date()
        await self._index.soft_delete(_all_or(ids))
        return OK

    async def delete_found(self, request: Request) -> Response:
        await self._index.up_to_date()
        await self._index.soft_delete(self._found_by(request, request.query.get("query", "")))
        return OK

    async def tags(self, _: Request) -> Response:
        return json_response(tuple(await self._index.tags()))

    async def set_tags(self, request: Request) -> Response:
        """Replaces the tags of messages."""
        chosen = decode_body(request, TagsRequest)
        if chosen.ids:
            await self._index.set_tags(ItemFilter(ids=chosen.ids), [_tag(each) for each in chosen.tags or ()])
        return OK

    async def rename_tag(self, request: Request) -> Response:
        await self._index.rename_tag(request.variables["tag"], _tag(decode_body(request, TagNameRequest).name))
        return OK

    async def remove_tag(self, request: Request) -> Response:
        await self._index.remove_tag(request.variables["tag"])
        return OK

    def _found_by(self, request: Request, query: str) -> ItemFilter:
        return search_filter(query, self._clock.now(), request.query.get("tz", ""))


def _all_or(ids: tuple[str, ...] | None) -> ItemFilter:
    return ItemFilter(ids=ids) if ids else ItemFilter()


def _tag(text: str) -> str:
    tag = tag_of(text)
    if not tag:
        raise HttpError(
            400, f"{text[:60]!r} can't be a tag: it is empty, too long, or has a comma or invisible characters"
        )
    return tag


async def events(index: LetterIndex, stream_limits: StreamLimits, request: Request) -> Upgrade:
    """Upgrades to the WebSocket."""
    return upgrade_to_websocket(stream_limits, request, _messages(index))


async def _messages(index: LetterIndex) -> AsyncGenerator[str, None]:
    """Events in the format of Mailpit, and the totals after each group of simultaneous ones."""
    feed, at = index.feed, index.feed.newest
    while not feed.is_closed:
        try:
            happened = feed.after(at)
        except EventsMissed:
            # More happened than the feed remembers: the client has to read everything again.
            happened, at = [], feed.newest
            yield _encode("truncate", None)
        counts = False
        for event in happened:
            at = event.sequence
            for kind, data in _of(event):
                counts = True
                yield _encode(kind, data)
        if counts:
            listed = await index.find(ItemFilter(), 0)
            yield _encode("stats", {"Total": listed.total, "Unread": listed.unread, "Version": VERSION})
        await feed.wait_after(at)


def _of(event: Event) -> Iterator[tuple[str, Any]]:
    match event.name:
        case "letter":
            yield "new", summary(event.data.item)
        case "changed" if event.data.count == len(event.data.items):
            for item in event.data.items:
                yield "update", {"ID": item.id, "Read": not item.unread, "Tags": item.tags}
        case "deleted" if event.data.only_for:
            pass
        case "deleted" if 0 < len(event.data.ids) == event.data.count:
            for letter in event.data.ids:
                yield "delete", {"ID": letter}
        case "changed" | "deleted":
            yield "truncate", None
        case "pruned":
            yield "prune", None
        case _:
            pass


def _encode(kind: str, data: Any) -> str:
    return msgspec.json.encode({"Type": kind, "Data": data}).decode()
