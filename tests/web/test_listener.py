"""Web listener: the site is loaded with the first connection."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailstack.policy.limits import ConnectionLimiter
from mailstack.web.app import http_factory
from mailstack.web.flow_control import HttpLimits
from mailstack.web.http_messages import HttpRoute, Request, Response, text_response
from mailstack.web.listener import ProtocolFactory
from mailstack.web.site import Site
from tests.web.browsing import Web, responses

GET = b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n"


async def page(ask: Request) -> Response:
    return text_response(f"{len(ask.body)}")


class Late(Web):
    """A door whose pages come when the test says so."""

    def __init__(self) -> None:
        self.site = Site([HttpRoute("GET", "/", page), HttpRoute("POST", "/", page)], ["x.test"])
        super().__init__(self.site)
        self.loads: list[Deferred[ProtocolFactory]] = []
        self.load = self._load
        self.listen()

    async def _load(self) -> ProtocolFactory:
        deferred: Deferred[ProtocolFactory] = Deferred()
        self.loads.append(deferred)
        return await deferred

    def arrive(self) -> None:
        self.loads[-1].callback(http_factory(self.server, self.site, HttpLimits(100_000, 30.0, 600.0)))
        self.reactor.advance(0.1)


@pytest.fixture
def web() -> Late:
    return Late()


def test_nothing_is_loaded_before_the_first_connection(web: Late) -> None:
    web.reactor.advance(100)
    assert web.loads == []
    web.knock()
    web.knock()
    assert len(web.loads) == 1, "once, however many come"


def test_early_connection_is_served_after_loading(web: Late) -> None:
    first, second = web.knock(), web.knock()
    web.say(first, GET)
    body = b"x" * 50_000
    web.say(second, b"POST / HTTP/1.1\r\nHost: x.test\r\nContent-Length: 50000\r\n\r\n", body[:30_000])
    web.say(second, body[30_000:])
    assert (first.received, second.received) == (b"", b"")
    web.arrive()
    web.reactor.advance(1)
    assert [each.body for each in responses(first.received)] == [b"0\n"]
    assert [each.body for each in responses(second.received)] == [b"50000\n"]
    web.say(first, GET)
    assert len(responses(first.received)) == 2, "the connection lives on"
    third = web.knock()
    web.say(third, GET)
    assert [each.body for each in responses(third.received)] == [b"0\n"]
    assert len(web.loads) == 1


def test_early_connection_that_closes_is_released(web: Late) -> None:
    early, late = web.knock(), web.knock()
    assert web.limits.open == 2
    early.transport.loseConnection()  # type: ignore[attr-defined]
    web.reactor.advance(1)
    # A connection that is not read from ends when it is.
    web.arrive()
    web.reactor.advance(1)
    assert web.limits.open == 1
    late.transport.loseConnection()  # type: ignore[attr-defined]
    web.reactor.advance(1)
    assert web.limits.open == 0


def test_failed_load_is_tried_again_by_the_next_connection(web: Late) -> None:
    first = web.knock()
    web.loads[0].errback(ImportError("half an update"))
    web.reactor.advance(1)
    assert first.lost is not None
    assert web.limits.open == 0
    second = web.knock()
    web.say(second, GET)
    web.arrive()
    web.reactor.advance(1)
    assert [each.body for each in responses(second.received)] == [b"0\n"]


def test_early_connection_is_dropped_at_shutdown(web: Late) -> None:
    early = web.knock()
    web.stop()
    assert early.lost is not None
    assert web.limits.open == 0
    web.arrive()


def test_limits_hold_from_the_first_connection_on() -> None:
    web = Late()
    web.limits = ConnectionLimiter(1)
    web.listen()
    web.knock()
    assert web.knock().lost is not None


@pytest.mark.parametrize("at_once", [False, True], ids=["early", "later"])
def test_client_address_comes_from_the_proxy_protocol(at_once: bool) -> None:
    """PRXY-01: by that address guesses are slowed, streams are counted, and passwords in clear are refused."""

    async def client(ask: Request) -> Response:
        return text_response(f"{ask.remote.host} {ask.remote.port}")

    web = Web(Site([HttpRoute("GET", "/", client)], ["x.test"]))
    web.listen("haproxy:tcp:80", proxies=["192.0.2.7"])
    if at_once:
        web.request(b"PROXY UNKNOWN\r\n" + GET)
    (response,) = web.request(b"PROXY TCP4 198.51.100.9 192.0.2.1 40000 80\r\n" + GET)
    assert response.body == b"198.51.100.9 40000\n"
    (own,) = web.request(b"PROXY UNKNOWN\r\n" + GET)
    assert own.body.startswith(b"192.0.2.7 ")
