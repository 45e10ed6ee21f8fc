"""Large request bodies: memory budget, and authorization before the body is read."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailstack.web.flow_control import HttpLimits
from mailstack.web.http_messages import HttpError, HttpRoute, Request, User
from mailstack.web.site import Site
from tests.web.browsing import Web, responses
from tests.web.streams import Pages, request


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def web(pages: Pages) -> Web:
    return Web(pages.site, bounds=HttpLimits(1000, 30.0, 600.0, large=100_000))


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
    invalid = upload(AS_BOB, "Content-Length: 100000").replace(b"Host: x.test", b"Host: x\r\nHost: y")
    web.say(client, invalid, b"x" * 5000)
    assert client.received.startswith(b"HTTP/1.1 400 ")
