"""Event streams of the API: server-sent events (resumable), and long polls for new letters."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mailstack.letter.address import key_of
from mailstack.letter.delivery import Step
from mailstack.mailbox.index.feed import Event, EventsMissed, with_timeout
from mailstack.mailbox.index.indexer import IndexedLetter
from mailstack.mailbox.index.items import ChangedItems, DeletedItems, Item, ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.query import BadQuery, Term, Within
from mailstack.mailbox.index.query import parse as parse_query
from mailstack.mailbox.index.states import has_states
from mailstack.policy.counters import ConnectionCounts
from mailstack.policy.networks import client_network
from mailstack.protocols.connection import Clock
from mailstack.store.journey import step_json
from mailstack.web.api import serialize
from mailstack.web.api.letter_index import ApiLetterReader, number, parse_terms, redacted_for, seconds, visible_to
from mailstack.web.api.schemas import LetterDetail, WaitResult
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    QueryParameter,
    Request,
    Response,
    RouteDoc,
    User,
    json_response,
)

T = TypeVar("T")


class StreamLimits:
    """Limits of open streams, in total and for each client, over all processes of the server."""

    def __init__(self, max_streams: int, max_per_client: int, counts: ConnectionCounts) -> None:
        self._max_streams = max_streams
        self._max_per_client = max_per_client
        self._counts = counts

    @property
    def used(self) -> int:
        return self._counts.total()

    def check(self, request: Request) -> None:
        """Checks both limits. Raises HttpError 503."""
        client = client_network(request.remote.host)
        if self.used >= self._max_streams or self._counts.count(client) >= self._max_per_client:
            raise HttpError(
                503, "Too many open streams and waits; see [web] streams and streams_per_client.", ("Retry-After", "5")
            )

    async def limited(self, request: Request, pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Yield the pieces, counted as one stream. Raises HttpError 503."""
        try:
            with self.count(request):
                async for piece in pieces:
                    if not await request.holds():
                        return
                    yield piece
        finally:
            await pieces.aclose()

    @contextmanager
    def count(self, request: Request) -> Iterator[None]:
        """Context manager that counts one stream. Raises HttpError 503."""
        self.check(request)
        client = client_network(request.remote.host)
        self._counts.add(client)
        try:
            yield
        finally:
            self._counts.remove(client)


KEEPALIVE = 15.0
"""Seconds without an event, after which a comment is sent."""
MAX_EVENTS = 500
"""Maximum events of one chunk."""
RETRY_MS = 1000
"""Milliseconds after which a browser reconnects."""

MISSED = -1

PUBLIC_NAMES = {"pruned": "deleted"}
"""Public names of events."""

_DOC = RouteDoc(
    "Server-sent events: letter (Summary), changed, deleted, step, fault, dialogue, clock, and reset after missed events.",
    query=(QueryParameter("after", "Same as Last-Event-ID, for clients that can't set header fields."),),
    media_type="text/event-stream",
)


def event_routes(reader: ApiLetterReader, clock: Clock, stream_limits: StreamLimits) -> tuple[HttpRoute, ...]:
    return (HttpRoute("GET", "/v1/events", EventStreams(reader, clock, stream_limits).events, "user", _DOC),)


class EventStreams:
    def __init__(self, reader: ApiLetterReader, clock: Clock, stream_limits: StreamLimits) -> None:
        self._reader = reader
        self._index: LetterIndex = reader.index
        self._clock = clock
        self._stream_limits = stream_limits

    async def events(self, request: Request) -> Response:
        self._stream_limits.check(request)
        return Response(self._stream(request), "text/event-stream; charset=utf-8")

    async def _stream(self, request: Request) -> AsyncGenerator[bytes, None]:
        with self._stream_limits.count(request):
            async with self._index.feed.stream():
                yield b"retry: %d\n\n" % RETRY_MS
                position = self._position_of(request)
                while not self._index.feed.is_closed:
                    piece, position = await self._next(position, request.user)
                    # The account name may belong to another user by now.
                    if not await request.holds():
                        return
                    if piece:
                        yield piece

    def _position_of(self, request: Request) -> int:
        """Position after Last-Event-ID; MISSED if later events were dropped."""
        feed = self._index.feed
        last_id = request.fields.get("last-event-id") or request.query.get("after", "")
        if not last_id:
            return feed.newest
        try:
            return feed.sequence_of(last_id)
        except EventsMissed:
            return MISSED

    async def _next(self, position: int, user: User) -> tuple[bytes, int]:
        """Next chunk, and the position after it; a comment after KEEPALIVE seconds."""
        feed = self._index.feed
        try:
            events = feed.after(position)[:MAX_EVENTS]
        except EventsMissed:
            return _framed(feed.name_of(feed.newest), "reset", {}), feed.newest
        if not events:
            return b"" if await with_timeout(self._clock, feed.wait_after(position), KEEPALIVE) else b":\n\n", position
        pieces = [
            _framed(feed.name_of(event.sequence), PUBLIC_NAMES.get(event.name, event.name), data)
            for event in events
            if _may_see(event, user) and (data := await self._data(event, user)) is not None
        ]
        return b"".join(pieces), events[-1].sequence

    async def _data(self, event: Event, user: User) -> Any:
        """JSON values of an event; None: it is not sent."""
        match event.data:
            case IndexedLetter(item, record):
                return serialize.summary(redacted_for(item, user), {record.letter.id: record})
            case Step():
                return step_json(event.data)
            case DeletedItems(_, _, _, only_for) if only_for and only_for != user.account:
                return None
            case DeletedItems(count, _, ids):
                return {"count": count, "ids": ids if count == len(ids) else None}
            case ChangedItems(count, items):
                own = [each for each in items if _is_for(each, user)]
                changed = None if count > len(items) else [each.id for each in own]
                return {"count": count, "ids": changed, "letters": await self._reader.summaries(own, user)}
            case data:
                return data


def _may_see(event: Event, user: User) -> bool:
    return user.is_admin or (event.holders is not None and user.account in event.holders)


def _is_for(item: Item, user: User) -> bool:
    return user.is_admin or user.account in item.mailboxes or user.account == item.account


def _framed(name: str, kind: str, data: Any) -> bytes:
    """One event of the stream; JSON has no line breaks."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (name.encode(), kind.encode(), msgspec.json.encode(data))


DEFAULT_TIMEOUT = 30.0
"""Default timeout of a long poll, in seconds."""
MAX_TIMEOUT = 600.0
MIN_STATE_POLL, MAX_STATE_POLL = 1.0, 15.0
"""Seconds between two searches of a wait for a state, at first and at last: other nodes and commands change states too,
and their steps are not in the feed."""
MAX_COUNT = 100

_WAIT_DOC = RouteDoc(
    "Wait for messages, and return them with links and codes. 408 after the timeout; `letters` has those that arrived.",
    WaitResult,
    query=(
        QueryParameter("to", "Address of a recipient, in the envelope, To or Cc."),
        QueryParameter("from", "Address of the author, or the reverse-path."),
        QueryParameter("subject", "Part of the subject, case-insensitive."),
        QueryParameter("query", "Search in Mailpit's syntax."),
        QueryParameter("after", "Only messages after this number, letter id or time (ISO 8601)."),
        QueryParameter("count", "Number of messages; default 1.", Annotated[int, Meta(ge=1, le=MAX_COUNT)]),
        QueryParameter(
            "timeout",
            f"Seconds; default {DEFAULT_TIMEOUT:g}, at most {MAX_TIMEOUT:g}.",
            Annotated[float, Meta(ge=0, le=MAX_TIMEOUT)],
        ),
    ),
)


def wait_routes(
    reader: ApiLetterReader, now: Callable[[], float], clock: Clock, stream_limits: StreamLimits
) -> tuple[HttpRoute, ...]:
    """Return the route of the long poll. `now` is the clock of letters, `clock` the clock of timeouts."""
    return (HttpRoute("GET", "/v1/wait", LongPoll(reader, now, clock, stream_limits).wait, "user", _WAIT_DOC),)


class LongPoll:
    def __init__(
        self, reader: ApiLetterReader, now: Callable[[], float], clock: Clock, stream_limits: StreamLimits
    ) -> None:
        self._reader = reader
        self._now = now
        self._index = reader.index
        self._clock = clock
        self._stream_limits = stream_limits

    async def wait(self, request: Request) -> Response:
        count = number(request, "count", 1, minimum=1, maximum=MAX_COUNT)
        timeout = seconds(request, "timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT)
        assert count is not None
        with self._stream_limits.count(request):
            # Index accepted letters first, so that a wait of 0 seconds finds them.
            await self._index.up_to_date()
            which = await self._filter(request)
            async with self._index.feed.stream():
                return await self._poll(request, which, count, self._clock.steady() + timeout)

    async def _poll(self, request: Request, which: ItemFilter, wanted: int, until: float) -> Response:
        feed, begun = self._index.feed, self._clock.steady()
        while True:
            position = feed.newest
            poll = min(MAX_STATE_POLL, max(MIN_STATE_POLL, self._clock.steady() - begun))
            found = await self._index.first(which, wanted)
            if len(found) >= wanted:
                return json_response(WaitResult(await self._letters(found, request)))
            if feed.is_closed:
                raise HttpError(503, "The server is shutting down.")
            if not await self._wait_for_change(position, until, poll if has_states(which) else None):
                letters = await self._letters(found, request)
                count = f"{len(found)} of {wanted} messages arrived" if found else "no matching message arrived"
                raise HttpError(
                    408,
                    f"Timeout: {count}; GET /v1/letters lists all messages.",
                    facts={"letters": msgspec.to_builtins(letters)},
                )

    async def _letters(self, found: Sequence[Item], request: Request) -> list[LetterDetail]:
        """Letters that the user may see. Raises HttpError 401 after the end of the login."""
        if not await request.holds():
            raise HttpError(401, "The session has ended; log in again.")
        return await self._reader.letters(found, request.user)

    async def _wait_for_change(self, position: int, until: float, poll: float | None) -> bool:
        """Waits for a letter after `position`; with `poll` also for a step, for at most so many seconds.

        False after the timeout.
        """
        feed, polled = self._index.feed, until if poll is None else self._clock.steady() + poll
        names = {"letter", "changed"} if poll is None else {"letter", "changed", "step"}
        while not feed.is_closed:
            if any(event.name in names for event in feed.since(position)):
                return True
            position = feed.newest
            remaining = min(until, polled) - self._clock.steady()
            if remaining <= 0 or not await with_timeout(self._clock, feed.wait_after(position), remaining):
                return polled < until
        return True

    async def _filter(self, request: Request) -> ItemFilter:
        query, subject = request.query.get("query", ""), request.query.get("subject", "")
        terms = parse_terms(query, self._now())
        if subject:
            terms = (*terms, Term(Within("subject", subject.casefold())))
        to, author = request.query.get("to", ""), request.query.get("from", "")
        which = ItemFilter(
            terms=terms,
            seen_by=visible_to(request),
            addressed=key_of(to) if to else None,
            written_by=key_of(author) if author else None,
        )
        return await self._filter_after(which, request.query.get("after", ""))

    async def _filter_after(self, which: ItemFilter, after: str) -> ItemFilter:
        """Filter of `after`; an id that the user may not see is unknown. Raises HttpError 400."""
        if not after:
            return which
        if after.isascii() and after.isdigit() and len(after) < 15:
            return replace(which, after=int(after))
        if (item := await self._index.item(after, which.seen_by)) is not None:
            return replace(which, after=item.number)
        try:
            return replace(which, terms=(*which.terms, *parse_query(f'after:"{after}"', self._now())))
        except BadQuery:
            raise HttpError(400, "after must be the number or id of a message, or a time (ISO 8601)") from None
