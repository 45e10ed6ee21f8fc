"""HTTP/1.1 by Twisted: each request, bounded in size and time, becomes an Ask, and its Answer is written."""

# mypy: allow-untyped-calls
# (Twisted's HTTP has no types.)

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request, datetimeToString

from mailstack.room import Room
from mailstack.web.asking import Answer, Ask, Upgrade, plain
from mailstack.web.door import Channel
from mailstack.web.flowing import Flow, WebLine
from mailstack.web.site import SAFE, Site
from mailstack.wire import HostPort

_log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds until a connection that should end is dropped."""
MOST_DIGITS = 100
"""Of a Content-Length."""
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
    large: int = 0
    """Octets of a body that may be as large as a letter; less than `body`: as that."""
    held: int = 268_435_456
    """Octets of large bodies, beyond `body` of each, that all clients together may have us hold."""


class WebRequest(Request):
    """One request and its answer. Twisted has read the header; we keep the body, up to the bound."""

    channel: WebChannel
    _work: Deferred[None] | None = None
    _is_safe = False
    _is_endless = False
    _held = 0
    """Octets of the body that are counted in the room of all."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        self._body = BytesIO()
        self._refused = False
        self._room = self.channel.room
        self.content = self._body
        self._most = self.channel.most_body()
        if length is not None and length > self._most:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._refused:
            return
        size = self._body.tell() + len(data)
        room, more = self._room, max(0, size - self.channel.bounds.body - self._held)
        if size > self._most:
            self._refuse()
        elif more and room.held + more > room.most:
            # RFC 9110 §15.6.4
            self._refuse(b"503 Service Unavailable")
        else:
            self._body.write(data)
            self._held += more
            room.held += more

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """In place of Twisted's, which would parse forms."""
        if self._refused:
            return
        self.method, self.uri, self.clientproto = command, path, version
        try:
            ask = self._ask()
        except ValueError:
            self.channel.persistent = 0
            self.setHeader("Connection", "close")
            self._say(plain("That is no request.", 400))
            self._let_go()
            return
        self._is_safe = ask.method in SAFE
        self._work = Deferred.fromCoroutine(self._answer(ask))
        self._work.addErrback(self._failed)
        self._work.addCallback(lambda _: self._let_go())

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        super().connectionLost(reason)
        self.leave()
        if self._work is None:
            self._let_go()

    def _let_go(self) -> None:
        """The body is no longer held."""
        if self._held:
            self._room.held -= self._held
            self._held = 0
            self.content = self._body = BytesIO()

    def leave(self) -> None:
        """Nobody waits for the answer: what only looks, or is being told, ends; what changes something goes on."""
        if self._is_safe and self._work is not None:
            self._work.cancel()

    def end(self) -> None:
        """What goes on until its client leaves ends now."""
        if self._is_endless:
            self.leave()

    def _failed(self, failure: Failure) -> None:
        """An answer that broke off: the client must see that it isn't whole."""
        if not failure.check(CancelledError):
            _log.error("a bug: %s", self.uri, exc_info=failure.value)
        if not self._disconnected:
            self.channel.abort()

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
            fields={
                name.decode("latin-1").lower(): _joined(values)
                for name, values in self.requestHeaders.getAllRawHeaders()
            },
            remote=self.channel.remote,
            is_secure=self.channel.isSecure(),
            authority=hosts[0].strip().lower(),
            parts=segments_of(path),
        )

    async def _answer(self, ask: Ask) -> None:
        answer = await self.channel.site.answer(ask)
        if isinstance(answer, Upgrade):
            await self.channel.upgrade(answer)
        elif isinstance(answer.body, bytes):
            self._say(answer)
        else:
            await self._tell(answer, answer.body)

    def _begin(self, answer: Answer, size: int | None) -> None:
        """Everything above the body."""
        self.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode())
        # RFC 9110 §6.6.1
        self.setHeader("Date", datetimeToString(self.channel.now()))
        for name, value in answer.headers:
            self.setHeader(name, value)
        if answer.media_type:
            self.setHeader("Content-Type", answer.media_type)
        if size is not None and answer.status not in (204, 304):
            self.setHeader("Content-Length", str(size))

    def _say(self, answer: Answer) -> None:
        if self._disconnected:
            return
        assert isinstance(answer.body, bytes)
        self._begin(answer, len(answer.body))
        # http.Request writes no body to HEAD.
        self.write(answer.body)
        self.finish()

    async def _tell(self, answer: Answer, pieces: AsyncGenerator[bytes, None]) -> None:
        """Piece by piece, as the client takes them; who asked for the header gets none."""
        channel = self.channel
        flow = Flow(channel.callLater, channel.bounds.request, channel.abort)
        try:
            if self._disconnected:
                return
            self._is_endless = answer.size is None
            self._begin(answer, answer.size)
            # Have Twisted write the header now: the first piece may be far away.
            self.write(b"")
            if self.method != b"HEAD":
                self.registerProducer(flow, True)
                async for piece in pieces:
                    if self._disconnected:
                        return
                    self.write(piece)
                    await flow.room()
                self.unregisterProducer()
            self.finish()
        finally:
            flow.stopProducing()
            await pieces.aclose()

    def _refuse(self, status: bytes = b"413 Content Too Large") -> None:
        """The rest of the body is not heard (RFC 9110 §15.5.14)."""
        self._refused = True
        self._let_go()
        # Else Twisted would ask for what we don't want.
        self.requestHeaders.removeHeader("expect")
        self.channel.refuse(status)


def _joined(values: Sequence[bytes]) -> str:
    return ", ".join([value.decode("latin-1").strip() for value in values])


def segments_of(path: str) -> tuple[str, ...]:
    """The path between its slashes, each part decoded by itself. Raises ValueError."""
    return tuple(unquote(part, errors="strict") for part in path.split("/")[1:])


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

    def __init__(  # noqa: PLR0917  # each of a type of its own
        self,
        reactor: Any,
        site: Site,
        bounds: Bounds,
        room: Room,
        gone: Callable[[Channel], None],
        remote: HostPort,
    ) -> None:
        """`room` is for the large bodies of all. `remote` is the client, as the proxy in front says, if there is one."""
        super().__init__()
        self.remote = remote
        self.room = room
        self.site = site
        self.now: Callable[[], float] = reactor.seconds
        self.bounds = bounds
        self.callLater = reactor.callLater  # type: ignore[method-assign]
        self.timeOut = bounds.request  # type: ignore[assignment]
        self._gone = gone
        self._end: IDelayedCall | None = None
        self._line: WebLine | None = None
        """Once the connection speaks another protocol."""

    def connectionMade(self) -> None:  # noqa: N802
        super().connectionMade()
        self._end = self.callLater(self.bounds.lifetime, self.abort)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._line is not None:
            self._line.feed(data)
        else:
            super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802
        """What came together with a request, too."""
        if self._line is not None:
            self._line.feed(data)
        else:
            super().rawDataReceived(data)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        """As Twisted's, which makes a number of any row of digits, and Python does not take rows that are too long."""
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and len(value.strip()) > MOST_DIGITS:
            self.refuse(b"400 Bad Request")
            return False
        is_good: bool = super().headerReceived(line)
        return is_good

    def most_body(self) -> int:
        """Octets that the body of the request that has begun may have."""
        bounds = self.bounds
        if bounds.large <= bounds.body:
            return bounds.body
        try:
            segments = segments_of(self._path.decode("ascii").partition("?")[0])
            is_large = self.site.takes_large(self._command.decode("ascii"), segments)
        except UnicodeDecodeError:
            return bounds.body
        return bounds.large if is_large else bounds.body

    async def upgrade(self, answer: Upgrade) -> None:
        """Speak HTTP no longer; the conversation has the connection until it ends (RFC 9110 §7.8)."""
        lines = [f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {answer.protocol}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in answer.headers]
        transport: Any = self.transport
        transport.write("".join([*lines, "\r\n"]).encode("ascii"))
        flow = Flow(self.callLater, self.bounds.request, self.abort)
        self._line = line = WebLine(transport, self._networkProducer, flow)
        self.registerProducer(flow, True)
        ahead, self._dataBuffer = self._dataBuffer, []
        for octets in ahead:
            line.feed(octets)
        self._networkProducer.resumeProducing()
        try:
            await answer.converse(line)
        finally:
            flow.stopProducing()
            self.loseConnection()

    def resetTimeout(self) -> None:  # noqa: N802
        """Octets that come one by one extend nothing: the time is for the request as a whole."""

    def timeoutConnection(self) -> None:  # noqa: N802
        """As Twisted's, without a line in the log for every browser that keeps a connection."""
        self.loseConnection()
        if self._end is not None and self._end.active():
            self._end.reset(PATIENCE)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        if self._line is not None:
            self._line.end()
        super().connectionLost(reason)
        if self._end is not None and self._end.active():
            self._end.cancel()
        self._gone(self)

    def end(self) -> None:
        """Close, once the request under way is answered; what goes on for ever ends now."""
        self.persistent = 0
        if self._line is not None or not self.requests:
            self.loseConnection()
        else:
            for request in list(self.requests):
                request.end()

    def abort(self) -> None:
        """Drop the connection."""
        transport: Any = self.transport
        transport.abortConnection()

    def refuse(self, status: bytes) -> None:
        """Say why, and end the connection."""
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.loseConnection()
