"""Connection facts: address, TLS and client certificate of the other end."""

from __future__ import annotations

from msgspec import Struct


class HostPort(Struct, frozen=True):
    """Address and port of one end of a connection."""

    host: str
    """IP address in text, never a name; the path of a UNIX socket, or "" for its client."""
    port: int
    """TCP port; 0 for a UNIX socket."""


class ClientCertificate(Struct, frozen=True):
    """Verified client certificate: its chain leads to `tls.client_ca`, and the client has its key."""

    subject: str
    """Distinguished name of the subject (RFC 4514)."""
    mailboxes: tuple[str, ...] = ()
    """Names of type rfc822Name in the subjectAltName (RFC 5280 §4.2.1.6), as written there."""
    hosts: tuple[str, ...] = ()
    """Names of type dNSName in the subjectAltName, in lower case."""
    sha256: str = ""
    """Fingerprint: SHA-256 of its DER, in lower-case hexadecimal."""


def is_unix_socket(host: str) -> bool:
    """Whether the host of a HostPort is the path of a UNIX socket."""
    return host.startswith("/")


class TlsInfo(Struct, frozen=True):
    """Negotiated TLS of a connection, for `Received:` and the journey."""

    version: str
    """TLS version as OpenSSL names it: "TLSv1.3"."""
    cipher: str
    """Cipher suite as OpenSSL names it: "TLS_AES_256_GCM_SHA384"."""
    verified: bool = False
    """True when the other side's certificate was checked for its name and chain."""
    client: ClientCertificate | None = None
    """The client's certificate, when it was asked for one and showed one that we trust."""
