"""Whether the links and pictures of a letter answer: a HEAD request to each, a few at a time, when somebody asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from http.client import responses

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from mailstack.reading import Link
from mailstack.wire import Unreachable

MOST = 100
"""Links of one letter that are asked."""
AT_ONCE = 5

Look = Callable[[str], Awaitable[int]]
"""The status that a URL answers HEAD with. Raises Unreachable."""


class Looked(Struct, frozen=True):
    """One link."""

    url: str = msgspec.field(name="URL")
    status_code: int = msgspec.field(name="StatusCode")
    """0 when there was no answer."""
    status: str = msgspec.field(name="Status")


class Checked(Struct, frozen=True):
    """The shape is that of Mailpit's LinkCheckResponse."""

    errors: int = msgspec.field(name="Errors")
    links: tuple[Looked, ...] = msgspec.field(name="Links")


async def check(links: Iterable[Link], look: Look) -> Checked:
    """Of those of the web; an answer from 400 on is an error, as is none. Nothing is followed."""
    turns = DeferredSemaphore(AT_ONCE)
    urls = [link.url for link in links if link.url[:4].lower() == "http"][:MOST]
    asked: list[Deferred[Looked]] = [turns.run(_looked, url, look) for url in urls]
    found = await gatherResults(asked, consumeErrors=True)
    errors = sum(not 0 < each.status_code < 400 for each in found)
    return Checked(errors, tuple(found))


async def _looked(url: str, look: Look) -> Looked:
    try:
        code = await look(url)
    except Unreachable as trouble:
        return Looked(url, 0, str(trouble))
    return Looked(url, code, responses.get(code, str(code)))
