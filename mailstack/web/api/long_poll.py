"""Waits for letters: a long poll that answers as soon as they are there, with their links and codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from mailstack.letter.address import key_of
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.query import BadQuery, Term, Within
from mailstack.mailbox.index.query import parse as parse_query
from mailstack.mailbox.index.timeout import with_timeout
from mailstack.protocols.connection import Clock
from mailstack.web.api.filters import number, seconds, seen_by, terms_of
from mailstack.web.api.letter_index import ApiShelf
from mailstack.web.api.schemas import Letter, Waited
from mailstack.web.api.stream_limits import StreamLimits
from mailstack.web.http_values import HttpError, Request, Response, in_json
from mailstack.web.routes import Parameter, Route, RouteDoc

PATIENCE = 30.0
"""Seconds, when the request does not say."""
LONGEST = 600.0
MOST_WANTED = 100

_TOLD = RouteDoc(
    "Wait for letters, and give them with their links and codes. 408 when the time is over; `letters` has what came.",
    (
        Parameter("to", "The whole address of a recipient, by envelope, To or Cc."),
        Parameter("from", "The whole address of the author, or the reverse-path."),
        Parameter("subject", "A part of the subject, in any case."),
        Parameter("query", "More conditions, in Mailpit's language."),
        Parameter("after", "Only letters after this one: a number, a letter's id, or a time (ISO 8601)."),
        Parameter("count", "How many; 1 if it is not said.", Annotated[int, Meta(ge=1, le=MOST_WANTED)]),
        Parameter(
            "timeout",
            f"Seconds; {PATIENCE:g} if it is not said, {LONGEST:g} at most.",
            Annotated[float, Meta(ge=0, le=LONGEST)],
        ),
    ),
    gives=Waited,
)


def wait_routes(shelf: ApiShelf, now: Callable[[], float], clock: Clock, places: StreamLimits) -> tuple[Route, ...]:
    """The long poll. `now` is the time of letters, `clock` that of those who wait."""
    return (Route("GET", "/v1/wait", LongPoll(shelf, now, clock, places).wait, "user", told=_TOLD),)


class LongPoll:
    """The page behind it."""

    def __init__(self, shelf: ApiShelf, now: Callable[[], float], clock: Clock, places: StreamLimits) -> None:
        self._shelf = shelf
        self._now = now
        self._index = shelf.index
        self._clock = clock
        self._places = places

    async def wait(self, ask: Request) -> Response:
        wanted = number(ask, "count", 1, least=1, most=MOST_WANTED)
        patience = seconds(ask, "timeout", PATIENCE, LONGEST)
        assert wanted is not None
        with self._places.one(ask):
            # Those that are accepted already are read first: then a wait of no time at all tells what is there.
            await self._index.up_to_date()
            which = await self._which(ask)
            async with self._index.feed.watched():
                return await self._waited(ask, which, wanted, self._clock.steady() + patience)

    async def _waited(self, ask: Request, which: ItemFilter, wanted: int, until: float) -> Response:
        feed = self._index.feed
        while True:
            position = feed.newest
            found = await self._index.first(which, wanted)
            if len(found) >= wanted:
                return in_json(Waited(await self._letters(found, ask)))
            if feed.is_closed:
                raise HttpError(503, "The server stops.")
            if not await self._arrived(position, until):
                letters = await self._letters(found, ask)
                came = f"{len(found)} of {wanted} came" if found else "no such letter came"
                raise HttpError(
                    408,
                    f"The time is over and {came}; GET /v1/letters lists what did.",
                    facts={"letters": msgspec.to_builtins(letters)},
                )

    async def _letters(self, found: Sequence[Item], ask: Request) -> list[Letter]:
        """The letters as the visitor may see them. Raises Trouble 401 when the login does not hold any longer."""
        if not await ask.holds():
            raise HttpError(401, "The session has ended; log in again.")
        return await self._shelf.letters(found, ask.visitor)

    async def _arrived(self, position: int, until: float) -> bool:
        """Whether a letter has come since `position`; False when the time is over."""
        feed = self._index.feed
        while not feed.is_closed:
            if any(event.name in {"letter", "changed"} for event in feed.since(position)):
                return True
            position = feed.newest
            left = until - self._clock.steady()
            if left <= 0 or not await with_timeout(self._clock, feed.more(position), left):
                return False
        return True

    async def _which(self, ask: Request) -> ItemFilter:
        query, subject = ask.query.get("query", ""), ask.query.get("subject", "")
        terms = terms_of(query, self._now())
        if subject:
            terms = (*terms, Term(Within("subject", subject.casefold())))
        to, author = ask.query.get("to", ""), ask.query.get("from", "")
        which = ItemFilter(
            terms=terms,
            seen_by=seen_by(ask),
            addressed=key_of(to) if to else None,
            written_by=key_of(author) if author else None,
        )
        return await self._after(which, ask.query.get("after", ""))

    async def _after(self, which: ItemFilter, after: str) -> ItemFilter:
        """The letters behind `after`. An id that the visitor may not see is an unknown id. Raises Trouble 400."""
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
