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
    """Filter of a body. Raises HttpError 400 for an empty one, which would select all letters by mistake."""
    if ids is None and query is None and mailbox is None and not everything:
        raise HttpError(400, 'Select letters: {"ids": […]}, {"query": "…"}, {"mailbox": "…"} or {"all": true}')
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
    """OpenAPI parameter `limit`."""
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


def page_by_name(request: Request, all_of_them: Sequence[T], name_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Page of items sorted by name, and `after` of the next page; None at the end."""
    limit, after = limit_of(request, MAX_LIMIT), request.query.get("after", "")
    left = [each for each in all_of_them if name_of(each) > after]
    return left[:limit], name_of(left[limit - 1]) if len(left) > limit else None
