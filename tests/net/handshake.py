"""TLS client and server joined in memory: real handshakes without sockets and reactor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.net.certificates import CertificateFiles
from mailstack.net.client_tls import ClientTls, Handshake


@implementer(IHandshakeListener)
class Side(Protocol):
    def __init__(self) -> None:
        self.shook = False
        self.octets = b""
        self.lost: Failure | None = None

    def handshakeCompleted(self) -> None:  # noqa: N802
        self.shook = True

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.octets += data

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        self.lost = reason


class Connection:
    """A client and a server, joined."""

    def __init__(self, client: Any, server: Any) -> None:
        self.client, self.server = Side(), Side()
        self.sent_by_server = 0
        self._clock = Clock()
        self._ends = [
            TLSMemoryBIOFactory(
                context, is_client, Factory.forProtocol(lambda side=side: side), self._clock
            ).buildProtocol(None)
            for context, is_client, side in ((client, True, self.client), (server, False, self.server))
        ]
        self._wires = [StringTransport(), StringTransport()]
        for end, wire in zip(self._ends, self._wires, strict=True):
            end.makeConnection(wire)
        self.carry()

    def carry(self) -> None:
        for _ in range(50):
            self._clock.advance(0)
            for this, other in ((0, 1), (1, 0)):
                octets = self._wires[this].value()
                self._wires[this].clear()
                self.sent_by_server += len(octets) if this == 1 else 0
                if octets:
                    self._ends[other].dataReceived(octets)
            if not any(wire.value() for wire in self._wires):
                break
        for end, wire, side in zip(self._ends, self._wires, (self.client, self.server), strict=True):
            if wire.disconnecting and side.lost is None:
                end.connectionLost(Failure(ConnectionDone()))

    @property
    def session(self) -> Any:
        """TLS session of the client, which another connection may resume."""
        return self.client.transport.getHandle().get_session()

    @property
    def good(self) -> bool:
        return self.client.shook and self.server.shook and self.client.lost is None and self.server.lost is None


@implementer(IOpenSSLClientConnectionCreator)
class Odd:
    """A client with settings of the test's."""

    def __init__(
        self,
        *,
        newest: int | None = None,
        ciphers: bytes = b"",
        alpn: Sequence[bytes] = (),
        identity: CertificateFiles | None = None,
        server_name: bytes | None = None,
    ) -> None:
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_VERSION)
        if newest is not None:
            self._context.set_max_proto_version(newest)
        if ciphers:
            self._context.set_cipher_list(ciphers)
        if alpn:
            self._context.set_alpn_protos(list(alpn))
        if identity is not None:
            self._context.use_certificate_chain_file(str(identity.certificate))
            self._context.use_privatekey_file(str(identity.key))
        self._server_name = server_name
        self.session: Any = None

    def clientConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802
        connection = SSL.Connection(self._context, None)
        if self._server_name is not None:
            connection.set_tlsext_host_name(self._server_name)
        if self.session is not None:
            connection.set_session(self.session)
        return connection


def client_context(server_name: str | None, *, verify: bool = False, ca_file: Path | None = None) -> Handshake:
    """Handshake of one connection, as `ClientTls.handshake`."""
    return ClientTls(ca_file).handshake(server_name, verify=verify)
