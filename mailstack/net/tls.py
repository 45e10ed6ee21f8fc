"""TLS contexts for Twisted transports: ours as a client; those of a server are in mailstack.net.server_tls."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from pathlib import Path

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import Certificate, TLSVersion, optionsForClientTLS
from zope.interface import implementer

from mailstack.net.certificates import CertificateFiles, TlsError, expiry_warning, private_ca
from mailstack.net.negotiated import tls_facts
from mailstack.net.server_tls import CIPHERS, ServerContext, modern, server_context

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

# The other side decides what it can do; forward secrecy first, and nothing without authentication or encryption.
_CLIENT_CIPHERS = CIPHERS.encode() + b":HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES:!RC4:!MD5:!DSS"


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


# --- inside


@lru_cache(maxsize=1)
def _opportunistic_context() -> SSL.Context:
    context = modern(SSL.TLS_CLIENT_METHOD, _CLIENT_CIPHERS)
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
