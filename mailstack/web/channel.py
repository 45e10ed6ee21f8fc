"""HTTP/1.1 by Twisted: each request, bounded in size and time, becomes an Ask, and its Answer is written."""

# mypy: allow-untyped-calls
# (Twisted's HTTP has no types.)

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request, datetimeToString

from mailstack.web.asking import Answer, Ask, plain
from mailstack.web.site import Site

PATIENCE = 5.0
"""Seconds until a connection that should end is dropped."""
MOST_FIELDS = 100
"""Of a header; and of a query."""


class Bounds(Struct, frozen=True):
    """What one client may take."""

    body: int
    """Octets of a request's body."""
    request: float
    """Seconds for a whole request, from the connection or the answer before it."""
    lifetime: float
    """Seconds for a connection in all."""


class WebRequest(Request):
    """One request and its answer. Twisted has read the header; we keep the body, up to the bound."""

    channel: WebChannel

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        self._body = BytesIO()
        self._refused = False
        self.content = self._body
        if length is not None and length > self.channel.bounds.body:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._refused:
            return
        if self._body.tell() + len(data) > self.channel.bounds.body:
            self._refuse()
        else:
            self._body.write(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """In place of Twisted's, which would parse forms."""
        if self._refused:
            return
        self.method, self.uri, self.clientproto = command, path, version
        try:
            ask = self._ask()
        except ValueError:
            self._say(plain("That is no request.", 400))
            return
        answering = Deferred.fromCoroutine(self.channel.site.answer(ask))
        answering.addCallback(self._say)

    def _ask(self) -> Ask:
        """Raises ValueError for what has no place in a request."""
        path, _, query = self.uri.decode("ascii").partition("?")
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        hosts = self.requestHeaders.getRawHeaders("host") or []
        if len(hosts) != 1 or not path.startswith("/"):
            raise ValueError("RFC 9112 §3.2: one Host field, and an absolute path")
        return Ask(
            method=self.method.decode("ascii"),
            path=unquote(path, errors="strict"),
            host=host_of(hosts[0]),
            query=dict(reversed(pairs)),
            body=self._body.getvalue(),
        )

    def _say(self, answer: Answer) -> None:
        if self._disconnected:
            return
        self.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode())
        # RFC 9110 §6.6.1
        self.setHeader("Date", datetimeToString(self.channel.now()))
        for name, value in answer.headers:
            self.setHeader(name, value)
        self.setHeader("Content-Type", answer.media_type)
        self.setHeader("Content-Length", str(len(answer.body)))
        if answer.status == 400:
            self.setHeader("Connection", "close")
            self.channel.persistent = 0
        # http.Request writes no body to HEAD.
        self.write(answer.body)
        self.finish()

    def _refuse(self) -> None:
        """The rest of the body is not heard (RFC 9110 §15.5.14)."""
        self._refused = True
        # Else Twisted would ask for what we don't want.
        self.requestHeaders.removeHeader("expect")
        self.channel.refuse(b"413 Content Too Large")


def host_of(field: str) -> str:
    """The name of a Host field: in lower case, without port, brackets and final dot (RFC 9110 §7.2)."""
    host = field.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


class WebChannel(HTTPChannel):
    """One connection."""

    maxHeaders = MOST_FIELDS  # noqa: N815
    requestFactory = WebRequest  # noqa: N815

    def __init__(self, reactor: Any, site: Site, bounds: Bounds, gone: Callable[[WebChannel], None]) -> None:
        super().__init__()
        self.site = site
        self.now: Callable[[], float] = reactor.seconds
        self.bounds = bounds
        self.callLater = reactor.callLater  # type: ignore[method-assign]
        self.timeOut = bounds.request  # type: ignore[assignment]
        self._gone = gone
        self._end: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        self._end = self.callLater(self.bounds.lifetime, self.abort)

    def resetTimeout(self) -> None:  # noqa: N802
        """Octets that come one by one extend nothing: the time is for the request as a whole."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """As Twisted's, without a line in the log for every browser that keeps a connection."""
        self.loseConnection()
        if self._end is not None and self._end.active():
            self._end.reset(PATIENCE)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        super().connectionLost(reason)
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._gone(self)

    def end(self) -> None:
        """Close, once the request under way is answered."""
        self.persistent = 0
        if not self.requests:
            self.loseConnection()

    def abort(self) -> None:
        """Drop the connection."""
        transport: Any = self.transport
        transport.abortConnection()

    def refuse(self, status: bytes) -> None:
        """Say why, and end the connection."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.loseConnection()
