"""Query parameters of the API: letter filters, numbers, pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from msgspec import Meta

from mailstack.letter.address import key_of
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import BadQuery, Term, parse
from mailstack.web.http_messages import HttpError, Request
from mailstack.web.routes import QueryParameter


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
    """What a body chooses. Raises HttpError 400 when it chooses nothing, so that a slip does not mean all letters."""
    if ids is None and query is None and mailbox is None and not everything:
        raise HttpError(400, 'Say which letters: {"ids": […]}, {"query": "…"}, {"mailbox": "…"} or {"all": true}')
    return ItemFilter(
        ids=None if ids is None else tuple(ids),
        without=tuple(without),
        terms=parse_terms(query or "", now),
        mailbox=None if mailbox is None else key_of(mailbox),
        seen_by=visible_to(request),
    )


def number(request: Request, name: str, default: int | None, *, least: int = 0, most: int) -> int | None:
    """A whole number of the query. Raises HttpError 400."""
    text = request.query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise HttpError(400, f"{name} is a whole number from {least} to {most}")


def seconds(request: Request, name: str, default: float, most: float) -> float:
    """A duration of the query, in seconds. Raises HttpError 400."""
    text = request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise HttpError(400, f"{name} is a number of seconds from 0 to {most:g}")
    return value


MAX_LIMIT = 1000
"""Maximum items of one page."""
MAX_NUMBER = 2**62
"""A letter's number is less."""

Number = Annotated[int, Meta(ge=0, le=MAX_NUMBER)]
T = TypeVar("T")


def limit_parameter(usual: int, *, least: int = 1) -> QueryParameter:
    """As the description of the API has it."""
    kind = Annotated[int, Meta(ge=least, le=MAX_LIMIT)]
    return QueryParameter("limit", f"At most so many; {usual} if it is not said, {MAX_LIMIT} at most.", kind)


def limit_of(request: Request, usual: int, *, least: int = 1) -> int:
    """Raises HttpError 400."""
    found = number(request, "limit", usual, least=least, most=MAX_LIMIT)
    return usual if found is None else found


BY_NAME = (
    limit_parameter(MAX_LIMIT),
    QueryParameter("after", "What comes after this address: `next` of the page before."),
)


def page_by_name(request: Request, all_of_them: Sequence[T], name_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of what is sorted by name, and `after` of the next one; None at the end."""
    limit, after = limit_of(request, MAX_LIMIT), request.query.get("after", "")
    left = [each for each in all_of_them if name_of(each) > after]
    return left[:limit], name_of(left[limit - 1]) if len(left) > limit else None
