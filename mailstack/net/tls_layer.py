"""TLS layer over a connection, without reference cycles, and TLS of a peer.

OpenSSL has 40 KB for each connection. Twisted's layer, its final failure and the underlying connection refer to each
other, so that only Python's cycle collector would free those 40 KB: megabytes with clients of one letter each, and a tenth
of a second of collection when 10,000 clients leave at once.

Handshake messages are sent at once, as other replies are (`mailstack.net.reactor_patches`). A handshake has a timeout of
its own.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL
from OpenSSL.SSL import WantReadError
from twisted.internet import tcp
from twisted.internet._newtls import _BypassTLS
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IProtocolFactory, IReactorTime, ISSLTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from mailstack.letter.envelope import ClientCertificate, TlsInfo
from mailstack.net.client_tls import ClientTls
from mailstack.net.peer_state import UNKNOWN_TLS, PeerState
from mailstack.net.reactor_patches import TLS_RECORD, send_now
from mailstack.net.server_tls import ServerConnection
from mailstack.protocols.connection import Dane, Disconnected, EventT

# ruff: noqa: N802 - the names of methods are Twisted's

_log = Logger()

TLS_EXPORTER = "tls-exporter"
SERVER_END_POINT = "tls-server-end-point"


def tls_facts(transport: Any, *, verified: bool = False) -> TlsInfo:
    """Negotiated values of a Twisted TLS transport; `verified`: whether its context verified the certificate."""
    connection: SSL.Connection = transport.getHandle()
    return TlsInfo(
        connection.get_protocol_version_name(), connection.get_cipher_name() or "", verified, _client(connection)
    )


def channel_binding(transport: Any, kind: str) -> bytes | None:
    """Channel binding of a Twisted TLS transport after its handshake; see `Peer.channel_binding`."""
    connection: SSL.Connection = transport.getHandle()
    if kind == TLS_EXPORTER:
        # RFC 9266 §4.2 allows TLS 1.2 only with an extended master secret, which pyOpenSSL does not report.
        if connection.get_protocol_version() < SSL.TLS1_3_VERSION:
            return None
        return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    if kind == SERVER_END_POINT:
        certificate = _server_certificate(connection)
        return None if certificate is None else _end_point(certificate)
    return None


def _server_certificate(connection: SSL.Connection) -> x509.Certificate | None:
    own = connection.get_certificate(as_cryptography=True)
    # Outbound connections have no certificate on this side, so a certificate means a server.
    return own if own is not None else connection.get_peer_certificate(as_cryptography=True)


def _end_point(certificate: x509.Certificate) -> bytes | None:
    """Hash of a certificate by its signature's hash, or SHA-256 for MD5 and SHA-1 (RFC 5929 §4.1). None for Ed25519."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except Exception:  # noqa: BLE001 - an unknown signature has no known hash
        return None
    if algorithm is None:
        return None
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm)


def _client(connection: SSL.Connection) -> ClientCertificate | None:
    """Certificate of a client, if one was requested and its chain leads to a trusted CA."""
    if not isinstance(connection, ServerConnection) or not connection.trusted:
        return None
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    try:
        return client_certificate(certificate)
    except Exception:  # noqa: BLE001 - a certificate with unreadable names identifies no user
        return None


def client_certificate(certificate: x509.Certificate) -> ClientCertificate:
    """Subject, names and fingerprint of a certificate. Raises cryptography's exceptions for an unreadable one."""
    mailboxes: list[str] = []
    hosts: list[str] = []
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        pass
    else:
        mailboxes = names.get_values_for_type(x509.RFC822Name)
        hosts = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return ClientCertificate(
        certificate.subject.rfc4514_string(),
        tuple(mailboxes),
        tuple(hosts),
        certificate.fingerprint(hashes.SHA256()).hex(),
    )


class TlsLayer(BufferingTLSTransport):
    """Twisted's TLS protocol, with a handshake timeout and immediate writes."""

    started_on: Any = None
    """Transport of `start_tls`; this layer replaces two of its methods."""

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
            "closed a connection from {host}: no TLS handshake within {timeout:.4g} s", host=host, timeout=timeout
        )
        self.abortConnection()  # type: ignore[no-untyped-call]

    def _stop_timer(self) -> None:
        timer, self._handshake_timer = self._handshake_timer, None
        if timer is not None:
            timer.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_timer()
        super().connectionLost(reason)
        started_on, self.started_on = self.started_on, None
        if started_on is not None:
            del started_on.getHandle, started_on.getPeerCertificate

    def _flushSendBIO(self) -> None:
        try:
            octets = self._tlsConnection.bio_read(2 * TLS_RECORD)
        except WantReadError:
            return
        connection = self.started_on or self.transport
        # The close alert is not urgent: most clients close the connection after the reply to QUIT.
        if isinstance(connection, tcp.Connection) and not self.disconnecting:
            octets = send_now(connection, octets)
        if octets:
            self.transport.write(octets)  # type: ignore[union-attr]

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:
        if reason is not None:
            # The frames of the traceback refer to the failure.
            reason.cleanFailure()
        super()._tlsShutdownFinished(reason)  # type: ignore[no-untyped-call]


class TlsFactory(TLSMemoryBIOFactory):
    """Twisted's TLS factory, with `TlsLayer` as its protocol."""

    protocol = TlsLayer

    def __init__(
        self, factory: IProtocolFactory, tls: Any, clock: IReactorTime, *, client: bool, handshake_timeout: float
    ) -> None:
        """`handshake_timeout` is the maximum seconds of a handshake; 0: no limit."""
        super().__init__(tls, client, factory, clock=clock)
        self.clock = clock
        self.handshake_timeout = handshake_timeout


def wrap_in_tls(
    factory: IProtocolFactory, tls: Any, clock: IReactorTime, *, client: bool, handshake_timeout: float = 0.0
) -> TLSMemoryBIOFactory:
    """The factory under implicit TLS. `tls` is an IOpenSSLServerConnectionCreator, or the client's counterpart."""
    return TlsFactory(factory, tls, clock, client=client, handshake_timeout=handshake_timeout)


def start_tls(transport: Any, tls: Any, *, client: bool, handshake_timeout: float = 0.0) -> None:
    """Starts TLS on an open `twisted.internet.tcp.Connection`, or a transport of the same interface.

    Twisted's `startTLS` buffers small writes until the next turn of the installed reactor. Under a simulated reactor, or
    one in a thread, that turn never comes. Access to the installed reactor also installs it, which is up to the program.
    This function uses the transport's own reactor.
    """
    producer, streaming = transport.producer, transport.streamingProducer
    if producer is not None:
        transport.unregisterProducer()
    nothing: Any = None  # the protocol exists already
    factory = wrap_in_tls(nothing, tls, transport.reactor, client=client, handshake_timeout=handshake_timeout)
    layer = TlsLayer(factory, transport.protocol, False)
    layer.started_on = transport
    transport.protocol = layer
    transport.getHandle = layer.getHandle
    transport.getPeerCertificate = layer.getPeerCertificate
    directlyProvides(transport, ISSLTransport)
    transport.TLS = True
    layer.makeConnection(_BypassTLS(FileDescriptor, transport))
    if producer is not None:
        transport.registerProducer(producer, streaming)


class StartTlsMixin:
    """Mixin for Twisted's TCP transports: TLS by `start_tls`."""

    _tlsClientDefault: bool  # noqa: N815

    def startTLS(self, ctx: Any, normal: bool = True) -> None:
        """Start TLS; `normal`: the TCP client is the TLS client too."""
        start_tls(self, ctx, client=self._tlsClientDefault == normal)


class TcpServer(StartTlsMixin, tcp.Server):
    """Inbound connection."""


class TcpPort(tcp.Port):
    """Listening port."""

    transport = TcpServer


class TcpClient(StartTlsMixin, tcp.Client):
    """Outbound connection."""


class TcpConnector(tcp.Connector):
    """Connector with a timeout."""

    def _makeTransport(self) -> TcpClient:
        return TcpClient(self.host, self.port, self.bindAddress, self, self.reactor)  # type: ignore[no-untyped-call]


@implementer(IHandshakeListener)
class TlsPeer(PeerState[EventT]):
    """Connection that can be under TLS."""

    __slots__ = ()

    def handshakeCompleted(self) -> None:
        shaking = self._client_handshake
        transport: Any = self.transport
        if shaking is not None and not shaking.satisfied(transport.getHandle()):
            self._closing = True  # octets received from now on are ignored
            transport.abortConnection()
            return
        verified = shaking is not None and shaking.verifies
        self._tls_info = tls_facts(self.transport, verified=verified)
        self._settle_handshake(done=True)

    @property
    def tls(self) -> TlsInfo | None:
        return self._tls_info if self._encrypted else None

    @property
    def tls_failure(self) -> str:
        return self._tls_failure

    @property
    def tls_fault(self) -> str:
        return self._tls_fault

    @property
    def can_start_tls(self) -> bool:
        return self._tls.context is not None and not self._encrypted

    def channel_binding(self, kind: str) -> bytes | None:
        if self._tls_info is UNKNOWN_TLS or isinstance(self._ending, Disconnected):
            return None
        return channel_binding(self.transport, kind)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        if isinstance(self._ending, Disconnected):
            return False  # the client did not wait for the reply
        self._flush()
        transport = self._transport()
        self.engine.tls_started()
        self._encrypted = True
        tls = self._tls
        if tls.context is not None:
            start_tls(transport, tls.context, client=False, handshake_timeout=tls.handshake_timeout)
            return True
        client_tls = tls.client_tls or ClientTls()
        self._client_handshake = client_tls.handshake(server_name, verify=verify, dane=dane)
        start_tls(transport, self._client_handshake, client=True)
        return await self.handshake()

    async def handshake(self) -> bool:
        """Wait until the handshake is complete (True) or the connection is lost (False)."""
        if self._ending is not None:
            return False
        self._handshake_done = Deferred()
        return await self._handshake_done

    def _settle_handshake(self, *, done: bool) -> None:
        if self._handshake_done is not None:
            handshake, self._handshake_done = self._handshake_done, None
            handshake.callback(done)
