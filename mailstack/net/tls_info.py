"""TLS connection info: negotiated version and cipher, client certificate, channel binding."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from mailstack.letter.envelope import ClientCertificate, TlsInfo

TLS_EXPORTER = "tls-exporter"
SERVER_END_POINT = "tls-server-end-point"


class ServerConnection(SSL.Connection):
    """One connection of a server, with OpenSSL's verdict on the client's certificate.

    The handshake succeeds whatever the verdict: client certificates are optional (RFC 3207 §4).
    """

    def __init__(self, context: SSL.Context, contexts: object, *, asked: bool, web: bool = False) -> None:
        """`contexts` must outlive a reload during the handshake, because OpenSSL still calls them.

        `asked` tells whether a client certificate is requested, `web` whether the protocol is HTTP.
        """
        super().__init__(context, None)
        self._contexts = contexts
        self.web = web
        self.trusted = asked
        """Whether all certificates of the client's chain have been valid so far."""


def tls_facts(transport: Any, *, verified: bool = False) -> TlsInfo:
    """Negotiated values of a Twisted TLS transport; `verified` tells whether its context verified the certificate."""
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
    ours = connection.get_certificate(as_cryptography=True)
    # Outbound connections have no certificate on this side, so that one here means a server.
    return ours if ours is not None else connection.get_peer_certificate(as_cryptography=True)


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
