"""Pages of lists, alike everywhere: `limit` asks for so many, `total` is how many there are, `next` leads on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from msgspec import Meta

from mailstack.web.api.filters import number
from mailstack.web.http_values import Request
from mailstack.web.routes import Parameter

MOST = 1000
"""Of one page."""
ANY_NUMBER = 2**62
"""A letter's number is less."""

Number = Annotated[int, Meta(ge=0, le=ANY_NUMBER)]
T = TypeVar("T")


def limit_parameter(usual: int, *, least: int = 1) -> Parameter:
    """As the description of the API has it."""
    kind = Annotated[int, Meta(ge=least, le=MOST)]
    return Parameter("limit", f"At most so many; {usual} if it is not said, {MOST} at most.", kind)


def limit_of(ask: Request, usual: int, *, least: int = 1) -> int:
    """Raises Trouble 400."""
    found = number(ask, "limit", usual, least=least, most=MOST)
    return usual if found is None else found


BY_NAME = (limit_parameter(MOST), Parameter("after", "What comes after this address: `next` of the page before."))


def by_name(ask: Request, all_of_them: Sequence[T], name_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of what is sorted by name, and `after` of the next one; None at the end."""
    limit, after = limit_of(ask, MOST), ask.query.get("after", "")
    left = [each for each in all_of_them if name_of(each) > after]
    return left[:limit], name_of(left[limit - 1]) if len(left) > limit else None
