"""HTTP request on Twisted: receives the body, authorizes it, and writes the response."""

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

from mailstack.letter.envelope import HostPort
from mailstack.protocols.bounded_memory import MemoryBudget
from mailstack.protocols.sasl import OpenSession
from mailstack.store import StoreError
from mailstack.web.flow_control import TOO_LARGE, FlowControl, HttpLimits, RequestBody
from mailstack.web.http_messages import Request, Response, Upgrade, parse_target, text_response
from mailstack.web.site import AuthorizedRequest, Site

_log = logging.getLogger(__name__)

MAX_HEADER_FIELDS = 100
"""Maximum fields of a request header."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY = RequestBody(0, 0, MemoryBudget(0))
BAD_REQUEST = text_response("Invalid HTTP request.", 400)


class HttpConnection(Protocol):
    """HTTP connection as a request sees it."""

    site: Site
    bounds: HttpLimits
    body_budget: MemoryBudget
    remote: HostPort
    now: Callable[[], float]
    callLater: Any  # noqa: N815 (Twisted's name)
    persistent: Any

    @property
    def request_line(self) -> tuple[bytes, bytes, bytes]:
        """Method, target and version of the request that is being received."""

    @property
    def is_upgraded(self) -> bool:
        """Whether the connection was switched to another protocol."""

    def isSecure(self) -> bool: ...  # noqa: N802

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...  # noqa: N802

    def max_body(self) -> int:
        """Maximum octets of the body of the current request."""

    def pause(self) -> None:
        """Pause reading."""

    def resume(self) -> None:
        """Resume reading after `pause`."""

    def refuse(self, status: bytes) -> None:
        """Send a status line and close."""

    def abort(self) -> None:
        """Abort the connection."""

    async def upgrade(self, response: Upgrade) -> None:
        """Switch to another protocol until the connection ends."""


class WebRequest(http.Request):
    """One request and its response. Twisted parses the header; the body is buffered up to a limit."""

    channel: HttpConnection  # type: ignore[assignment]  # only these members are used
    _body = NO_BODY
    """Body buffer; NO_BODY until the header is complete."""
    _work: Deferred[None] | None = None
    _is_endless = False
    _session: OpenSession | None = None
    """Session of the login of the request."""
    _is_logged_out = False
    """Whether the login of the request was revoked."""
    _authorization: Deferred[None] | None = None
    """Authorization of a large body, running or finished; None: not needed so far."""
    _authorized: AuthorizedRequest | None = None
    """Authorized request of a large body."""
    _expects_continue = False
    """Whether the client waits for 100 Continue (RFC 9110 §10.1.1)."""
    _is_refused = False
    """Whether the request was rejected and the connection is closing."""
    _is_answered_early = False
    """Whether the response was sent early and the remaining body is discarded (RFC 9112 §9.6)."""

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        channel = self.channel
        self.content = None
        self._body = body = RequestBody(channel.bounds.body, channel.max_body(), channel.body_budget)
        if length is not None and length > body.limit:
            self._refuse(TOO_LARGE)
        elif length is not None and length > body.small:
            expected = self.requestHeaders.getRawHeaders("expect") or [""]
            self._expects_continue = expected[0].lower() == "100-continue" and channel.request_line[2] == b"HTTP/1.1"
            # Twisted would send 100 Continue at once.
            self.requestHeaders.removeHeader("expect")
            self._authorize_early()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self._is_refused:
            return
        if status := self._body.receive(data):
            self._refuse(status)
        elif self._body.is_large and not self._body.is_large_allowed:
            self._authorize_early()

    def _authorize_early(self) -> None:
        """Authorize a large body before it is read: anonymous clients must not fill the memory budget."""
        if self._authorization is None:
            self._authorization = Deferred.fromCoroutine(self._authorize())
            self._authorization.addErrback(self._failed)
        if not self._authorization.called:
            self.channel.pause()

    async def _authorize(self) -> None:
        channel = self.channel
        self.method, self.uri, self.clientproto = channel.request_line
        try:
            found = await channel.site.authorize(self._parse())
        except ValueError:
            found = BAD_REQUEST
        channel.resume()
        if isinstance(found, Response):
            self._answer_early(found)
            return
        self._authorized = self._registered(found)
        if status := self._body.allow_large():
            self._refuse(status)
        elif self._expects_continue:
            channel.write(CONTINUE)

    def _answer_early(self, response: Response) -> None:
        """Respond before the body is complete."""
        self._is_answered_early = True
        self._body.drop()
        if self._disconnected:
            return
        assert isinstance(response.body, bytes)
        self._close_after()
        self._begin(response, len(response.body))
        self.write(response.body)
        if self._expects_continue:
            self._is_refused = True
            self.channel.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        """Process the request; replaces the method of Twisted, which would parse forms."""
        if self._is_refused:
            return
        if self._is_answered_early:
            self.finish()
            return
        self.method, self.uri, self.clientproto = command, path, version
        try:
            request = self._parse()
        except ValueError:
            self._close_after()
            self._respond(BAD_REQUEST)
            self._body.drop()
            return
        self._work = Deferred.fromCoroutine(self._answer(request))
        self._work.addErrback(self._failed, request)
        self._work.addCallback(lambda _: self._release())

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        super().connectionLost(reason)
        self.cancel()
        if self._work is None:
            self._release()

    def _release(self) -> None:
        self._body.drop()
        if self._session is not None:
            self._session.close()

    def _registered(self, authorized: AuthorizedRequest) -> AuthorizedRequest:
        """Register the request as a session of its login."""
        sessions, login = self.channel.site.sessions, authorized.request.user.login
        if sessions is None or login is None:
            return authorized
        self._session = sessions.open(login, self._log_out)
        return replace(authorized, request=replace(authorized.request, session=self._session))

    def _log_out(self) -> None:
        """End the request because its login was revoked; a write in progress finishes."""
        self._is_logged_out = True
        if self._work is None or self.startedWriting or self.channel.is_upgraded:
            self.channel.abort()
        else:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the request because the client has disconnected; `mailstack.web.site.shielded` protects writes."""
        if self._work is not None:
            self._work.cancel()

    def end(self) -> None:
        if self._is_endless:
            self.cancel()

    def _failed(self, failure: Failure, request: Request | None = None) -> None:
        """Abort the connection, so that the client notices an incomplete response."""
        if self._is_logged_out and request is not None and not self._disconnected and not self.startedWriting:
            self._close_after()
            self._respond(self.channel.site.logged_out(request))
            return
        if failure.check(StoreError):
            _log.error("response to %r aborted: %s", self.uri.decode("latin-1"), failure.getErrorMessage())
        elif not failure.check(CancelledError):
            _log.error("internal error in %r", self.uri.decode("latin-1"), exc_info=failure.value)
        if not self._disconnected:
            self.channel.abort()

    def _parse(self) -> Request:
        """Convert to a Request. Raises ValueError for invalid requests."""
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

    async def _answer(self, request: Request) -> None:
        site = self.channel.site
        if self._authorization is not None:
            await self._authorization
        if self._is_answered_early and not self._disconnected:
            self.finish()
        if self._is_answered_early or self._is_refused:
            return
        if self._authorized is not None:
            authorized: AuthorizedRequest | Response = replace(
                self._authorized, request=replace(self._authorized.request, body=request.body)
            )
        else:
            authorized = await site.authorize(request)
            if isinstance(authorized, AuthorizedRequest):
                authorized = self._registered(authorized)
        response = authorized if isinstance(authorized, Response) else await site.render(authorized)
        if isinstance(response, Upgrade):
            await self.channel.upgrade(response)
        elif isinstance(response.body, bytes):
            self._respond(response)
        else:
            await self._write_chunks(response, response.body)

    def _begin(self, response: Response, size: int | None) -> None:
        """Write the status and the header."""
        self.setResponseCode(response.status, HTTPStatus(response.status).phrase.encode())
        # RFC 9110 §6.6.1
        self.setHeader("Date", datetimeToString(self.channel.now()))
        for name, value in response.headers:
            self.setHeader(name, value)
        if response.media_type:
            self.setHeader("Content-Type", response.media_type)
        if size is not None and response.status not in (204, 304):
            self.setHeader("Content-Length", str(size))

    def _respond(self, response: Response) -> None:
        if self._disconnected:
            return
        assert isinstance(response.body, bytes)
        self._begin(response, len(response.body))
        # http.Request omits the body of a response to HEAD.
        self.write(response.body)
        self.finish()

    async def _write_chunks(self, response: Response, pieces: AsyncGenerator[bytes, None]) -> None:
        """Write the chunks of a generator with flow control; none in response to HEAD."""
        channel = self.channel
        flow = FlowControl(channel.callLater, channel.bounds.request, channel.abort)
        try:
            if self._disconnected:
                return
            self._is_endless = response.size is None
            self._begin(response, response.size)
            # Write the header now: the first chunk may be minutes away.
            self.write(b"")
            if self.method != b"HEAD":
                self.registerProducer(flow, True)
                async for piece in pieces:
                    if self._disconnected:
                        return
                    self.write(piece)
                    await flow.wait_writable()
                self.unregisterProducer()
            self.finish()
        finally:
            flow.stopProducing()
            await pieces.aclose()

    def _close_after(self) -> None:
        self.channel.persistent = 0
        self.setHeader("Connection", "close")

    def _refuse(self, status: bytes) -> None:
        """Reject the request without reading the remaining body (RFC 9110 §15.5.14)."""
        self._is_refused = True
        self._body.drop()
        # Twisted would send 100 Continue.
        self.requestHeaders.removeHeader("expect")
        if self._is_answered_early:
            self.channel.abort()
        elif not self._disconnected:
            self.channel.refuse(status)


def _joined(values: Sequence[bytes]) -> str:
    return ", ".join([value.decode("latin-1").strip() for value in values])
