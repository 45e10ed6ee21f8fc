"""Connector for outbound connections, and single TCP requests, over any reactor."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any

from twisted.internet import error as network_errors
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed, ConnectionDone
from twisted.internet.interfaces import IReactorTCP, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from mailstack.letter.envelope import HostPort, is_unix_socket
from mailstack.net.client_tls import LOST, ClientTls
from mailstack.net.peer import NetPeer
from mailstack.net.peer_state import PeerTls
from mailstack.net.tls_layer import wrap_in_tls
from mailstack.protocols.connection import ConnectFailed, Dane, Engine, EventT, Source


class TwistedConnector:
    """Connector of a reactor."""

    def __init__(
        self,
        reactor: IReactorTCP,
        *,
        source: str | None = None,
        source6: str | None = None,
        ca_file: Path | None = None,
        client_tls: ClientTls | None = None,
        lifetime: float = 86400.0,
    ) -> None:
        """`source` and `source6` are the source addresses for IPv4 and IPv6; None: chosen by the system.

        `client_tls` has the TLS settings; without it, the CAs in `ca_file` or of the system are trusted.
        """
        self._reactor = reactor
        self._sources = {4: (source, 0) if source else None, 6: (source6, 0) if source6 else None}
        self._client_tls = client_tls or ClientTls(ca_file)
        self._lifetime = lifetime

    async def connect(
        self,
        address: HostPort,
        engine: Engine[EventT],
        *,
        timeout: float,
        tls: bool = False,
        server_name: str | None = None,
        verify: bool = False,
        dane: Dane | None = None,
        source: Source | None = None,
    ) -> NetPeer[EventT]:
        """Connect within `timeout` seconds; with `tls`, including the TLS handshake. Raises ConnectFailed."""
        reactor: IReactorTime = self._reactor  # type: ignore[assignment]
        late = reactor.seconds() + timeout
        shaking = self._client_tls.handshake(server_name, verify=verify, dane=dane) if tls else None
        peer = NetPeer(
            reactor,
            engine,
            tls=PeerTls(encrypted=tls, client_tls=self._client_tls, handshake=shaking),
            lifetime=self._lifetime,
        )
        factory: Factory[Any] = Factory.forProtocol(lambda: peer)
        factory.noisy = False
        endpoint = self._endpoint(address, timeout, source)
        if shaking is not None:
            factory = wrap_in_tls(factory, shaking, reactor, client=True)
        try:
            await endpoint.connect(factory)
        except Exception as error:
            raise ConnectFailed(_reason(error, timeout)) from error
        if tls:
            await _handshake(reactor, peer, late)
        return peer

    def _endpoint(self, address: HostPort, timeout: float, source: Source | None) -> IStreamClientEndpoint:
        if is_unix_socket(address.host):
            return UNIXClientEndpoint(self._reactor, address.host, timeout)
        family = ipaddress.ip_address(address.host).version
        endpoint_class = TCP6ClientEndpoint if family == 6 else TCP4ClientEndpoint
        own = "" if source is None else source.six if family == 6 else source.four
        bound = (own, 0) if own else self._sources[family]
        return endpoint_class(self._reactor, address.host, address.port, timeout, bound)


def _reason(error: Exception, timeout: float) -> str:
    """Reason of a failed connection, for people; Twisted's messages repeat themselves."""
    if isinstance(error, network_errors.ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, network_errors.TimeoutError):
        return f"no answer within {timeout:.4g} s"
    reason = getattr(error, "osError", None)
    return os.strerror(reason) if isinstance(reason, int) else str(error)


async def _handshake(reactor: IReactorTime, peer: NetPeer[EventT], late: float) -> None:
    """Wait for the TLS handshake until `late`, then abort. Raises ConnectFailed."""
    timer = reactor.callLater(max(0.0, late - reactor.seconds()), peer.abort)
    try:
        succeeded = await peer.handshake()
    except BaseException:
        peer.abort()
        if timer.active():
            timer.cancel()
        raise
    if not timer.active():
        raise ConnectFailed("the TLS handshake timed out")
    timer.cancel()
    if not succeeded:
        raise ConnectFailed(f"the TLS handshake failed: {peer.tls_failure or LOST}")


async def tcp_request(reactor: Any, at: HostPort, question: bytes, *, max_size: int, timeout: float) -> bytes:
    """The whole answer, of at most `max_size` octets, within `timeout` seconds. Raises ConnectFailed with the reason."""
    kind = TCP6ClientEndpoint if ":" in at.host else TCP4ClientEndpoint
    pending = Deferred.fromCoroutine(_exchange(kind(reactor, at.host, at.port, timeout), question, max_size))
    try:
        return await pending.addTimeout(timeout, reactor)
    except TooLate:
        raise ConnectFailed(f"no answer within {timeout:.4g} s") from None
    except (ConnectError, ConnectingCancelledError, ConnectionClosed) as trouble:
        raise ConnectFailed(str(trouble)) from None


async def _exchange(endpoint: Any, question: bytes, max_size: int) -> bytes:
    exchange = await endpoint.connect(Factory.forProtocol(_Exchange))
    octets: bytes = await exchange.ask(question, max_size)
    return octets


class _Exchange(Protocol):
    def __init__(self) -> None:
        self._answered: Deferred[bytes] = Deferred(lambda _: self._drop())
        self._received = bytearray()
        self._max_size = 0

    def ask(self, question: bytes, max_size: int) -> Deferred[bytes]:
        """Send the request; cancellation drops the connection."""
        transport: Any = self.transport
        self._max_size = max_size
        transport.write(question)
        return self._answered

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self._received += data
        if len(self._received) > self._max_size and not self._answered.called:
            self._answered.errback(ConnectFailed(f"the answer has more than {self._max_size} octets"))
            self._drop()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._answered.called:
            return
        if reason.check(ConnectionDone):
            self._answered.callback(bytes(self._received))
        else:
            self._answered.errback(reason)

    def _drop(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()
