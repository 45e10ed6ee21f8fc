"""Indexed letters of the API, limited to visible data, and their filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, TypeVar

from msgspec import Meta
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.address import key_of
from mailstack.letter.letter import read_all
from mailstack.letter.parsed import Limits, ParsedLetter
from mailstack.letter.parsed import parse as parse_letter
from mailstack.mailbox.index.indexer import InThread
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.query import BadQuery, Term, parse
from mailstack.store import Record
from mailstack.web.api import serialize
from mailstack.web.api.schemas import LetterDetail, LetterSummary
from mailstack.web.http_messages import HttpError, QueryParameter, Request, User
from mailstack.web.letter_reader import LetterReader


def visible_to(request: Request) -> str | None:
    """Return the account that limits the visible letters; None for an administrator."""
    return None if request.user.is_admin else request.user.account


def parse_terms(query: str, now: float) -> tuple[Term, ...]:
    """Raises HttpError 400."""
    try:
        return parse(query, now)
    except BadQuery as error:
        raise HttpError(400, f"query: {error}") from None


def item_filter(
    request: Request,
    now: float,
    *,
    ids: Sequence[str] | None = None,
    query: str | None = None,
    mailbox: str | None = None,
    everything: bool = False,
    without: Sequence[str] = (),
) -> ItemFilter:
    """Filter of a body. Raises HttpError 400 for an empty one, which would select all letters by mistake."""
    if ids is None and query is None and mailbox is None and not everything:
        raise HttpError(400, 'Select messages: {"ids": […]}, {"query": "…"}, {"mailbox": "…"} or {"all": true}')
    return ItemFilter(
        ids=None if ids is None else tuple(ids),
        without=tuple(without),
        terms=parse_terms(query or "", now),
        mailbox=None if mailbox is None else key_of(mailbox),
        seen_by=visible_to(request),
    )


def number(request: Request, name: str, default: int | None, *, minimum: int = 0, maximum: int) -> int | None:
    """Integer parameter. Raises HttpError 400."""
    text = request.query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and minimum <= int(text) <= maximum:
        return int(text)
    raise HttpError(400, f"{name} must be an integer from {minimum} to {maximum}")


def flag(request: Request, name: str) -> bool:
    """Parameter that is 1 or 0; 0 without it. Raises HttpError 400."""
    text = request.query.get(name, "0")
    if text not in {"0", "1"}:
        raise HttpError(400, f"{name} must be 0 or 1, not {text[:20]!r}.")
    return text == "1"


def seconds(request: Request, name: str, default: float, maximum: float) -> float:
    """Parameter in seconds. Raises HttpError 400."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= maximum:
        raise HttpError(400, f"{name} must be a number of seconds from 0 to {maximum:g}")
    return value


MAX_LIMIT = 1000
"""Maximum items of one page."""
MAX_NUMBER = 2**62
"""Upper bound of the numbers of letters."""

Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
T = TypeVar("T")


def limit_parameter(default: int, *, minimum: int = 1) -> QueryParameter:
    kind = Annotated[int, Meta(ge=minimum, le=MAX_LIMIT)]
    return QueryParameter("limit", f"Maximum number of items; default {default}, at most {MAX_LIMIT}.", kind)


def limit_of(request: Request, default: int, *, minimum: int = 1) -> int:
    """Raises HttpError 400."""
    found = number(request, "limit", default, minimum=minimum, maximum=MAX_LIMIT)
    return default if found is None else found


BY_NAME = (
    limit_parameter(MAX_LIMIT),
    QueryParameter("after", "Items after this address: `next` of the previous page."),
)


def page_by_name(request: Request, items: Sequence[T], name_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Page of items sorted by name, and `after` of the next page; None at the end."""
    limit, after = limit_of(request, MAX_LIMIT), request.query.get("after", "")
    later = [each for each in items if name_of(each) > after]
    return later[:limit], name_of(later[limit - 1]) if len(later) > limit else None


OCTETS_PER_SUMMARY = 512
"""Octets that cost as much to parse as one summary to make."""
MAX_TEXT = 16 * 1024 * 1024
"""Maximum octets of text, and of HTML, in one response."""


class ApiLetterReader(LetterReader):
    """Letter reader with the access rules of the API."""

    def __init__(self, index: LetterIndex, in_thread: InThread, *, hide_client: bool = False) -> None:
        """`hide_client` shows the client of a submitted letter to its author and to administrators only."""
        super().__init__(index, in_thread)
        self._hide_client = hide_client

    async def item(self, request: Request) -> Item:
        """The letter of {id}, or the newest for "latest". Raises HttpError 404.

        Waits for a letter that was accepted a moment ago: its id may be known before it is indexed.
        """
        name = request.variables["id"]
        item = None if name == "latest" else await self.index.item(name, visible_to(request))
        if item is None:
            await self.index.up_to_date()
            item = await self._latest(request) if name == "latest" else await self.index.item(name, visible_to(request))
        if item is None:
            raise HttpError(404, f"There is no message {name[:40]}; GET /v1/letters lists the messages.")
        return item

    async def _latest(self, request: Request) -> Item | None:
        return next(iter((await self.index.find(ItemFilter(seen_by=visible_to(request)), 1)).items), None)

    async def reading_of(self, letter: LetterId) -> ParsedLetter | None:
        """Parsed copy on another server; None if its content is deleted."""
        content = await self.index.content_of(letter)
        if content is None:
            return None
        return await self.read(await read_all(content))

    async def summaries(self, items: Sequence[Item], user: User) -> list[LetterSummary]:
        return await self.map_summaries(items, user, list)

    async def map_summaries(self, items: Sequence[Item], user: User, make: Callable[[list[LetterSummary]], T]) -> T:
        """Return `make` of the summaries with current states; many letters are handled in a thread."""
        records = await self.index.records(items)

        def make_summaries() -> T:
            return make([serialize.summary(redacted_for(item, user), records) for item in items])

        return await self.do(make_summaries, len(items) * OCTETS_PER_SUMMARY)

    async def letters(self, items: Sequence[Item], user: User, max_text: int | None = None) -> list[LetterDetail]:
        """Return parsed letters, except for deleted content; the total text is limited.

        `max_text`: maximum characters of each letter's text.
        """
        items = [redacted_for(item, user) for item in items]
        records = await self.index.records(items)
        limits = Limits(text=min(Limits().text, MAX_TEXT // max(1, len(items))))
        found: list[LetterDetail] = []
        for item in items:
            try:
                octets = await self.octets(item)
            except HttpError:
                continue
            hides = self._hide_client and bool(item.account) and not is_own(item, user)
            make = partial(_letter, item, records, octets, limits, hide_client=hides, max_text=max_text)
            found.append(await self.do(make, len(octets)))
        return found


def _letter(
    item: Item,
    records: Mapping[LetterId, Record],
    octets: bytes,
    limits: Limits,
    *,
    hide_client: bool,
    max_text: int | None,
) -> LetterDetail:
    return serialize.letter(item, records, parse_letter(octets, limits), hide_client=hide_client, max_text=max_text)


def is_own(item: Item, user: User) -> bool:
    """Whether the user is the author or an administrator."""
    return user.is_admin or user.account == item.account


def redacted_for(item: Item, user: User) -> Item:
    """Return the letter without other recipients of blind copies, unless the user is its author (RFC 5321 §7.2)."""
    if is_own(item, user):
        return item
    public = {key_of(one.address) for one in (*item.to, *item.cc)}
    own = {user.account}

    def is_visible(address: str) -> bool:
        key = key_of(address)
        local, _, domain = key.rpartition("@")
        return key in public or key in own or f"{local.partition('+')[0]}@{domain}" in own

    return replace(
        item,
        recipients=tuple([address for address in item.recipients if is_visible(address)]),
        bcc=tuple([one for one in item.bcc if is_visible(one.address)]),
    )
