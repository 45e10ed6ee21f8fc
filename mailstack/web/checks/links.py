"""Link check of a letter: HEAD requests with limited concurrency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from http.client import responses
from urllib.parse import urljoin

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from mailstack.letter.parsed import Link
from mailstack.protocols.connection import ConnectFailed

MAX_LINKS = 100
"""Maximum links of a letter that are checked."""
CONCURRENCY = 5
MAX_REDIRECTS = 10
"""Maximum redirects of a link that are followed."""


class HeadResponse(Struct, frozen=True):
    code: int
    location: str = ""
    """Location field of a redirect (RFC 9110 §10.2.2)."""

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.code < 400 and bool(self.location)


HeadRequest = Callable[[str], Awaitable[HeadResponse]]
"""Sends HEAD to a URL. Raises ConnectFailed."""


class LinkResult(Struct, frozen=True):
    url: str = msgspec.field(name="URL")
    status_code: int = msgspec.field(name="StatusCode")
    """HTTP status; 0 without a response."""
    status: str = msgspec.field(name="Status")


class LinkReport(Struct, frozen=True):
    """Link report, in the format of Mailpit's LinkCheckResponse."""

    errors: int = msgspec.field(name="Errors")
    links: tuple[LinkResult, ...] = msgspec.field(name="Links")


async def check_links(links: Iterable[Link], head: HeadRequest, *, follow: bool = False) -> LinkReport:
    """Check the http and https links; a status from 400 or no response is an error. `follow` follows redirects."""
    semaphore = DeferredSemaphore(CONCURRENCY)
    urls = [link.url for link in links if link.url[:4].lower() == "http"][:MAX_LINKS]
    checks: list[Deferred[LinkResult]] = [semaphore.run(_check_link, url, head, follow=follow) for url in urls]
    found = await gatherResults(checks, consumeErrors=True)
    errors = sum(not 0 < each.status_code < 400 for each in found)
    return LinkReport(errors, tuple(found))


async def _check_link(url: str, head: HeadRequest, *, follow: bool) -> LinkResult:
    try:
        response = await head(url)
    except ConnectFailed as error:
        return LinkResult(url, 0, str(error))
    location = url
    for _ in range(MAX_REDIRECTS if follow else 0):
        if not response.is_redirect:
            break
        try:
            location = urljoin(location, response.location)
            response = await head(location)
        except (ConnectFailed, ValueError) as error:
            # The link's own host responded; the target may be a host that is never contacted.
            return LinkResult(url, response.code, f"{_status_text(response.code)}; the redirect failed: {error}")
    if follow and response.is_redirect:
        return LinkResult(url, 0, f"more than {MAX_REDIRECTS} redirects")
    return LinkResult(url, response.code, _status_text(response.code))


def _status_text(code: int) -> str:
    return responses.get(code, str(code))
