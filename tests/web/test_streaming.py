"""Streamed responses and protocol upgrades: flow control and limits."""

from __future__ import annotations

import pytest

from mailstack.web.flow_control import HttpLimits
from tests.web.browsing import Web, responses
from tests.web.streams import PIECE, TOLD, Pages, request


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def web(pages: Pages) -> Web:
    return Web(pages.site, bounds=HttpLimits(1000, 30.0, 600.0, large=100_000))


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
