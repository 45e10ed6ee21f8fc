"""TLS contexts for Twisted transports: ours as a server, ours as a client, and what was negotiated."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS
from zope.interface import implementer

from mailstack.net.certificates import CertificateFiles, TlsError, expiry_warning, private_ca, read_identity
from mailstack.wire import TlsFacts

__all__ = [
    "CertificateFiles",
    "ServerContext",
    "TlsError",
    "client_context",
    "expiry_warning",
    "private_ca",
    "server_context",
    "tls_facts",
]

# RFC 9325 §4.2: forward secrecy and AEAD. This list is for TLS 1.2; all of TLS 1.3's suites are of that kind.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP"

# The other side decides what it can do; forward secrecy first, and nothing without authentication or encryption.
_CLIENT_CIPHERS = _CIPHERS + b":HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES:!RC4:!MD5:!DSS"

# A browser that was led here must not take our replies for a web page (ALPACA; RFC 7301 §3.2: no_application_protocol).
_WEB = (b"http/", b"h2", b"h3", b"spdy")


class _WrongProtocol(SSL.Error):
    """The client wants to speak HTTP; a subclass of SSL.Error, so that the handshake fails and nothing is logged as a bug."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """Our certificate, for `transport.startTLS` and TLSMemoryBIOFactory: TLS 1.2 and 1.3 (RFC 8996, RFC 9325)."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Reads the PEM files; raises TlsError."""
        self._certificate = certificate
        self._key = key
        self._context = _server_side(certificate, key)

    def reload(self) -> None:
        """Read the files again, for connections made from now on; raises TlsError and keeps what was there."""
        self._context = _server_side(self._certificate, self._key)

    def warning(self, now: float) -> str | None:
        """What is to be said about the certificate's dates at `now`, in seconds since 1970; raises TlsError."""
        return expiry_warning(self._certificate, now)

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        return SSL.Connection(self._context, None)


def server_context(certificate: Path, key: Path) -> ServerContext:
    """The context of a server with these PEM files: the whole chain, and its key. Raises TlsError."""
    return ServerContext(certificate, key)


def client_context(
    server_name: str | None, *, verify: bool = False, ca_file: Path | None = None
) -> IOpenSSLClientConnectionCreator:
    """For one outward connection to `server_name`: a DNS name or an IP address.

    Without `verify` any certificate will do (opportunistic, RFC 7435). With it the chain must lead to `ca_file`, or to a CA
    that the system trusts, and be for `server_name` (RFC 9525). Raises TlsError for a `ca_file` that can't be read.
    """
    if not verify:
        return _Opportunistic(_sni(server_name))
    if not server_name:
        raise TlsError("a certificate can only be verified for a name")
    return _verifying(server_name, ca_file)


def tls_facts(transport: Any, *, verified: bool = False) -> TlsFacts:
    """What a Twisted TLS transport has negotiated; `verified` is what its context demanded."""
    connection: SSL.Connection = transport.getHandle()
    return TlsFacts(connection.get_protocol_version_name(), connection.get_cipher_name() or "", verified)


# --- inside


def _server_side(certificate: Path, key: Path) -> SSL.Context:
    chain, private = read_identity(certificate, key)
    context = _modern(SSL.TLS_SERVER_METHOD, _CIPHERS)
    # Resumption by tickets works without a name for the session's kind only as long as no client is asked for a
    # certificate; with one it works in any case.
    context.set_session_id(b"mailstack")
    context.set_alpn_select_callback(_select_protocol)
    try:
        context.use_certificate(chain[0])
        for above in chain[1:]:
            context.add_extra_chain_cert(above)
        context.use_privatekey(private)  # type: ignore[arg-type]
    except (SSL.Error, TypeError) as error:
        raise TlsError(f"{certificate}: OpenSSL does not take it ({error}); ECDSA P-256 or RSA 2048 will do") from error
    return context


def _modern(method: int, ciphers: bytes) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Idle connections give their buffers back: it is most of what a TLS connection costs.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(ciphers)
    return context


def _select_protocol(_connection: SSL.Connection, offered: list[bytes]) -> Any:
    if any(name.startswith(_WEB) for name in offered):
        raise _WrongProtocol([("SSL routines", "", "the client offers HTTP only")])
    return SSL.NO_OVERLAPPING_PROTOCOLS


@lru_cache(maxsize=1)
def _opportunistic_context() -> SSL.Context:
    context = _modern(SSL.TLS_CLIENT_METHOD, _CLIENT_CIPHERS)
    context.set_verify(SSL.VERIFY_NONE)
    return context


@implementer(IOpenSSLClientConnectionCreator)
class _Opportunistic:
    """A client that takes any certificate and says whom it wants."""

    def __init__(self, sni: bytes | None) -> None:
        self._sni = sni

    def clientConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        connection = SSL.Connection(_opportunistic_context(), None)
        if self._sni:
            connection.set_tlsext_host_name(self._sni)
        return connection


# The system's CAs take long to read, and few hosts are ever verified.
@lru_cache(maxsize=32)
def _verifying(server_name: str, ca_file: Path | None) -> IOpenSSLClientConnectionCreator:
    trust = None
    if ca_file is not None:
        try:
            trust = Certificate.loadPEM(ca_file.read_bytes())
        except (OSError, crypto.Error) as error:
            raise TlsError(f"{ca_file}: not a CA certificate that can be read ({error})") from error
    return optionsForClientTLS(
        server_name.rstrip("."), trust, extraCertificateOptions={"raiseMinimumTo": TLSVersion.TLSv1_2}
    )


def _sni(server_name: str | None) -> bytes | None:
    """RFC 6066 §3: a DNS name without its final dot, never an address."""
    if not server_name:
        return None
    try:
        ipaddress.ip_address(server_name)
    except ValueError:
        pass
    else:
        return None
    try:
        name = server_name.rstrip(".").encode("ascii")
    except UnicodeEncodeError:
        return None
    return name if 0 < len(name) < 256 else None
