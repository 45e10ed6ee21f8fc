"""HTTP client for POST and HEAD, with verified TLS, bounded bodies and timeout."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError  # noqa: A004 - Twisted has its own
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.net.client_tls import ClientTls, Handshake
from mailstack.protocols.connection import ConnectFailed
from mailstack.queue.webhooks.webhook import PostResponse
from mailstack.relay.external_relay import is_loopback


class TooLarge(Exception):
    """A body exceeds its limit; str() has the limit."""


def read_document(response: Any, limit: int) -> Deferred[bytes]:
    """The body of a twisted.web response. Fails with TooLarge beyond `limit` octets, with ConnectionLost if truncated.

    Cancellation drops the connection.
    """
    body = _Body(limit)
    response.deliverBody(body)
    return body.done


class _Body(Protocol):
    def __init__(self, limit: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._limit = limit
        self._octets = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._octets += data
        if len(self._octets) > self._limit and not self.done.called:
            self.done.errback(TooLarge(f"the response has more than {self._limit} octets"))
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.done.called:
            return
        from twisted.web.client import ResponseDone  # noqa: PLC0415

        if reason.check(ResponseDone):
            self.done.callback(self._octets)
        else:
            self.done.errback(ConnectionLost())

    def _abort(self) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()


class Upload:
    """Request body: an IBodyProducer, undeclared because that would import twisted.web."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802
        consumer.write(self._body)
        return succeed(None)

    def stopProducing(self) -> None:  # noqa: N802
        """Does nothing: the whole body is written at once."""

    pauseProducing = resumeProducing = stopProducing  # noqa: N815


_LOCAL = "localhost"
_PORTS = {"http": 80, "https": 443}
"""Default ports by URL scheme."""

MAX_RECEIVED = 524_288
"""Maximum octets received between two writes; Twisted does not limit header fields."""


@implementer(IStreamClientEndpoint)
class TlsEndpoint:
    """Endpoint of an Agent, with a TLS handshake on the given reactor; Twisted's own wrapper uses the installed one."""

    def __init__(self, endpoint: IStreamClientEndpoint, handshake: Handshake | None, reactor: Any) -> None:
        """`handshake` None: plain text."""
        self._endpoint = endpoint
        self._handshake = handshake
        self._reactor = reactor

    def endpointForURI(self, _uri: object) -> TlsEndpoint:  # noqa: N802 (Twisted's name)
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        wrapping: Any
        if self._handshake is None:
            wrapping = WrappingFactory(factory)
            wrapping.protocol = _BoundedPlain
        else:
            wrapping = TLSMemoryBIOFactory(self._handshake, True, factory, clock=self._reactor)
            wrapping.protocol = _BoundedTls
        wrapping.noisy = False
        connected: Deferred[Any] = self._endpoint.connect(wrapping)
        return connected.addCallback(lambda protocol: protocol.wrappedProtocol)


class _BoundedTls(TLSMemoryBIOProtocol):
    """TLS connection that aborts when more than MAX_RECEIVED octets come between two writes."""

    _remaining = MAX_RECEIVED

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._remaining -= len(data)
        if self._remaining < 0:
            self.abortConnection()  # type: ignore[no-untyped-call]
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        self._remaining = MAX_RECEIVED
        super().write(data)  # type: ignore[no-untyped-call]


class _BoundedPlain(ProtocolWrapper):
    """Plain connection with the same limit."""

    _remaining = MAX_RECEIVED

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._remaining -= len(data)
        if self._remaining < 0:
            self.abortConnection()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def abortConnection(self) -> None:  # noqa: N802
        transport: Any = self.transport
        transport.abortConnection()

    def write(self, data: bytes) -> None:
        self._remaining = MAX_RECEIVED
        super().write(data)  # type: ignore[no-untyped-call]


class HttpClient:
    """HTTP client of a reactor, real or simulated; it follows no redirects. Idle connections are reused."""

    def __init__(
        self,
        reactor: Any,
        client_tls: ClientTls,
        *,
        timeout: float = 10.0,
        connections: int = 4,
        idle: float = 5.0,
        max_response: int = 65_536,
        loopback_only: bool = False,
        addresses: Callable[[str], Awaitable[Sequence[str]]] | None = None,
    ) -> None:
        """`timeout` is the total seconds of one request. Up to `connections` stay open, each for `idle` seconds.

        `max_response` is the octets read of a response. `loopback_only` refuses URLs of other machines.
        `addresses` resolves a host name, or raises ConnectFailed; None: by the system.
        """
        self._reactor = reactor
        self._client_tls = client_tls
        self._timeout = timeout
        self._connections = connections
        self._idle = idle
        self._max_response = max_response
        self._loopback_only = loopback_only
        self._addresses = addresses
        self._pool: Any = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> PostResponse:
        """Response to a POST request. Raises ConnectFailed with the reason."""
        return await self._call(b"POST", url, headers, Upload(body))

    async def head(self, url: str) -> PostResponse:
        """Response to a HEAD request. Raises ConnectFailed."""
        return await self._call(b"HEAD", url, {}, None)

    async def _call(self, method: bytes, url: str, headers: Mapping[str, str], body: Upload | None) -> PostResponse:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConnectFailed(f"{url[:100]!r} is not a URL: {error}") from None
        if parts.scheme not in _PORTS or not url.isascii():
            raise ConnectFailed(f"{url[:100]!r} is not an http or https URL in ASCII")
        if self._loopback_only and not is_loopback(host) and host != _LOCAL:
            raise ConnectFailed(f"only loopback addresses are allowed here, and {host[:60]!r} is not one")
        secure = parts.scheme == "https"
        handshake = self._client_tls.handshake(host, verify=True) if secure else None
        where = host if self._addresses is None else (await self._addresses(host))[0]
        endpoint = self._endpoint(where, port or _PORTS[parts.scheme])
        pending = Deferred.fromCoroutine(
            self._ask(TlsEndpoint(endpoint, handshake, self._reactor), method, url, headers, body)
        )
        try:
            return await pending.addTimeout(self._timeout, self._reactor)
        except TooLate:
            raise ConnectFailed(f"no answer within {self._timeout:.4g} s") from None
        except Exception as trouble:  # noqa: BLE001 - after any error there is no response
            raise ConnectFailed(failure_reason(trouble, handshake)) from None

    def close(self) -> Deferred[None] | None:
        """Close the idle connections; fires when they are closed."""
        pool, self._pool = self._pool, None
        closed: Deferred[None] | None = pool.closeCachedConnections() if pool is not None else None
        return closed

    def _endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        if self._loopback_only and host == _LOCAL:
            host = "127.0.0.1"
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            return HostnameEndpoint(self._reactor, host.encode("ascii"), port, self._timeout)
        kind = TCP6ClientEndpoint if version == 6 else TCP4ClientEndpoint
        return kind(self._reactor, host, port, self._timeout)

    async def _ask(
        self, endpoint: TlsEndpoint, method: bytes, url: str, headers: Mapping[str, str], body: Upload | None
    ) -> PostResponse:
        # Imported here: a large library that most servers never need.
        from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, ResponseNeverReceived  # noqa: PLC0415
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        if self._pool is None:
            self._pool = HTTPConnectionPool(self._reactor)
            self._pool.maxPersistentPerHost = self._connections
            self._pool.cachedConnectionTimeout = self._idle
        agent = Agent.usingEndpointFactory(self._reactor, endpoint, self._pool)
        sent = Headers({"User-Agent": ["mailstack"], **{name: [value] for name, value in headers.items()}})

        def request() -> Any:
            return agent.request(method, url.encode("ascii"), sent, body)

        try:
            response = await request()
        except ResponseFailed as lost:
            if any(reason.check(CancelledError) for reason in lost.reasons):
                raise TooLate from None
            if not isinstance(lost, ResponseNeverReceived):
                raise
            # Usually the server had closed the idle connection. A request may arrive twice.
            response = await request()
        content = b""
        # Most callers need the status code alone.
        with suppress(TooLarge, ConnectionLost):
            content = await read_document(response, self._max_response)
        first = response.headers.getRawHeaders
        return PostResponse(response.code, _seconds(first("retry-after", [""])[0]), content, first("location", [""])[0])


def _seconds(text: str) -> float:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3); a date counts as 0."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def failure_reason(error: Exception, handshake: Handshake | None) -> str:
    """Reason of a failed request, for people, without Twisted's wrappers."""
    inner = getattr(error, "reasons", None)
    failure = inner[0] if inner else Failure(error)
    if handshake is not None:
        fault = handshake.why(failure)
        if handshake.failed:
            return fault
    if failure.check(ConnectionRefusedError):
        return "connection refused"
    if failure.check(ConnectionLost, ConnectionDone):
        return "the server closed the connection without a response"
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"[:200]
