"""Streamed responses, large bodies and protocol upgrades: flow control and limits."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mailstack.web.flow_control import HttpLimits
from mailstack.web.http_messages import (
    HttpError,
    HttpRoute,
    Request,
    Response,
    StreamLine,
    Upgrade,
    User,
    json_response,
    text_response,
)
from mailstack.web.site import Site, shielded
from tests.web.browsing import Web, responses

PIECE = b"x" * 100_000
TOLD = b"GET /told HTTP/1.1\r\nHost: x.test\r\n\r\n"


class Pages:
    """Pages that never end by themselves."""

    def __init__(self) -> None:
        self.given = 0
        self.ended: list[str] = []
        self.next: Deferred[None] = Deferred()

    async def _pieces(self, count: int) -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(count):
                self.given += 1
                yield PIECE
        finally:
            self.ended.append("pieces")

    async def _news(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                await self.next
                self.next = Deferred()
                yield b"news\n"
        finally:
            self.ended.append("news")

    async def large(self, _: Request) -> Response:
        return Response(self._pieces(200), "text/plain", size=200 * len(PIECE))

    async def told(self, _: Request) -> Response:
        return Response(self._news(), "text/event-stream")

    async def wait(self, _: Request) -> Response:
        try:
            await self.next
        except CancelledError:
            self.ended.append("wait")
            raise
        return text_response("now")

    async def accept(self, ask: Request) -> Response:
        return await shielded(self.change(ask))

    async def change(self, _: Request) -> Response:
        await self.next
        self.ended.append("changed")
        return text_response("done")

    async def broken(self, _: Request) -> Response:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"half"
            raise RuntimeError("the disk is gone")

        return Response(pieces(), "text/plain")

    async def known(self, _: Request) -> Response:
        return Response(b"body", "text/plain", etag="abc")

    async def talk(self, _: Request) -> Upgrade:
        async def converse(line: StreamLine) -> None:
            try:
                while octets := await line.read():
                    await line.write(octets.upper())
            finally:
                self.ended.append("talk")

        return Upgrade("echo", converse, (("X-Said", "yes"),))

    async def big(self, ask: Request) -> Response:
        return json_response(len(ask.body))

    @property
    def site(self) -> Site:
        gets = {name: getattr(self, name) for name in ("large", "told", "wait", "broken", "known", "talk")}
        routes = [HttpRoute("GET", f"/{name}", page) for name, page in gets.items()]
        return Site(
            [
                *routes,
                HttpRoute("POST", "/change", self.change),
                HttpRoute("POST", "/compose", self.wait, ends_with_client=True),
                HttpRoute("POST", "/accept", self.accept, ends_with_client=True),
                HttpRoute("POST", "/big", self.big, is_large=True),
            ],
            ["x.test"],
        )


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def web(pages: Pages) -> Web:
    return Web(pages.site, bounds=HttpLimits(1000, 30.0, 600.0, large=100_000))


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x.test", *fields, "", ""]).encode()


def test_large_response_is_produced_as_its_client_reads(web: Web, pages: Pages) -> None:
    client = web.knock()
    client.transport.pauseProducing()
    web.say(client, request("/large"))
    assert 0 < pages.given < 20, "what nobody takes is not made"
    client.transport.resumeProducing()
    web.reactor.advance(20)
    (answer,) = responses(client.received)
    assert len(answer.body) == 200 * len(PIECE)
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert pages.ended == ["pieces"]


def test_client_that_reads_nothing_is_dropped_after_the_request_timeout(web: Web, pages: Pages) -> None:
    client = web.knock()
    client.transport.pauseProducing()
    web.say(client, request("/large"))
    web.reactor.advance(31)
    assert pages.ended == ["pieces"]
    assert web.limits.open == 0


def test_events_are_sent_at_once_and_outlive_the_request_timeout(web: Web, pages: Pages) -> None:
    client = web.knock()
    web.say(client, TOLD)
    assert b"text/event-stream" in client.received
    assert b"Transfer-Encoding: chunked" in client.received
    web.reactor.advance(100)
    pages.next.callback(None)
    web.reactor.advance(0.1)
    assert client.received.endswith(b"5\r\nnews\n\r\n")
    web.abort(client)
    assert pages.ended == ["news"]
    assert web.limits.open == 0


def test_head_of_an_event_stream_has_no_events(web: Web, pages: Pages) -> None:
    client = web.knock()
    web.say(client, TOLD.replace(b"GET", b"HEAD"), request("/known"))
    assert client.received.count(b"HTTP/1.1 200") == 2
    assert b"news" not in client.received


@pytest.mark.parametrize(("path", "method"), [("/wait", "GET"), ("/compose", "POST")])
def test_a_page_without_writes_ends_with_its_client(web: Web, pages: Pages, path: str, method: str) -> None:
    client = web.knock()
    web.say(client, request(path, "Content-Length: 0", method=method), wait=100 if method == "GET" else 1)
    assert client.lost is None
    web.abort(client)
    assert pages.ended == ["wait"]
    assert web.limits.open == 0


@pytest.mark.parametrize("path", ["/change", "/accept"])
def test_a_write_finishes_without_its_client(web: Web, pages: Pages, path: str) -> None:
    """Also a shielded write of a page that is cancelled itself."""
    client = web.knock()
    web.say(client, request(path, "Content-Length: 0", method="POST"))
    web.abort(client)
    assert pages.ended == []
    pages.next.callback(None)
    assert pages.ended == ["changed"]


def test_incomplete_response_is_recognizable(web: Web) -> None:
    client = web.knock()
    web.say(client, request("/broken"))
    assert not client.received.endswith(b"0\r\n\r\n")
    assert client.lost is not None


def test_event_stream_ends_at_shutdown(web: Web, pages: Pages) -> None:
    web.say(web.knock(), TOLD)
    web.reactor.result_of(web.door.stop_listening())
    web.reactor.result_of(web.door.wait_until_empty(5), at_most=0.5)
    assert pages.ended == ["news"]


@pytest.mark.parametrize("had", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
def test_known_etag_gets_304(web: Web, had: str) -> None:
    """RFC 9110 §13.1.2, §15.4.5"""
    client = web.knock()
    web.say(client, request("/known", f"If-None-Match: {had}"), request("/known", 'If-None-Match: "x"'))
    first, second = client.received.split(b"HTTP/1.1 ")[1:]
    assert first.startswith(b"304 ")
    assert b'ETag: "abc"' in first
    assert first.endswith(b"\r\n\r\n")
    assert second.endswith(b"body")


def test_a_connection_may_speak_another_protocol(web: Web, pages: Pages) -> None:
    """RFC 9110 §7.8: octets that came with the request are heard."""
    client = web.knock()
    web.say(client, request("/talk", "Connection: Upgrade", "Upgrade: echo") + b"ab", b"cd", wait=100)
    head, _, said = client.received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Upgrade: echo" in head
    assert said == b"ABCD"
    client.transport.loseConnection()
    web.reactor.advance(1)
    assert pages.ended == ["talk"]
    assert web.limits.open == 0


def test_page_of_another_site_may_not_upgrade(web: Web) -> None:
    """A browser asks nobody before it opens a WebSocket; Origin is all that protects it (RFC 6455 §10.2)."""
    (answer,) = web.request(request("/talk", "Upgrade: echo", "Connection: Upgrade", "Origin: http://evil.test"))
    assert answer.status == 403


def test_upgraded_connection_is_dropped_if_its_client_reads_nothing(web: Web, pages: Pages) -> None:
    client = web.knock()
    web.say(client, request("/talk", "Upgrade: echo"))
    client.transport.pauseProducing()
    for _ in range(100):
        web.say(client, PIECE, wait=0.1)
    web.reactor.advance(60)
    assert pages.ended == ["talk"]
    assert web.limits.open == 0


def test_an_upgraded_connection_ends_with_the_server(web: Web, pages: Pages) -> None:
    client = web.knock()
    web.say(client, request("/talk", "Upgrade: echo"))
    web.reactor.result_of(web.door.stop_listening())
    web.reactor.advance(1)
    assert client.lost is not None
    assert pages.ended == ["talk"]


def test_only_large_routes_accept_large_bodies(web: Web) -> None:
    large = request("/big", "Content-Length: 100000", method="POST") + b"x" * 100_000
    (answer,) = web.request(large)
    assert answer.body == b"100000"
    (answer,) = web.request(large.replace(b"/big", b"/change"))
    assert answer.status == 413


def test_large_bodies_share_and_release_the_memory_budget(pages: Pages) -> None:
    web = Web(pages.site, bounds=HttpLimits(1000, 30.0, 600.0, large=100_000, held=150_000))
    begun = request("/big", "Content-Length: 100000", method="POST") + b"x" * 90_000
    first, second, small = web.knock(), web.knock("192.0.2.8"), web.knock("192.0.2.9")
    web.say(first, begun)
    web.say(second, begun)
    assert second.received.startswith(b"HTTP/1.1 503 ")
    web.say(small, request("/big", "Content-Length: 900", method="POST") + b"x" * 900)
    assert responses(small.received)[0].status == 200
    web.say(first, b"x" * 10_000)
    assert responses(first.received)[0].status == 200
    # One that goes in the middle gives its room back, too.
    for client in (web.knock(), web.knock()):
        web.say(client, begun)
        web.abort(client)
    last = web.knock()
    web.say(last, begun + b"x" * 10_000)
    assert responses(last.received)[0].status == 200


class Doorman:
    """Lets in who says so, as soon as `at_once` allows."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.open: Deferred[None] = Deferred()
        self.asked = 0
        if at_once:
            self.open.callback(None)

    async def authenticate(self, ask: Request) -> User:
        self.asked += 1
        await self.open
        if "authorization" not in ask.fields:
            raise HttpError(401, "Log in.")
        return User("bob@x.test")


def guarded(pages: Pages, doorman: Doorman) -> Web:
    site = Site([HttpRoute("POST", "/big", pages.big, "user", is_large=True)], ["x.test"], authenticator=doorman)
    return Web(site, bounds=HttpLimits(1000, 30.0, 600.0, large=100_000, held=150_000))


def upload(*fields: str) -> bytes:
    return request("/big", *(fields or ("Content-Length: 100000",)), method="POST")


AS_BOB = "Authorization: Bob"


def test_unauthorized_large_bodies_do_not_use_the_memory_budget(pages: Pages) -> None:
    web = guarded(pages, Doorman())
    strangers = [web.knock(f"192.0.2.{number}") for number in range(20, 28)]
    for stranger in strangers:
        web.say(stranger, upload(), b"x" * 90_000, wait=0.1)
        assert stranger.received.startswith(b"HTTP/1.1 401 ")
        assert b"Connection: close" in stranger.received
        assert stranger.lost is None, "it is still sending, and would not hear us"
    (answer,) = web.request(upload(AS_BOB, "Content-Length: 100000"), b"x" * 100_000)
    assert (answer.status, answer.body) == (200, b"100000")
    web.say(strangers[0], b"x" * 10_000)
    assert strangers[0].received.count(b"HTTP/1.1") == 1
    assert strangers[0].lost is not None
    web.reactor.advance(40)
    assert web.limits.open == 0, "who does not end is dropped with the time of a request"


def test_chunked_large_body_is_authorized_first(pages: Pages) -> None:
    web = guarded(pages, Doorman())
    chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
    stranger = web.knock()
    web.say(stranger, upload("Transfer-Encoding: chunked"), chunk)
    assert stranger.received.startswith(b"HTTP/1.1 401 ")
    web.say(stranger, chunk * 98)
    assert stranger.lost is not None, "more than anybody may send is not even dropped"
    (answer,) = web.request(upload(AS_BOB, "Transfer-Encoding: chunked"), chunk * 90, b"0\r\n\r\n")
    assert answer.body == b"92160"
    (answer,) = web.request(upload("Transfer-Encoding: chunked"), chunk * 2, b"0\r\n\r\n")
    assert answer.status == 401


def test_expect_continue_is_answered_after_authorization(pages: Pages) -> None:
    """RFC 9110 §10.1.1"""
    web = guarded(pages, Doorman())
    stranger, bob = web.knock(), web.knock()
    web.say(stranger, upload("Content-Length: 100000", "Expect: 100-continue"))
    assert stranger.received.startswith(b"HTTP/1.1 401 ")
    assert stranger.lost is not None
    web.say(bob, upload(AS_BOB, "Content-Length: 100000", "Expect: 100-continue"))
    assert bob.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    web.say(bob, b"x" * 100_000)
    assert responses(bob.received.partition(b"\r\n\r\n")[2])[0].status == 200
    one_go = web.knock()
    web.say(one_go, upload("Content-Length: 100000", "Expect: 100-continue") + b"x" * 100_000)
    assert one_go.received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("fields", [("Content-Length: 100000",), ("Transfer-Encoding: chunked",)])
def test_large_body_is_not_read_before_authorization(pages: Pages, fields: tuple[str, ...]) -> None:
    doorman = Doorman(at_once=False)
    web = guarded(pages, doorman)
    bob, stranger, gone = web.knock(), web.knock(), web.knock()
    body = b"x" * 100_000 if "Length" in fields[0] else b"18000\r\n" + b"x" * 0x18000 + b"\r\n0\r\n\r\n"
    for client, named in ((bob, (AS_BOB, *fields)), (stranger, fields), (gone, (AS_BOB, *fields))):
        web.say(client, upload(*named) + body)
        assert client.received == b""
    web.abort(gone)
    doorman.open.callback(None)
    web.reactor.advance(1)
    assert responses(bob.received)[0].status == 200
    assert responses(stranger.received)[0].status == 401
    assert stranger.lost is not None
    assert doorman.asked == 3, "once for each request"
    web.abort(bob)
    assert web.limits.open == 0


def test_what_is_no_request_may_not_be_large_either(pages: Pages) -> None:
    web = guarded(pages, Doorman())
    client = web.knock()
    web.say(
        client, upload(AS_BOB, "Content-Length: 100000").replace(b"Host: x.test", b"Host: x\r\nHost: y"), b"x" * 5000
    )
    assert client.received.startswith(b"HTTP/1.1 400 ")
