"""TLS between a protocol and its connection: Twisted's own, which leaves nothing for the cycle collector and sends at once.

OpenSSL keeps 40 KB for a connection. Twisted's layer, the failure that it ends with and the connection that TLS began on
refer to each other, so that those 40 KB would wait for Python's cycle collector: megabytes, under clients that come for
one letter each, and a tenth of a second of its work when 10,000 go at once.

What a handshake says is sent at once, as other replies are (`mailstack.net.reactor_patches`). A client's handshake has its own time.
"""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

from typing import Any

from OpenSSL.SSL import WantReadError
from twisted.internet import tcp
from twisted.internet._newtls import _BypassTLS
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IDelayedCall, IProtocolFactory, IReactorTime, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides

from mailstack.net.reactor_patches import TLS_RECORD, send_now

_log = Logger()


class TlsLayer(BufferingTLSTransport):
    """As Twisted's."""

    begun_on: Any = None
    """The transport that `start_tls` was called for, which has our methods in place of its own."""

    _handshake_timer: IDelayedCall | None = None

    def makeConnection(self, transport: Any) -> None:
        factory: Any = self.factory
        if factory.handshake_timeout:
            self._handshake_timer = factory.clock.callLater(factory.handshake_timeout, self._handshake_timed_out)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]

    def _checkHandshakeStatus(self) -> None:
        super()._checkHandshakeStatus()  # type: ignore[no-untyped-call]
        if self._handshakeDone:
            self._stop_timer()

    def _handshake_timed_out(self) -> None:
        self._handshake_timer = None
        factory: Any = self.factory
        timeout = factory.handshake_timeout
        host = getattr(self.transport.getPeer(), "host", "")  # type: ignore[union-attr]
        _log.info(
            "no TLS handshake of {host} within {timeout:.4g} s: its connection was closed", host=host, timeout=timeout
        )
        self.abortConnection()  # type: ignore[no-untyped-call]

    def _stop_timer(self) -> None:
        timer, self._handshake_timer = self._handshake_timer, None
        if timer is not None:
            timer.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_timer()
        super().connectionLost(reason)
        begun_on, self.begun_on = self.begun_on, None
        if begun_on is not None:
            del begun_on.getHandle, begun_on.getPeerCertificate

    def _flushSendBIO(self) -> None:
        try:
            octets = self._tlsConnection.bio_read(2 * TLS_RECORD)
        except WantReadError:
            return
        connection = self.begun_on or self.transport
        # TLS's goodbye may wait: a client that has heard QUIT's answer is mostly gone before it.
        if isinstance(connection, tcp.Connection) and not self.disconnecting:
            octets = send_now(connection, octets)
        if octets:
            self.transport.write(octets)  # type: ignore[union-attr]

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        if reason is not None:
            # The frames of its traceback have it among their variables.
            reason.cleanFailure()
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]


class TlsFactory(TLSMemoryBIOFactory):
    """As Twisted's, with layers of our kind."""

    protocol = TlsLayer

    def __init__(
        self, factory: IProtocolFactory, tls: Any, clock: IReactorTime, *, client: bool, handshake_timeout: float
    ) -> None:
        """`handshake_timeout`: seconds until a connection is closed whose handshake is not over; 0 sets no limit."""
        super().__init__(tls, client, factory, clock=clock)
        self.clock = clock
        self.handshake_timeout = handshake_timeout


def under_tls(
    factory: IProtocolFactory, tls: Any, clock: IReactorTime, *, client: bool, handshake_timeout: float = 0.0
) -> TLSMemoryBIOFactory:
    """The factory, with TLS from the first octet. `tls` makes the connections (IOpenSSLServerConnectionCreator, or client's)."""
    return TlsFactory(factory, tls, clock, client=client, handshake_timeout=handshake_timeout)


def start_tls(transport: Any, tls: Any, *, client: bool, handshake_timeout: float = 0.0) -> None:
    """Shake hands on the open connection of a reactor, a `twisted.internet.tcp.Connection` or the like of it.

    On the time of its own reactor: Twisted's `startTLS` gathers small writes until the next turn of the reactor that is
    installed in the process. Where that one does not run, as under a simulated reactor or one in a thread of its own, the
    handshake would never go out; and merely asking for it installs it, so that the program around us can no longer choose.
    """
    producer, streaming = transport.producer, transport.streamingProducer
    if producer is not None:
        transport.unregisterProducer()
    nothing: Any = None  # the protocol is there already
    factory = under_tls(nothing, tls, transport.reactor, client=client, handshake_timeout=handshake_timeout)
    layer = TlsLayer(factory, transport.protocol, False)
    layer.begun_on = transport
    transport.protocol = layer
    transport.getHandle = layer.getHandle
    transport.getPeerCertificate = layer.getPeerCertificate
    directlyProvides(transport, ISSLTransport)
    transport.TLS = True
    layer.makeConnection(_BypassTLS(FileDescriptor, transport))
    if producer is not None:
        transport.registerProducer(producer, streaming)


class OnOurTime:
    """Mixed into a TCP transport of Twisted's, before its class."""

    _tlsClientDefault: bool  # noqa: N815

    def startTLS(self, ctx: Any, normal: bool = True) -> None:
        """Shake hands on the open connection; `normal` is whether who called it is the client in TLS as well."""
        start_tls(self, ctx, client=self._tlsClientDefault == normal)


class OwnServer(OnOurTime, tcp.Server):
    """A connection from outside."""


class OwnPort(tcp.Port):
    """A listener."""

    transport = OwnServer


class OwnClient(OnOurTime, tcp.Client):
    """A connection outward."""


class OwnConnector(tcp.Connector):
    """Calls, and keeps the time allowed for that."""

    def _makeTransport(self) -> OwnClient:
        return OwnClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]
