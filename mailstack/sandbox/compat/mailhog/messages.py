"""MailHog's messages: listed and searched (v2), fetched, downloaded, deleted and released (v1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.query import Named, Term, Words
from mailstack.protocols.smtp.replies import Refusal
from mailstack.sandbox.compat.bodies import taken
from mailstack.sandbox.compat.context import CompatContext
from mailstack.sandbox.compat.finding import found, number_of, part_of
from mailstack.sandbox.compat.mailhog.events import event_pages
from mailstack.sandbox.compat.mailhog.jim import jim_pages
from mailstack.sandbox.compat.mailhog.releasing import Releasing
from mailstack.sandbox.compat.mailhog.serialize import message
from mailstack.store import Record
from mailstack.web.http_values import HttpError, Request, Response
from mailstack.web.letter_reader import Shelf
from mailstack.web.release import RELEASED
from mailstack.web.routes import Route
from mailstack.web.submission import Copied

TEXT_JSON = "text/json; charset=utf-8"
USUAL, MOST = 50, 250
"""Messages of one answer of v2."""
MOST_OF_V1 = 1000
AT_ONCE = 20
"""Letters that are read together."""
MOST_HELD = 4 * 1024 * 1024
"""Octets of letters from which on no more are held together."""
MOST_SEARCHED = 10_000
"""Letters that are looked at for a part of an address."""


def message_pages(ground: CompatContext, *, is_first: bool) -> tuple[Route, ...]:
    """With `is_first` the paths that Mailpit has as well answer as MailHog does."""
    pages = _Messages(ground)
    shared = (
        Route("GET", "/api/v1/messages", pages.all_of_v1, "admin"),
        Route("DELETE", "/api/v1/messages", pages.delete_all, "admin"),
    )
    return (
        *(shared if is_first else ()),
        *event_pages(ground.catalogue.feed, pages.shown, ground.places),
        *jim_pages(ground.jim),
        Route("GET", "/api/v1/messages/{id}", pages.one, "admin"),
        Route("DELETE", "/api/v1/messages/{id}", pages.delete, "admin"),
        Route("GET", "/api/v1/messages/{id}/download", pages.download, "admin"),
        Route("GET", "/api/v1/messages/{id}/mime/part/{part}/download", pages.part, "admin", is_picture=True),
        Route("POST", "/api/v1/messages/{id}/release", pages.release, "admin"),
        Route("GET", "/api/v2/messages", pages.messages, "admin"),
        Route("GET", "/api/v2/search", pages.search, "admin"),
        Route("GET", "/api/v2/outgoing-smtp", pages.outgoing, "admin"),
    )


class _Messages:
    def __init__(self, ground: CompatContext) -> None:
        self._ground = ground
        self._catalogue = ground.catalogue
        self._shelf = Shelf(ground.catalogue, ground.in_thread)

    # --- version 2

    async def messages(self, ask: Request) -> Response:
        await self._catalogue.up_to_date()
        start, limit = number_of(ask, "start", 0), _limit(ask)
        listed = await self._catalogue.listed(ItemFilter(), limit, start)
        return self._page(listed.items, listed.total, start)

    async def search(self, ask: Request) -> Response:
        """By a part of an address of the envelope, or of anything in the letter."""
        kind, query = ask.query.get("kind", ""), ask.query.get("query", "").strip()
        if kind not in {"from", "to", "containing"} or not query:
            raise HttpError(400, "Ask with kind=from, to or containing, and a query")
        await self._catalogue.up_to_date()
        start, limit = number_of(ask, "start", 0), _limit(ask)
        if kind == "containing":
            listed = await self._catalogue.listed(ItemFilter(terms=(Term(Words(query.casefold())),)), limit, start)
            return self._page(listed.items, listed.total, start)
        items = await self._addressed(kind, query)
        return self._page(items[start : start + limit], len(items), start)

    async def _addressed(self, kind: str, query: str) -> list[Item]:
        if "@" in query[1:-1]:
            key = key_of(query)
            which = ItemFilter(addressed=key) if kind == "to" else ItemFilter(written_by=key)
            return list((await self._catalogue.listed(which, MOST_SEARCHED)).items)
        term = Term(Named("addressed", query.casefold()))
        items = (await self._catalogue.listed(ItemFilter(terms=(term,)), MOST_SEARCHED)).items
        return [item for item in items if query.casefold() in _envelope(item, kind).casefold()]

    def _page(self, items: Sequence[Item], total: int, start: int) -> Response:
        head = {"total": total, "count": len(items), "start": start}
        opening = msgspec.json.encode(head)[:-1] + b',"items":['
        return Response(self._streamed(items, opening, b"]}"), TEXT_JSON)

    async def outgoing(self, _: Request) -> Response:
        """Servers to release to are not kept here."""
        return Response(b"{}", TEXT_JSON)

    # --- version 1

    async def all_of_v1(self, _: Request) -> Response:
        await self._catalogue.up_to_date()
        listed = await self._catalogue.listed(ItemFilter(), MOST_OF_V1)
        return Response(self._streamed(listed.items, b"[", b"]"), TEXT_JSON)

    async def one(self, ask: Request) -> Response:
        item = await found(self._catalogue, ask.variables["id"])
        return Response(await self.shown(item), TEXT_JSON)

    async def download(self, ask: Request) -> Response:
        item = await found(self._catalogue, ask.variables["id"])
        save = (("Content-Disposition", f'attachment; filename="{item.id}.eml"'),)
        return Response(await self._shelf.octets(item), "message/rfc822", 200, save)

    async def part(self, ask: Request) -> Response:
        """By its place among the parts of the letter, counted from 0; decoded, for saving."""
        reading = await self._shelf.reading(await found(self._catalogue, ask.variables["id"]))
        place = ask.variables["part"]
        if not place.isascii() or not place.isdigit() or len(place) > 6:
            raise HttpError(404, "Error: there is no such part")
        part = part_of(reading, str(int(place) + 1))
        octets = await self._shelf.do(lambda: reading.content_of(part), part.size)
        return Response(octets, "application/octet-stream", 200, (("Content-Disposition", "attachment"),))

    async def delete_all(self, _: Request) -> Response:
        await self._catalogue.up_to_date()
        await self._catalogue.delete(ItemFilter())
        return Response(b"", TEXT_JSON)

    async def delete(self, ask: Request) -> Response:
        item = await found(self._catalogue, ask.variables["id"])
        await self._catalogue.delete(ItemFilter(ids=(item.id,)))
        return Response(b"", TEXT_JSON)

    async def release(self, ask: Request) -> Response:
        """Through our queue, whatever server is named: it is carried like every letter, and nobody waits here for that."""
        wanted = taken(ask, Releasing)
        item = await found(self._catalogue, ask.variables["id"])
        octets = await self._shelf.octets(item)
        try:
            await self._ground.outward.hand_in(item.sender, [wanted.email], octets, copied=Copied(item.id, RELEASED))
        except Refusal as refusal:
            raise HttpError(400, str(refusal.reply)) from None
        return Response(b"", TEXT_JSON)

    # --- what is shown

    async def _streamed(self, items: Sequence[Item], opening: bytes, end: bytes) -> AsyncGenerator[bytes, None]:
        """Some letters after the others: together they may be more than is to be held. They are read in a thread: of many
        small ones the reactor would have no end.
        """
        yield opening
        between = b""
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            records = await self._catalogue.records(some)
            held: list[tuple[Item, bytes]] = []
            for item in some:
                with suppress(HttpError):  # it went meanwhile
                    held.append((item, await self._shelf.octets(item)))
                if held and (item is some[-1] or sum(len(octets) for _, octets in held) > MOST_HELD):
                    shown: list[bytes] = await self._ground.in_thread(partial(_shown, held, records))
                    yield between + b",".join(shown)
                    between, held = b",", []
        yield end

    async def shown(self, item: Item) -> bytes:
        """As JSON. Raises Trouble 404."""
        records = await self._catalogue.records([item])
        octets = await self._shelf.octets(item)
        (shown,) = await self._shelf.do(lambda: _shown([(item, octets)], records), len(octets))
        return shown


def _shown(held: Sequence[tuple[Item, bytes]], records: Mapping[LetterId, Record]) -> list[bytes]:
    """Takes time in proportion to their octets."""
    found = []
    for item, octets in held:
        record = records.get(item.id)
        found.append(msgspec.json.encode(message(item, octets, record.letter.arrival.helo if record else "")))
    return found


def _envelope(item: Item, kind: str) -> str:
    return " ".join(item.recipients) if kind == "to" else item.sender


def _limit(ask: Request) -> int:
    return min(number_of(ask, "limit", USUAL), MOST)
