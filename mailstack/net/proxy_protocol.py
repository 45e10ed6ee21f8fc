"""Connections that a load balancer passes on: its PROXY header is heard before anything else happens."""

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
    """The address of a client as its proxy tells it, and where the client thinks that it has connected to."""

    host: str
    port: int
    local: HostPort | None


class ProxiedFactory(Factory):
    """Takes connections of proxies, and has those of their clients built by another factory."""

    noisy = False

    def __init__(
        self,
        reactor: IReactorTime,
        inner: IProtocolFactory,
        *,
        trusted: Callable[[str], bool],
        timeout: float,
    ) -> None:
        """`trusted` says of an IP address whether it is a proxy of ours; its header must be whole in `timeout` seconds."""
        self.reactor = reactor
        self.inner = inner
        self.trusted = trusted
        self.timeout = timeout
        self.hearing: set[HeaderReader] = set()
        """Connections whose header is not whole yet."""

    def buildProtocol(self, addr: IAddress | None) -> HeaderReader | None:  # noqa: N802
        host = getattr(addr, "host", "")
        if not self.trusted(host):
            _log.info("{host} is not in proxy.networks: its connection was closed", host=host)
            return None
        return HeaderReader(self, addr)

    def stop(self) -> None:
        """Drop the connections whose client is not known yet."""
        for reader in list(self.hearing):
            reader.drop()


class HeaderReader(Protocol):
    """One connection until its header is whole; then the protocol of the client's service takes its place."""

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
        """Close it without a word: who is at the other end is not known."""
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
        # As Twisted's startTLS does it: the transport speaks with the new protocol from here on.
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if rest:
            # What was written above may have ended the connection, or put TLS in between.
            transport.protocol.dataReceived(rest)

    def _late(self) -> None:
        self._timer = None
        self._refuse(f"no whole header within {self._made_by.timeout:.4g} s")

    def _refuse(self, why: str) -> None:
        _log.warn("the PROXY header of {host} was refused: {why}", host=getattr(self._proxy, "host", ""), why=why)
        self.drop()

    def _done(self) -> None:
        self._made_by.hearing.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
