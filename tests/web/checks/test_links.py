"""Link checks: requests, redirects and their errors."""

from __future__ import annotations

import pytest

from mailstack.letter.parsed.links import links_of
from mailstack.protocols.connection import ConnectFailed
from mailstack.web.checks.links import MAX_REDIRECTS, HeadResponse, LinkReport, check_links
from tests.aid import run

MOVED = "Moved Permanently; the redirect failed: "


WORLD = {
    "there": HeadResponse(200),
    "to-missing": HeadResponse(302, "missing"),
    "moved": HeadResponse(301, "/there"),
    "far": HeadResponse(301, "http://elsewhere.test/"),
    "odd": HeadResponse(301, "http://]"),
    "round": HeadResponse(301, "round"),
    "not-said": HeadResponse(304),
    "0": HeadResponse(200),
    **{str(n): HeadResponse(302, str(n - 1)) for n in range(1, MAX_REDIRECTS + 2)},
}


async def world(url: str) -> HeadResponse:
    if "elsewhere" in url:
        raise ConnectFailed("only loopback addresses are called here")
    return WORLD.get(url.removeprefix("http://a.test/"), HeadResponse(404))


def checked(place: str, *, follow: bool) -> LinkReport:
    return run(check_links(links_of(f"See http://a.test/{place} now", "", 10), world, follow=follow))


@pytest.mark.parametrize(
    ("place", "first", "code", "status"),
    [
        ("there", 200, 200, "OK"),
        ("gone", 404, 404, "Not Found"),
        ("moved", 301, 200, "OK"),
        ("to-missing", 302, 404, "Not Found"),
        ("not-said", 304, 304, "Not Modified"),
        ("far", 301, 301, MOVED + "only loopback addresses are called here"),
        ("odd", 301, 301, MOVED + "Invalid IPv6 URL"),
        (str(MAX_REDIRECTS), 302, 200, "OK"),
        (str(MAX_REDIRECTS + 1), 302, 0, "more than 10 redirects"),
        ("round", 301, 0, "more than 10 redirects"),
    ],
)
def test_where_a_link_leads_counts_if_it_is_followed(place: str, first: int, code: int, status: str) -> None:
    (link,) = checked(place, follow=False).links
    assert link.status_code == first
    found = checked(place, follow=True)
    (link,) = found.links
    assert (link.url, link.status_code, link.status) == (f"http://a.test/{place}", code, status)
    assert found.errors == int(not 0 < code < 400)
