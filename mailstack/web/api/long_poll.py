"""Long poll for new letters, with their links and codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mailstack.letter.address import key_of
from mailstack.mailbox.index.feed import with_timeout
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.query import BadQuery, Term, Within
from mailstack.mailbox.index.query import parse as parse_query
from mailstack.protocols.connection import Clock
from mailstack.web.api.events import StreamLimits
from mailstack.web.api.filters import number, parse_terms, seconds, visible_to
from mailstack.web.api.letter_index import ApiLetterReader
from mailstack.web.api.schemas import LetterDetail, WaitResult
from mailstack.web.http_messages import HttpError, Request, Response, json_response
from mailstack.web.routes import HttpRoute, QueryParameter, RouteDoc

DEFAULT_TIMEOUT = 30.0
"""Default seconds."""
MAX_TIMEOUT = 600.0
MAX_COUNT = 100

_DOC = RouteDoc(
    "Wait for letters, and give them with their links and codes. 408 when the time is over; `letters` has what came.",
    (
        QueryParameter("to", "Address of a recipient, in the envelope, To or Cc."),
        QueryParameter("from", "Address of the author, or the reverse-path."),
        QueryParameter("subject", "Part of the subject, case-insensitive."),
        QueryParameter("query", "Search in Mailpit's syntax."),
        QueryParameter("after", "Only letters after this number, letter id or time (ISO 8601)."),
        QueryParameter("count", "Number of letters; default 1.", Annotated[int, Meta(ge=1, le=MAX_COUNT)]),
        QueryParameter(
            "timeout",
            f"Seconds; default {DEFAULT_TIMEOUT:g}, at most {MAX_TIMEOUT:g}.",
            Annotated[float, Meta(ge=0, le=MAX_TIMEOUT)],
        ),
    ),
    response=WaitResult,
)


def wait_routes(
    reader: ApiLetterReader, now: Callable[[], float], clock: Clock, stream_limits: StreamLimits
) -> tuple[HttpRoute, ...]:
    """Return the route of the long poll. `now` is the clock of letters, `clock` the one of timeouts."""
    return (HttpRoute("GET", "/v1/wait", LongPoll(reader, now, clock, stream_limits).wait, "user", doc=_DOC),)


class LongPoll:
    """Handler of the long poll."""

    def __init__(
        self, reader: ApiLetterReader, now: Callable[[], float], clock: Clock, stream_limits: StreamLimits
    ) -> None:
        self._reader = reader
        self._now = now
        self._index = reader.index
        self._clock = clock
        self._stream_limits = stream_limits

    async def wait(self, request: Request) -> Response:
        wanted = number(request, "count", 1, minimum=1, maximum=MAX_COUNT)
        timeout = seconds(request, "timeout", DEFAULT_TIMEOUT, MAX_TIMEOUT)
        assert wanted is not None
        with self._stream_limits.counted(request):
            # Those that are accepted already are read first: then a wait of no time at all tells what is there.
            await self._index.up_to_date()
            which = await self._which(request)
            async with self._index.feed.stream():
                return await self._waited(request, which, wanted, self._clock.steady() + timeout)

    async def _waited(self, request: Request, which: ItemFilter, wanted: int, until: float) -> Response:
        feed = self._index.feed
        while True:
            position = feed.newest
            found = await self._index.first(which, wanted)
            if len(found) >= wanted:
                return json_response(WaitResult(await self._letters(found, request)))
            if feed.is_closed:
                raise HttpError(503, "The server is shutting down.")
            if not await self._arrived(position, until):
                letters = await self._letters(found, request)
                came = f"{len(found)} of {wanted} came" if found else "no such letter came"
                raise HttpError(
                    408,
                    f"The time is over and {came}; GET /v1/letters lists what did.",
                    facts={"letters": msgspec.to_builtins(letters)},
                )

    async def _letters(self, found: Sequence[Item], request: Request) -> list[LetterDetail]:
        """Letters that the user may see. Raises HttpError 401 after the end of the login."""
        if not await request.holds():
            raise HttpError(401, "The session has ended; log in again.")
        return await self._reader.letters(found, request.user)

    async def _arrived(self, position: int, until: float) -> bool:
        """Waits for a letter after `position`; False after the timeout."""
        feed = self._index.feed
        while not feed.is_closed:
            if any(event.name in {"letter", "changed"} for event in feed.since(position)):
                return True
            position = feed.newest
            left = until - self._clock.steady()
            if left <= 0 or not await with_timeout(self._clock, feed.wait_after(position), left):
                return False
        return True

    async def _which(self, request: Request) -> ItemFilter:
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
        return await self._after(which, request.query.get("after", ""))

    async def _after(self, which: ItemFilter, after: str) -> ItemFilter:
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
            raise HttpError(
                400, "after is the number or the id of a letter that is there, or a time in ISO 8601"
            ) from None
