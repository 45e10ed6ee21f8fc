"""Server TLS: certificates by requested name (SNI), ALPN, client certificates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mailstack.net.certificates import CertificateFiles, TlsError, covered_names, read_identity

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP"
"""Default ciphers for TLS 1.2: forward secrecy and AEAD (RFC 9325 §4.2), as all suites of TLS 1.3 have."""

_CIPHER_LIST = (b"smtp", b"submission", b"lmtp", b"pop3", b"imap", b"managesieve")
"""ALPN names of mail clients. None is ever selected, because SMTP has no registered name (RFC 7301)."""


_HTTP = b"http/1.1"

_OTHER_PROTOCOLS = (
    *(b"http/", b"h2", b"h3", b"hq", b"spdy", b"acme-tls/", b"ftp", b"xmpp-", b"nntp", b"irc", b"stun.", b"turn"),
    *(b"webrtc", b"c-webrtc", b"coap", b"mqtt", b"dot", b"doq", b"ntske/", b"sunrpc", b"smb", b"tds/", b"dicom"),
    *(b"postgresql", b"radius/"),
)
"""Prefixes of ALPN names that IANA registered for other protocols, browsers' first."""


class _WrongProtocol(SSL.Error):
    """The client offers other protocols only. As an SSL.Error it fails the handshake, and is not logged as a bug."""


class ServerConnection(SSL.Connection):
    """One connection of a server, with OpenSSL's verdict on the client's certificate.

    The handshake succeeds with any verdict, because client certificates are optional (RFC 3207 §4).
    """

    def __init__(self, context: SSL.Context, contexts: object, *, request_certificate: bool, web: bool = False) -> None:
        """`contexts` must outlive a reload during the handshake, because OpenSSL still calls them.

        `request_certificate` requests a client certificate; `web` selects HTTP.
        """
        super().__init__(context, None)
        self._contexts = contexts
        self.web = web
        self.trusted = request_certificate
        """Whether all certificates of the client's chain have been valid so far."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """TLS context of a server, with TLS 1.2 and 1.3 (RFC 8996, RFC 9325)."""

    def __init__(
        self, identities: Sequence[CertificateFiles], *, client_ca: Path | None = None, ciphers: str = CIPHERS
    ) -> None:
        """Reads the PEM files; raises TlsError. The first identity is for clients that name no host, or an unknown one.

        With `client_ca`, a bundle of CAs, the server requests a certificate, which is optional.
        `ciphers` is OpenSSL's list for TLS 1.2.
        """
        self._identities = tuple(identities)
        self._client_ca = client_ca
        self._ciphers = ciphers
        self._loaded = self.read()

    @property
    def files(self) -> list[Path]:
        files = [path for each in self._identities for path in (each.certificate, each.key)]
        return files if self._client_ca is None else [*files, self._client_ca]

    def reload(self) -> None:
        """Read the files again, for later connections. Raises TlsError; the old certificates then stay in use."""
        self.install(self.read())

    def install(self, contexts: LoadedContexts) -> None:
        """Use these contexts for later connections."""
        self._loaded = contexts

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        return ServerConnection(self._loaded.first, self._loaded, request_certificate=self._client_ca is not None)

    def context(self, _service: str) -> ServerContext:
        """Returns this context for every service."""
        return self

    def for_web(self) -> IOpenSSLServerConnectionCreator:
        """The same certificates, for HTTP."""
        return _WebContext(self)

    def web_connection(self) -> SSL.Connection:
        """A connection for HTTP, without a request for a client certificate: a browser would show it to its user."""
        connection = ServerConnection(self._loaded.first, self._loaded, request_certificate=False, web=True)
        connection.set_verify(SSL.VERIFY_NONE)
        return connection

    def read(self) -> LoadedContexts:
        """Contexts from the present files, for `install`. Raises TlsError. Can run in a thread."""
        contexts: list[SSL.Context] = []
        by_name: dict[str, SSL.Context] = {}
        for files in self._identities:
            chain, private = read_identity(files.certificate, files.key)
            context = tls_context(SSL.TLS_SERVER_METHOD, self._ciphers.encode())
            _install_certificate(context, files, chain, private)
            _request_client_certificate(context, self._client_ca)
            contexts.append(context)
            for name in covered_names(chain[0]):
                by_name.setdefault(name, context)
        return LoadedContexts(contexts[0], by_name)


@implementer(IOpenSSLServerConnectionCreator)
class _WebContext:
    """The present certificates of a ServerContext, for HTTP."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        return self._context.web_connection()


def server_context(certificate: Path, key: Path) -> ServerContext:
    """TLS context with these PEM files: the whole chain, and its key. Raises TlsError."""
    return ServerContext([CertificateFiles(certificate, key)])


def tls_context(method: int, ciphers: bytes) -> SSL.Context:
    """A context for TLS 1.2 and 1.3 without compression and renegotiation. Raises TlsError without a known cipher."""
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Idle connections release their buffers, which are most of the memory of a TLS connection.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    try:
        context.set_cipher_list(ciphers)
    except SSL.Error as error:
        raise TlsError(f"{ciphers.decode()!r}: OpenSSL knows none of these ciphers") from error
    return context


class LoadedContexts:
    """Contexts of one read of the files, by host name."""

    __slots__ = ("_by_name", "first")

    def __init__(self, first: SSL.Context, by_name: dict[str, SSL.Context]) -> None:
        self.first = first
        self._by_name = by_name
        if set(by_name.values()) - {first}:
            first.set_tlsext_servername_callback(self._choose)

    def _choose(self, connection: SSL.Connection) -> None:
        """Select the certificate for the name that the client requests (RFC 6066 §3), else the first."""
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        if context is not None and context is not self.first:
            connection.set_context(context)


def _install_certificate(
    context: SSL.Context, files: CertificateFiles, chain: list[x509.Certificate], private: Any
) -> None:
    context.set_alpn_select_callback(_select_protocol)
    try:
        context.use_certificate(chain[0])
        for above in chain[1:]:
            context.add_extra_chain_cert(above)
        context.use_privatekey(private)
    except (SSL.Error, TypeError) as error:
        raise TlsError(
            f"{files.certificate}: OpenSSL does not accept it ({error}); use ECDSA P-256 or RSA 2048"
        ) from error


def _request_client_certificate(context: SSL.Context, client_ca: Path | None) -> None:
    """Request client certificates of these CAs; without CAs, enable session resumption."""
    if client_ca is None:
        context.set_session_id(b"mailstack")
        return
    # The verdict on a certificate is not part of a session, so that sessions must not be resumed.
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        context.load_verify_locations(str(client_ca))
        context.load_client_ca(str(client_ca).encode())
    except SSL.Error as error:
        raise TlsError(f"{client_ca}: no bundle of CA certificates in PEM, readable by this user") from error
    context.set_verify(SSL.VERIFY_PEER, _verify_client)


def _verify_client(connection: SSL.Connection, _certificate: object, _error: int, _depth: int, good: int) -> bool:
    if not good and isinstance(connection, ServerConnection):
        connection.trusted = False
    return True


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """ALPN callback (RFC 7301 §3.2). Clients that offer a mail protocol, or an unknown one, are served without ALPN.

    A client that offers only other protocols was redirected here (ALPACA attack): a browser must not read SMTP replies
    as a web page.
    """
    if isinstance(connection, ServerConnection) and connection.web:
        return _HTTP if _HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS
    if any(name.startswith(_OTHER_PROTOCOLS) for name in offered) and not any(name in _CIPHER_LIST for name in offered):
        raise _WrongProtocol([("SSL routines", "", "no mail protocol among the client's ALPN names")])
    return SSL.NO_OVERLAPPING_PROTOCOLS
