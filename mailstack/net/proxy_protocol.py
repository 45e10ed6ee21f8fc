"""PROXY protocol: reads the header of a load balancer, then starts the service's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.letter.connection import HostPort
from mailstack.net.proxy_header import BadHeader, Passed, read_header

_log = Logger()


@implementer(IAddress)
class PassedAddress(Struct, frozen=True):
    """Address of a client from a PROXY header, and the address that the client connected to."""

    host: str
    port: int
    local: HostPort | None


class ProxiedFactory(Factory):
    """Factory for connections of trusted proxies; another factory builds the protocols of their clients."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        inner: IProtocolFactory,
        *,
        trusted: Callable[[str], bool],
        timeout: float,
    ) -> None:
        """`trusted` tells whether an IP address is a trusted proxy. `timeout` is the seconds for its header."""
        self.reactor = reactor
        self.inner = inner
        self.trusted = trusted
        self.timeout = timeout
        self.hearing: set[HeaderReader] = set()
        """Connections with incomplete headers."""

    def buildProtocol(self, addr: IAddress | None) -> HeaderReader | None:  # noqa: N802
        host = getattr(addr, "host", "")
        if not self.trusted(host):
            _log.info("closed a connection from {host}, which is not in proxy.networks", host=host)
            return None
        return HeaderReader(self, addr)

    def stop(self) -> None:
        """Abort the connections with incomplete headers."""
        for reader in list(self.hearing):
            reader.drop()


class HeaderReader(Protocol):
    """Protocol of one connection until its header is complete; the service's protocol replaces it."""

    def __init__(self, factory: ProxiedFactory, proxy: IAddress | None) -> None:
        self._made_by = factory
        self._proxy = proxy
        self._heard = b""
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802
        self._made_by.hearing.add(self)
        self._timer = self._made_by.reactor.callLater(self._made_by.timeout, self._late)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._timer is None:
            return
        self._heard += data
        try:
            found = read_header(self._heard)
        except BadHeader as why:
            self._refuse(str(why))
            return
        if found is not None:
            passed, end = found
            self._hand_over(passed, self._heard[end:])

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        self._done()

    def drop(self) -> None:
        """Abort the connection; nothing is sent, because the client is unknown."""
        self._done()
        transport: Any = self.transport
        transport.abortConnection()

    def _hand_over(self, passed: Passed, rest: bytes) -> None:
        self._done()
        address = self._proxy
        if passed.client is not None:
            address = PassedAddress(passed.client.host, passed.client.port, passed.server)
        protocol: IProtocol | None = self._made_by.inner.buildProtocol(address)  # type: ignore[arg-type]
        transport: Any = self.transport
        if protocol is None:
            transport.abortConnection()
            return
        # As in Twisted's startTLS, the transport calls the new protocol from here on.
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest:
            # The new protocol may have closed the connection, or started TLS.
            transport.protocol.dataReceived(rest)

    def _late(self) -> None:
        self._timer = None
        self._refuse(f"incomplete after {self._made_by.timeout:.4g} s")

    def _refuse(self, why: str) -> None:
        _log.warn("invalid PROXY header from {host}: {why}", host=getattr(self._proxy, "host", ""), why=why)
        self.drop()

    def _done(self) -> None:
        self._made_by.hearing.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
