"""MailHog API: lists, search and WebSocket (v2), and messages (v1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

import msgspec
from msgspec import Struct, field

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.letter.header import fields, unfolded
from mailstack.letter.parsed import Part, parse
from mailstack.mailbox.index.feed import EventsMissed
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.query import Named, Term, Words
from mailstack.protocols.smtp.replies import Refusal
from mailstack.sandbox.compat.context import (
    CompatContext,
    decode_body,
    find_letter,
    find_part,
    integer_parameter,
    upgrade_to_websocket,
)
from mailstack.store import Record
from mailstack.web.http_messages import HttpError, HttpRoute, Request, Response, Upgrade
from mailstack.web.submission import RELEASED, CopySource

_MAX_DEPTH = 3
"""Maximum depth of multiparts that have a whole body."""


class MailHogPath(Struct, frozen=True, rename="pascal"):
    """Forward-path or reverse-path."""

    relays: tuple[str, ...] | None
    mailbox: str
    domain: str
    params: str


class MailHogContent(Struct, frozen=True, rename="pascal"):
    """Letter or part, with its body as it was sent."""

    headers: dict[str, list[str]]
    body: str
    size: int
    mime: MailHogMime | None = field(name="MIME", default=None)


class MailHogMime(Struct, frozen=True, rename="pascal"):
    """Parts of a multipart."""

    parts: tuple[MailHogContent, ...]


class MailHogRaw(Struct, frozen=True, rename="pascal"):
    """Envelope and content of the SMTP session."""

    from_: str = field(name="From")
    to: tuple[str, ...]
    data: str
    helo: str


class MailHogMessage(Struct, frozen=True, rename="pascal"):
    """One letter."""

    id: str = field(name="ID")
    from_: MailHogPath = field(name="From")
    to: tuple[MailHogPath, ...]
    content: MailHogContent
    created: str
    mime: MailHogMime | None = field(name="MIME")
    raw: MailHogRaw


def message(item: Item, octets: bytes, helo: str) -> MailHogMessage:
    """The time is proportional to the letter's size."""
    reading = parse(octets)
    tree = reading.tree
    mime = _mime(tree, reading.octets)
    return MailHogMessage(
        id=item.id,
        from_=_path(item.sender),
        to=tuple(_path(each) for each in item.recipients),
        content=MailHogContent(
            _headers(reading.octets[: tree.start]), _text(reading.octets[tree.start :]), len(octets), None
        ),
        created=datetime.fromtimestamp(item.arrived, UTC).isoformat().replace("+00:00", "Z"),
        mime=mime,
        raw=MailHogRaw(item.sender, item.recipients, _text(octets), helo),
    )


def _mime(part: Part, letter: bytes, depth: int = 0) -> MailHogMime | None:
    """The parts of a multipart."""
    if not part.is_multipart:
        return None
    return MailHogMime(tuple(_content(each, letter, depth + 1) for each in part.parts))


def _content(part: Part, letter: bytes, depth: int) -> MailHogContent:
    """Part with its body; a deep multipart has only its parts, which its body would repeat."""
    mime = _mime(part, letter, depth)
    body = letter[part.start : part.end] if mime is None or depth <= _MAX_DEPTH else b""
    return MailHogContent(_headers(letter[part.head : part.start]), _text(body), part.end - part.start, mime)


def _headers(section: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, line in fields(section):
        if name:
            found.setdefault(_text(line.partition(b":")[0].strip()), []).append(_text(unfolded(line)))
    return found


def _path(address: str) -> MailHogPath:
    mailbox, _, domain = address.rpartition("@")
    return MailHogPath(None, mailbox, domain, "")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


TEXT_JSON = "text/json; charset=utf-8"
DEFAULT_LIMIT, MAX_LIMIT = 50, 250
"""Messages of one answer of v2."""
MAX_V1 = 1000
"""Maximum messages of one answer of v1."""
AT_ONCE = 20
"""Letters that are read in one go."""
MAX_HELD = 4 * 1024 * 1024
"""Octets of letters in memory above which a batch ends."""
MAX_SEARCHED = 10_000
"""Maximum letters that a search for a part of an address compares."""


def mailhog_routes(context: CompatContext, *, is_first: bool) -> tuple[HttpRoute, ...]:
    """Routes of MailHog; with `is_first` also the ones that Mailpit would answer."""
    pages = _Messages(context)
    shared = (
        HttpRoute("GET", "/api/v1/messages", pages.all_of_v1, "admin"),
        HttpRoute("DELETE", "/api/v1/messages", pages.delete_all, "admin"),
    )
    letter = "/api/v1/messages/{id}"
    return (
        *(shared if is_first else ()),
        HttpRoute("GET", letter, pages.one, "admin"),
        HttpRoute("DELETE", letter, pages.delete, "admin"),
        HttpRoute("GET", f"{letter}/download", pages.download, "admin"),
        HttpRoute("GET", f"{letter}/mime/part/{{part}}/download", pages.part, "admin", is_picture=True),
        HttpRoute("POST", f"{letter}/release", pages.release, "admin"),
        HttpRoute("GET", "/api/v2/messages", pages.messages, "admin"),
        HttpRoute("GET", "/api/v2/search", pages.search, "admin"),
        HttpRoute("GET", "/api/v2/outgoing-smtp", pages.outgoing, "admin"),
        HttpRoute("GET", "/api/v2/websocket", pages.events, "admin"),
    )


class MailHogRelease(Struct, frozen=True):
    """POST /release: the recipient. The server that it names is not used."""

    email: str


class _Messages:
    def __init__(self, context: CompatContext) -> None:
        self._context = context
        self._index = context.index
        self._reader = context.reader

    # --- version 2

    async def messages(self, request: Request) -> Response:
        await self._index.up_to_date()
        start, limit = integer_parameter(request, "start", 0), _limit(request)
        listed = await self._index.find(ItemFilter(), limit, start)
        return self._page(listed.items, listed.total, start)

    async def search(self, request: Request) -> Response:
        """Searches the addresses of the envelope, or the whole letter."""
        kind, query = request.query.get("kind", ""), request.query.get("query", "").strip()
        if kind not in {"from", "to", "containing"} or not query:
            raise HttpError(400, "Ask with kind=from, to or containing, and a query")
        await self._index.up_to_date()
        start, limit = integer_parameter(request, "start", 0), _limit(request)
        if kind == "containing":
            listed = await self._index.find(ItemFilter(terms=(Term(Words(query.casefold())),)), limit, start)
            return self._page(listed.items, listed.total, start)
        items = await self._find_by_address(kind, query)
        return self._page(items[start : start + limit], len(items), start)

    async def _find_by_address(self, kind: str, query: str) -> list[Item]:
        if "@" in query[1:-1]:
            key = key_of(query)
            which = ItemFilter(addressed=key) if kind == "to" else ItemFilter(written_by=key)
            return list((await self._index.find(which, MAX_SEARCHED)).items)
        term = Term(Named("addressed", query.casefold()))
        items = (await self._index.find(ItemFilter(terms=(term,)), MAX_SEARCHED)).items
        return [item for item in items if query.casefold() in _envelope(item, kind).casefold()]

    def _page(self, items: Sequence[Item], total: int, start: int) -> Response:
        head = {"total": total, "count": len(items), "start": start}
        opening = msgspec.json.encode(head)[:-1] + b',"items":['
        return Response(self._stream(items, opening, b"]}"), TEXT_JSON)

    async def outgoing(self, _: Request) -> Response:
        """Answers an empty list: released letters go through the queue."""
        return Response(b"{}", TEXT_JSON)

    # --- version 1

    async def all_of_v1(self, _: Request) -> Response:
        await self._index.up_to_date()
        listed = await self._index.find(ItemFilter(), MAX_V1)
        return Response(self._stream(listed.items, b"[", b"]"), TEXT_JSON)

    async def one(self, request: Request) -> Response:
        item = await find_letter(self._index, request.variables["id"])
        return Response(await self.encode(item), TEXT_JSON)

    async def download(self, request: Request) -> Response:
        item = await find_letter(self._index, request.variables["id"])
        save = (("Content-Disposition", f'attachment; filename="{item.id}.eml"'),)
        return Response(await self._reader.octets(item), "message/rfc822", 200, save)

    async def part(self, request: Request) -> Response:
        """Downloads a decoded part by its place in the letter, counted from 0."""
        reading = await self._reader.reading(await find_letter(self._index, request.variables["id"]))
        place = request.variables["part"]
        if not place.isascii() or not place.isdigit() or len(place) > 6:
            raise HttpError(404, "Error: there is no such part")
        part = find_part(reading, str(int(place) + 1))
        octets = await self._reader.do(lambda: reading.content_of(part), part.size)
        return Response(octets, "application/octet-stream", 200, (("Content-Disposition", "attachment"),))

    async def delete_all(self, _: Request) -> Response:
        await self._index.up_to_date()
        await self._index.soft_delete(ItemFilter())
        return Response(b"", TEXT_JSON)

    async def delete(self, request: Request) -> Response:
        item = await find_letter(self._index, request.variables["id"])
        await self._index.soft_delete(ItemFilter(ids=(item.id,)))
        return Response(b"", TEXT_JSON)

    async def release(self, request: Request) -> Response:
        """Releases a letter through the queue, and ignores the server in the request."""
        target = decode_body(request, MailHogRelease)
        item = await find_letter(self._index, request.variables["id"])
        octets = await self._reader.octets(item)
        try:
            await self._context.outward.submit(
                item.sender, [target.email], octets, copied=CopySource(item.id, RELEASED)
            )
        except Refusal as refusal:
            raise HttpError(400, str(refusal.reply)) from None
        return Response(b"", TEXT_JSON)

    # --- events

    async def events(self, request: Request) -> Upgrade:
        """Upgrades to a WebSocket with each new letter."""
        return upgrade_to_websocket(self._context.stream_limits, request, self._new_letters())

    async def _new_letters(self) -> AsyncGenerator[str, None]:
        """Letters from now on; a slow client misses some."""
        feed, at = self._index.feed, self._index.feed.newest
        while not feed.is_closed:
            try:
                happened = feed.after(at)
            except EventsMissed:
                happened, at = [], feed.newest
            for event in happened:
                at = event.sequence
                if event.name == "letter":
                    with suppress(HttpError):  # removed since
                        yield (await self.encode(event.data.item)).decode()
            await feed.wait_after(at)

    # --- serialization

    async def _stream(self, items: Sequence[Item], opening: bytes, end: bytes) -> AsyncGenerator[bytes, None]:
        """Letters in batches: all of them may be more than fits into memory."""
        yield opening
        between = b""
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            records = await self._index.records(some)
            contents: list[tuple[Item, bytes]] = []
            for item in some:
                with suppress(HttpError):  # removed since
                    contents.append((item, await self._reader.octets(item)))
                if contents and (item is some[-1] or sum(len(octets) for _, octets in contents) > MAX_HELD):
                    encoded: list[bytes] = await self._context.in_thread(partial(_encode, contents, records))
                    yield between + b",".join(encoded)
                    between, contents = b",", []
        yield end

    async def encode(self, item: Item) -> bytes:
        """Letter in JSON. Raises HttpError 404."""
        records = await self._index.records([item])
        octets = await self._reader.octets(item)
        (encoded,) = await self._reader.do(lambda: _encode([(item, octets)], records), len(octets))
        return encoded


def _encode(contents: Sequence[tuple[Item, bytes]], records: Mapping[LetterId, Record]) -> list[bytes]:
    """Letters in JSON; takes time in proportion to their octets."""
    found = []
    for item, octets in contents:
        record = records.get(item.id)
        found.append(msgspec.json.encode(message(item, octets, record.letter.arrival.helo if record else "")))
    return found


def _envelope(item: Item, kind: str) -> str:
    return " ".join(item.recipients) if kind == "to" else item.sender


def _limit(request: Request) -> int:
    return min(integer_parameter(request, "limit", DEFAULT_LIMIT), MAX_LIMIT)
