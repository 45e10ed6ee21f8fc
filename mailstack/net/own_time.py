"""STARTTLS on the time of the reactor that a connection belongs to, and on no other.

Twisted's own `startTLS` gathers small writes until the next turn of the reactor that is installed in the process. Where
that one does not run, as under a simulated reactor or one in a thread of its own, the handshake would never go out; and
merely asking for it installs it, so that the program around us can no longer choose its reactor.
"""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

from typing import Any

from twisted.internet import tcp
from twisted.internet._newtls import _BypassTLS
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import directlyProvides


class OnOurTime:
    """Mixed into a TCP transport of Twisted's, before its class."""

    protocol: Any
    reactor: Any
    producer: Any
    streamingProducer: Any  # noqa: N815
    _tlsClientDefault: bool  # noqa: N815

    def startTLS(self, ctx: Any, normal: bool = True) -> None:
        """Shake hands on the open connection; `normal` is whether who called it is the client in TLS as well."""
        transport: Any = self
        producer, streaming = self.producer, self.streamingProducer
        if producer is not None:
            transport.unregisterProducer()
        nothing: Any = None  # the protocol is there already
        factory = TLSMemoryBIOFactory(ctx, self._tlsClientDefault == normal, nothing, clock=self.reactor)
        tls = factory.protocol(factory, self.protocol, False)
        self.protocol = tls
        transport.getHandle = tls.getHandle
        transport.getPeerCertificate = tls.getPeerCertificate
        directlyProvides(transport, ISSLTransport)
        transport.TLS = True
        tls.makeConnection(_BypassTLS(FileDescriptor, transport))
        if producer is not None:
            transport.registerProducer(producer, streaming)


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
