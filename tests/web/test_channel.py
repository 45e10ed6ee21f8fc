"""HTTP over a simulated network: limits, timeouts, invalid requests, pipelined requests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mailstack.policy.limits import ConnectionLimiter
from mailstack.web.flow_control import HttpLimits
from mailstack.web.http_messages import HttpRoute, Request, Response, parse_target, text_response
from mailstack.web.request import MAX_HEADER_FIELDS
from mailstack.web.site import Site
from tests.aid import examples
from tests.web.browsing import Web

GET = b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n"


class Pages:
    """Pages that say what they were asked, and one that waits."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.waiting: Deferred[None] = Deferred()

    async def echo(self, ask: Request) -> Response:
        self.asked.append(ask)
        return text_response(repr((ask.path, ask.query, ask.body)))

    async def slow(self, ask: Request) -> Response:
        await self.waiting
        return text_response("at last")

    @property
    def site(self) -> Site:
        return Site(
            [
                HttpRoute("GET", "/", self.echo),
                HttpRoute("POST", "/", self.echo),
                HttpRoute("GET", "/ä b", self.echo),
                HttpRoute("GET", "/slow", self.slow),
            ],
            ["x.test"],
        )


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def web(pages: Pages) -> Iterator[Web]:
    found = Web(pages.site)
    yield found
    found.reactor.result_of(found.door.stop_listening())
    found.reactor.result_of(found.door.wait_until_empty(1))
    assert found.limits.open == 0


def test_a_page_is_answered_with_length_date_and_guards(web: Web) -> None:
    (answer,) = web.request(GET)
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Date"].endswith("GMT")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


@settings(max_examples=examples(30))
@given(st.lists(st.integers(1, len(GET) * 2 - 1), max_size=8).map(sorted))
def test_requests_may_come_in_any_pieces(cuts: list[int]) -> None:
    """RFC 9112 §9.3.2: also two at once, answered in order."""
    octets = GET + GET.replace(b"GET / ", b"GET /none ")
    edges = [0, *cuts, len(octets)]
    found = Web(Pages().site).request(*(octets[a:b] for a, b in itertools.pairwise(edges) if a < b))
    assert [each.status for each in found] == [200, 404]


def test_path_and_query_are_decoded_once(web: Web, pages: Pages) -> None:
    web.request(b"GET /%C3%A4%20b?a=%40&a=2&b=+%2541 HTTP/1.1\r\nHost: X.test:8025\r\n\r\n")
    (ask,) = pages.asked
    assert (ask.path, dict(ask.query), ask.host) == ("/ä b", {"a": "@", "b": " %41"}, "x.test")


@pytest.mark.parametrize(
    ("target", "path", "authority"),
    [
        (b"http://x.test/%C3%A4%20b?a=1", "/ä b", "x.test"),
        (b"HTTP://X.Test:8025/?a=1", "/", "x.test:8025"),
        (b"http://x.test?a=1", "/", "x.test"),
    ],
)
def test_a_target_in_absolute_form_replaces_the_host(
    web: Web, pages: Pages, target: bytes, path: str, authority: str
) -> None:
    """RFC 9112 §3.2.2"""
    (answer,) = web.request(b"GET " + target + b" HTTP/1.1\r\nHost: other.test\r\n\r\n")
    assert answer.status == 200
    (ask,) = pages.asked
    assert (ask.path, ask.query, ask.authority, ask.host) == (path, {"a": "1"}, authority, "x.test")


def test_a_target_of_another_host_is_misdirected_whatever_the_host_field_says(web: Web) -> None:
    """RFC 9112 §3.2.2, RFC 9110 §15.5.20: the guard against DNS rebinding looks at the target."""
    (answer,) = web.request(b"GET http://evil.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n")
    assert answer.status == 421


def test_head_has_the_header_of_get_and_no_body(web: Web) -> None:
    """RFC 9110 §9.3.2"""
    client = web.knock()
    web.say(client, GET.replace(b"GET", b"HEAD"))
    head, _, body = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: " in head
    assert body == b""


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x.test\r\nHost: x.test\r\n\r\n",
        b"GET x.test HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET http:///a HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET http://user@x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET https://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET ftp://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET http://x.test/ HTTP/1.1\r\n\r\n",
        b"CONNECT far.test:25 HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET /%ff HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET /?%ff=1 HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"GET /?" + b"a=&" * 200 + b" HTTP/1.1\r\nHost: x.test\r\n\r\n",
        b"EHLO x.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x.test\r\n" + b"X: y\r\n" * (MAX_HEADER_FIELDS + 1) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x.test\r\nX: " + b"y" * 20000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_invalid_request_gets_400_and_ends_the_connection(web: Web, octets: bytes) -> None:
    client = web.knock()
    web.say(client, octets)
    assert b" 400 " in client.received.partition(b"\r\n")[0] or client.received == b""
    assert client.lost is not None


def test_content_length_with_too_many_digits_is_refused(web: Web) -> None:
    client = web.knock()
    web.say(client, b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n")
    assert client.received.startswith(b"HTTP/1.1 400 ")
    assert client.lost is not None


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 1001\r\n", b""),
        (b"Content-Length: 99999999999999999999\r\nExpect: 100-continue\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\ny\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"3e9\r\n" + b"x" * 1001),
    ],
)
def test_a_body_beyond_the_bound_is_refused_and_not_kept(web: Web, pages: Pages, head: bytes, body: bytes) -> None:
    """RFC 9110 §15.5.14"""
    client = web.knock()
    web.say(client, b"POST / HTTP/1.1\r\nHost: x.test\r\n" + head + b"\r\n", body)
    assert client.received.startswith(b"HTTP/1.1 413 ")
    assert client.received.count(b"HTTP/1.1") == 1
    assert client.lost is not None
    assert pages.asked == []


def test_body_within_the_limit_may_come_in_pieces_and_chunks(web: Web, pages: Pages) -> None:
    web.request(b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 1000\r\n\r\n", b"a" * 999, b"b")
    web.request(
        b"POST / HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n"
    )
    assert [ask.body for ask in pages.asked] == [b"a" * 999 + b"b", b"abc"]


def test_single_octets_do_not_extend_the_request_timeout(web: Web) -> None:
    client = web.knock()
    for octet in range(29):
        web.say(client, b"GET / HTTP/1.1\r\nHost: x.test\r\nX-Slow: yes yes yes"[octet : octet + 1], wait=0.99)
    assert client.lost is None
    web.reactor.advance(2)
    assert client.lost is not None


def test_each_request_has_its_time_and_the_connection_as_a_whole(web: Web) -> None:
    client = web.knock()
    for _ in range(25):
        web.say(client, GET, wait=25)
    assert client.received.count(b"HTTP/1.1 200") == 24
    assert client.lost is not None, "600 seconds in all"


def test_a_client_that_goes_while_its_page_is_made_is_forgotten(web: Web, pages: Pages) -> None:
    client = web.knock()
    web.say(client, GET.replace(b"/ ", b"/slow "))
    web.abort(client)
    pages.waiting.callback(None)
    web.reactor.advance(1)
    assert web.limits.open == 0


def test_connections_count_among_those_of_all_services(pages: Pages) -> None:
    web = Web(pages.site, limits=ConnectionLimiter(10, 1))
    first, second = web.knock(), web.knock()
    web.say(second, GET)
    assert second.lost is not None
    assert second.received == b""
    web.say(first, GET)
    assert first.received.startswith(b"HTTP/1.1 200")
    assert web.limits.open == 1


def test_a_page_under_way_is_finished_at_the_end(pages: Pages) -> None:
    web = Web(pages.site)
    idle, busy = web.knock(), web.knock()
    web.say(busy, GET.replace(b"/ ", b"/slow "))
    web.reactor.result_of(web.door.stop_listening())
    web.reactor.advance(1)
    assert idle.lost is not None
    assert busy.lost is None
    pages.waiting.callback(None)
    web.reactor.result_of(web.door.wait_until_empty(5))
    web.reactor.advance(1)
    assert b"at last" in busy.received
    assert busy.lost is not None


def test_a_client_that_never_reads_is_dropped(pages: Pages) -> None:
    """An answer that nobody takes holds a connection for the time of a request, and a little more."""

    async def large(_: Request) -> Response:
        return text_response("x" * 5_000_000)

    web = Web(Site([HttpRoute("GET", "/", large)], ["x.test"]))
    client = web.knock()
    client.transport.pauseProducing()
    web.say(client, GET)
    web.reactor.advance(40)
    assert web.limits.open == 0


def test_open_connection_is_aborted_at_shutdown(pages: Pages) -> None:
    web = Web(pages.site, bounds=HttpLimits(1000, 30.0, 600.0))
    client = web.knock()
    web.say(client, GET.replace(b"/ ", b"/slow "))
    web.stop()
    assert client.lost is not None
    assert web.limits.open == 0


@settings(max_examples=examples(40))
@given(st.lists(st.binary(min_size=1, max_size=80), max_size=5))
def test_any_octets_are_answered_or_dropped(pieces: list[bytes]) -> None:
    """Nothing is raised: the simulated reactor would tell."""
    web = Web(Pages().site)
    client = web.knock()
    web.say(client, *pieces)
    web.reactor.advance(700)
    assert web.limits.open == 0


@pytest.mark.parametrize(
    ("field", "host"),
    [
        ("X.test", "x.test"),
        ("x.test:8025", "x.test"),
        ("[::1]:80", "::1"),
        ("[::1]", "::1"),
        ("x.test.", "x.test"),
        ("", ""),
        ("[", ""),
    ],
)
def test_host_has_no_port(field: str, host: str) -> None:
    """RFC 9110 §7.2"""
    assert parse_target(b"/", field, is_secure=False).host == host
