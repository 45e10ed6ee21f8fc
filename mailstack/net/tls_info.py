"""What a TLS connection has negotiated: its facts, the client's certificate, and what an authentication can be bound to."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from mailstack.letter.connection import ClientCertificate, TlsInfo

TLS_EXPORTER = "tls-exporter"
SERVER_END_POINT = "tls-server-end-point"


class ServerConnection(SSL.Connection):
    """One connection of a server, and what OpenSSL thinks of the client's certificate.

    The handshake goes on whatever it thinks: certificates are asked for, never required (RFC 3207 §4).
    """

    def __init__(self, context: SSL.Context, contexts: object, *, asked: bool, web: bool = False) -> None:
        """`contexts` are kept as well: a reload amid a handshake must not take away what OpenSSL still calls.

        `asked` says whether the client is asked for a certificate, `web` that HTTP is spoken and not mail.
        """
        super().__init__(context, None)
        self._contexts = contexts
        self.web = web
        self.trusted = asked
        """False once any certificate of the client's chain was found wanting."""


def tls_facts(transport: Any, *, verified: bool = False) -> TlsInfo:
    """What a Twisted TLS transport has negotiated; `verified` is what its context demanded."""
    connection: SSL.Connection = transport.getHandle()
    return TlsInfo(
        connection.get_protocol_version_name(), connection.get_cipher_name() or "", verified, _client(connection)
    )


def channel_binding(transport: Any, kind: str) -> bytes | None:
    """As wire.Peer.channel_binding, for a Twisted TLS transport whose handshake is over."""
    connection: SSL.Connection = transport.getHandle()
    if kind == TLS_EXPORTER:
        # RFC 9266 §4.2 allows TLS 1.2 with an extended master secret only, which OpenSSL's binding does not tell.
        if connection.get_protocol_version() < SSL.TLS1_3_VERSION:
            return None
        return connection.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    if kind == SERVER_END_POINT:
        certificate = _server_certificate(connection)
        return None if certificate is None else _end_point(certificate)
    return None


def _server_certificate(connection: SSL.Connection) -> x509.Certificate | None:
    ours = connection.get_certificate(as_cryptography=True)
    # A client of ours shows no certificate, so one of our own means that we are the server.
    return ours if ours is not None else connection.get_peer_certificate(as_cryptography=True)


def _end_point(certificate: x509.Certificate) -> bytes | None:
    """RFC 5929 §4.1: its hash by the hash of its signature, SHA-256 in place of MD5 and SHA-1; Ed25519 has none."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except Exception:  # noqa: BLE001 - a signature that is not known here has no hash that is known here
        return None
    if algorithm is None:
        return None
    if isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    return certificate.fingerprint(algorithm)


def _client(connection: SSL.Connection) -> ClientCertificate | None:
    """The certificate of a client that we asked for one, when its chain leads to a CA that we trust for that."""
    if not isinstance(connection, ServerConnection) or not connection.trusted:
        return None
    certificate = connection.get_peer_certificate(as_cryptography=True)
    if certificate is None:
        return None
    try:
        return client_certificate(certificate)
    except Exception:  # noqa: BLE001 - OpenSSL took it, and what names it holds can't be read: so it names nobody
        return None


def client_certificate(certificate: x509.Certificate) -> ClientCertificate:
    """The facts of a certificate. Raises what cryptography raises for one that it can't read."""
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
