"""Documents of an issuer: bounded in size and time, over a simulated network."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from mailstack.accounts.tokens import MAX_DOCUMENT, IssuerClient
from mailstack.protocols.sasl import Unavailable
from mailstack.sandbox.simulation import SimulatedReactor

URL = "http://192.0.2.80:8080/jwks"


class Issuer(Protocol):
    """Hears one request, says what it is told to."""

    heard = b""
    answer = b""
    closes = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        type(self).heard += data
        assert self.transport is not None
        if self.answer:
            self.transport.write(self.answer)
        if self.closes:
            self.transport.loseConnection()


def ask(answer: bytes, *, post: bytes | None = None, closes: bool = True, url: str = URL) -> tuple[bytes, bytes]:
    """What came of it, and what the issuer heard."""
    reactor = SimulatedReactor(seed=1)
    issuer = type("One", (Issuer,), {"answer": answer, "closes": closes})
    reactor.result_of(TCP4ServerEndpoint(reactor.host("192.0.2.80"), 8080).listen(Factory.forProtocol(issuer)))
    fetching = IssuerClient(reactor.host("192.0.2.1"), url, timeout=5.0, user="server", password="secret")
    work = Deferred.fromCoroutine(fetching.get() if post is None else fetching.post(post))
    found: list[bytes] = []
    work.addCallback(found.append)
    reactor.advance(10)
    reactor.result_of(_await(work))
    return found[0], issuer.heard


async def _await(work: Deferred[None]) -> None:
    await work


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_a_document_is_fetched() -> None:
    body, heard = ask(ok(b'{"keys": []}'))
    assert body == b'{"keys": []}'
    assert heard.startswith(b"GET /jwks HTTP/1.1\r\n")


def test_a_form_is_posted_with_our_name() -> None:
    body, heard = ask(ok(b"{}"), post=b"token=x")
    assert body == b"{}"
    assert heard.startswith(b"POST /jwks")
    assert heard.endswith(b"\r\n\r\ntoken=x")
    assert b"Basic c2VydmVyOnNlY3JldA==" in heard


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (b"", True),
        (b"", False),
        (b"nonsense\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.80:8080/x\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nslow", False),
        (ok(b"x" * (MAX_DOCUMENT + 1)), True),
    ],
)
def test_everything_else_is_told_as_our_trouble_in_time(answer: bytes, closes: bool) -> None:
    with pytest.raises(Unavailable):
        ask(answer, closes=closes)


def test_nobody_there_is_our_trouble_too() -> None:
    with pytest.raises(Unavailable):
        ask(b"", url="http://192.0.2.80:9/jwks")
