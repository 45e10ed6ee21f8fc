"""One request of HTTP and its answer: what is kept of its body, who may send it, and what is written."""

# mypy: allow-untyped-calls
# (Twisted's HTTP has no types.)

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http import datetimeToString

from mailstack.letter.connection import HostPort
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.protocols.sasl import OpenSession
from mailstack.store import StoreError
from mailstack.web.body import TOO_LARGE, Body, Bounds
from mailstack.web.flow_control import Flow
from mailstack.web.http_values import Request, Response, Upgrade, plain
from mailstack.web.request_target import parse_target
from mailstack.web.site import AuthorizedRequest, Site

_log = logging.getLogger(__name__)

MOST_FIELDS = 100
"""Of a header."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY = Body(0, 0, MemoryBudget(0))
NO_REQUEST = plain("That is no request.", 400)


class HttpConnection(Protocol):
    """HTTP connection as a request sees it."""

    site: Site
    bounds: Bounds
    room: MemoryBudget
    remote: HostPort
    now: Callable[[], float]
    callLater: Any  # noqa: N815 (Twisted's name)
    persistent: Any

    @property
    def begun(self) -> tuple[bytes, bytes, bytes]:
        """Method, target and version of the request whose body is being received."""

    @property
    def is_upgraded(self) -> bool:
        """Whether the connection was switched to another protocol."""

    def isSecure(self) -> bool: ...  # noqa: N802

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...  # noqa: N802

    def most_body(self) -> int:
        """Maximum octets of the body of the current request."""

    def wait(self) -> None:
        """Pause reading."""

    def go_on(self) -> None:
        """Resume reading after `wait`."""

    def refuse(self, status: bytes) -> None:
        """Answer with a status line and close."""

    def abort(self) -> None:
        """Drop the connection."""

    async def upgrade(self, answer: Upgrade) -> None:
        """Switch to another protocol until the connection ends."""


class WebRequest(http.Request):
    """One request and its answer. Twisted has read the header; we keep the body, up to the bound."""

    channel: HttpConnection  # type: ignore[assignment]  # the part of it that is used
    _body = NO_BODY
    """Until its header has come."""
    _work: Deferred[None] | None = None
    _is_endless = False
    _session: OpenSession | None = None
    """The request as a session of its login."""
    _is_logged_out = False
    """The login of the request does not hold any longer."""
    _entering: Deferred[None] | None = None
    """Whether this client may send a large body is asked, or was."""
    _entered: AuthorizedRequest | None = None
    """It may, and this is what it asks."""
    _is_told = False
    """The client sends its body when it is told to (RFC 9110 §10.1.1)."""
    _is_refused = False
    """The client has heard why not, and the connection ends."""
    _is_dismissed = False
    """It has, and what it still sends is read and dropped: who is sending would not hear us if we closed now (RFC 9112 §9.6)."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        channel = self.channel
        self.content = None
        self._body = body = Body(channel.bounds.body, channel.most_body(), channel.room)
        if length is not None and length > body.most:
            self._refuse(TOO_LARGE)
        elif length is not None and length > body.small:
            expected = self.requestHeaders.getRawHeaders("expect") or [""]
            self._is_told = expected[0].lower() == "100-continue" and channel.begun[2] == b"HTTP/1.1"
            # Else Twisted would ask for the body at once.
            self.requestHeaders.removeHeader("expect")
            self._enter()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._is_refused:
            return
        if status := self._body.take(data):
            self._refuse(status)
        elif self._body.is_large and not self._body.is_let_in:
            self._enter()

    def _enter(self) -> None:
        """A large body is read only from who may send it: what all may hold is not for strangers to fill."""
        if self._entering is None:
            self._entering = Deferred.fromCoroutine(self._ask_in())
            self._entering.addErrback(self._failed)
        if not self._entering.called:
            self.channel.wait()

    async def _ask_in(self) -> None:
        channel = self.channel
        self.method, self.uri, self.clientproto = channel.begun
        try:
            found = await channel.site.enter(self._ask())
        except ValueError:
            found = NO_REQUEST
        channel.go_on()
        if isinstance(found, Response):
            self._dismiss(found)
            return
        self._entered = self._registered(found)
        if status := self._body.let_in():
            self._refuse(status)
        elif self._is_told:
            channel.write(CONTINUE)

    def _dismiss(self, answer: Response) -> None:
        """Answer before the body has come."""
        self._is_dismissed = True
        self._body.drop()
        if self._disconnected:
            return
        assert isinstance(answer.body, bytes)
        self._close_after()
        self._begin(answer, len(answer.body))
        self.write(answer.body)
        if self._is_told:
            self._is_refused = True
            self.channel.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """In place of Twisted's, which would parse forms."""
        if self._is_refused:
            return
        if self._is_dismissed:
            self.finish()
            return
        self.method, self.uri, self.clientproto = command, path, version
        try:
            ask = self._ask()
        except ValueError:
            self._close_after()
            self._say(NO_REQUEST)
            self._body.drop()
            return
        self._work = Deferred.fromCoroutine(self._answer(ask))
        self._work.addErrback(self._failed, ask)
        self._work.addCallback(lambda _: self._over())

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        super().connectionLost(reason)
        self.leave()
        if self._work is None:
            self._over()

    def _over(self) -> None:
        """Nothing more is done for the request."""
        self._body.drop()
        if self._session is not None:
            self._session.close()

    def _registered(self, entered: AuthorizedRequest) -> AuthorizedRequest:
        """The same, as a session of its login."""
        sessions, login = self.channel.site.sessions, entered.ask.visitor.login
        if sessions is None or login is None:
            return entered
        self._session = sessions.open(login, self._log_out)
        return replace(entered, ask=replace(entered.ask, session=self._session))

    def _log_out(self) -> None:
        """The login has ended: so does what only reads. What changes something is nearly done, and finishes."""
        self._is_logged_out = True
        if self._work is None or self.startedWriting or self.channel.is_upgraded:
            self.channel.abort()
        else:
            self.leave()

    def leave(self) -> None:
        """Nobody waits for the answer. What must not break off is shielded from this (`mailstack.web.site`)."""
        if self._work is not None:
            self._work.cancel()

    def end(self) -> None:
        """What goes on until its client leaves ends now."""
        if self._is_endless:
            self.leave()

    def _failed(self, failure: Failure, ask: Request | None = None) -> None:
        """An answer that broke off: the client must see that it isn't whole."""
        if self._is_logged_out and ask is not None and not self._disconnected and not self.startedWriting:
            self._close_after()
            self._say(self.channel.site.logged_out(ask))
            return
        if failure.check(StoreError):
            _log.error("%s: the answer broke off: %s", self.uri, failure.getErrorMessage())
        elif not failure.check(CancelledError):
            _log.error("a bug: %s", self.uri, exc_info=failure.value)
        if not self._disconnected:
            self.channel.abort()

    def _ask(self) -> Request:
        """Raises ValueError for what has no place in a request."""
        hosts = self.requestHeaders.getRawHeaders("host") or []
        if len(hosts) != 1:
            raise ValueError("RFC 9112 §3.2: one Host field")
        is_secure = self.channel.isSecure()
        target = parse_target(self.uri, hosts[0], is_secure=is_secure)
        return Request(
            method=self.method.decode("ascii"),
            path=unquote(target.path, errors="strict"),
            host=target.host,
            query=target.pairs,
            body=self._body.octets.getvalue(),
            fields={
                name.decode("latin-1").lower(): _joined(values)
                for name, values in self.requestHeaders.getAllRawHeaders()
            },
            remote=self.channel.remote,
            is_secure=is_secure,
            authority=target.authority,
            parts=target.segments,
        )

    async def _answer(self, ask: Request) -> None:
        site = self.channel.site
        if self._entering is not None:
            await self._entering
        if self._is_dismissed and not self._disconnected:
            self.finish()
        if self._is_dismissed or self._is_refused:
            return
        if self._entered is not None:
            entered: AuthorizedRequest | Response = replace(
                self._entered, ask=replace(self._entered.ask, body=ask.body)
            )
        else:
            entered = await site.enter(ask)
            if isinstance(entered, AuthorizedRequest):
                entered = self._registered(entered)
        answer = entered if isinstance(entered, Response) else await site.show(entered)
        if isinstance(answer, Upgrade):
            await self.channel.upgrade(answer)
        elif isinstance(answer.body, bytes):
            self._say(answer)
        else:
            await self._tell(answer, answer.body)

    def _begin(self, answer: Response, size: int | None) -> None:
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

    def _say(self, answer: Response) -> None:
        if self._disconnected:
            return
        assert isinstance(answer.body, bytes)
        self._begin(answer, len(answer.body))
        # http.Request writes no body to HEAD.
        self.write(answer.body)
        self.finish()

    async def _tell(self, answer: Response, pieces: AsyncGenerator[bytes, None]) -> None:
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

    def _close_after(self) -> None:
        """No request of this connection follows the answer."""
        self.channel.persistent = 0
        self.setHeader("Connection", "close")

    def _refuse(self, status: bytes) -> None:
        """The rest of the body is not heard (RFC 9110 §15.5.14)."""
        self._is_refused = True
        self._body.drop()
        # Else Twisted would ask for what we don't want.
        self.requestHeaders.removeHeader("expect")
        if self._is_dismissed:
            self.channel.abort()
        elif not self._disconnected:
            self.channel.refuse(status)


def _joined(values: Sequence[bytes]) -> str:
    return ", ".join([value.decode("latin-1").strip() for value in values])
