"""Mailpit's WebSocket /api/events: new, changed and deleted messages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec

from mailstack.mailbox.index.feed import Event, EventsMissed
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.sandbox.compat.mailpit.about import VERSION
from mailstack.sandbox.compat.mailpit.serialize import summary
from mailstack.web.api.stream_limits import StreamLimits
from mailstack.web.http_values import Request, Upgrade


async def events(index: LetterIndex, places: StreamLimits, ask: Request) -> Upgrade:
    """Upgrades to the WebSocket."""
    from mailstack.web.websocket import websocket_upgrade  # noqa: PLC0415 - most environments have no such client

    places.check(ask)
    return websocket_upgrade(ask, places.held(ask, _messages(index)))


async def _messages(index: LetterIndex) -> AsyncGenerator[str, None]:
    """Events as Mailpit writes them, and the totals after those of one moment."""
    feed, at = index.feed, index.feed.newest
    while not feed.is_closed:
        try:
            happened = feed.after(at)
        except EventsMissed:
            # More happened than the feed remembers: the client has to read everything again.
            happened, at = [], feed.newest
            yield _said("truncate", None)
        counts = False
        for event in happened:
            at = event.sequence
            for kind, data in _of(event):
                counts = True
                yield _said(kind, data)
        if counts:
            listed = await index.listed(ItemFilter(), 0)
            yield _said("stats", {"Total": listed.total, "Unread": listed.unread, "Version": VERSION})
        await feed.more(at)


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


def _said(kind: str, data: Any) -> str:
    return msgspec.json.encode({"Type": kind, "Data": data}).decode()
