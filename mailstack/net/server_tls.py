"""TLS where we are the server: our certificates, which of them a client is shown, and what is refused in a handshake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from mailstack.net.certificates import CertificateFiles, TlsError, covered_names, read_identity
from mailstack.net.tls_info import ServerConnection

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!eNULL:!PSK:!SRP"
"""RFC 9325 §4.2: forward secrecy and AEAD. This list is for TLS 1.2; all of TLS 1.3's suites are of that kind."""

_OURS = (b"smtp", b"submission", b"lmtp", b"pop3", b"imap", b"managesieve")
"""What a mail client may ask for. RFC 7301 knows no name for SMTP, so none is ever chosen."""


_HTTP = b"http/1.1"

_FOREIGN = (
    *(b"http/", b"h2", b"h3", b"hq", b"spdy", b"acme-tls/", b"ftp", b"xmpp-", b"nntp", b"irc", b"stun.", b"turn"),
    *(b"webrtc", b"c-webrtc", b"coap", b"mqtt", b"dot", b"doq", b"ntske/", b"sunrpc", b"smb", b"tds/", b"dicom"),
    *(b"postgresql", b"radius/"),
)
"""How the names begin that IANA registered for protocols of others; a browser's are the first."""


class _WrongProtocol(SSL.Error):
    """The client wants another protocol; a subclass of SSL.Error, so that the handshake fails and nothing is logged as a bug."""


@implementer(IOpenSSLServerConnectionCreator)
class ServerContext:
    """Our certificates, for `transport.startTLS` and TLSMemoryBIOFactory: TLS 1.2 and 1.3 (RFC 8996, RFC 9325)."""

    def __init__(
        self, identities: Sequence[CertificateFiles], *, client_ca: Path | None = None, ciphers: str = CIPHERS
    ) -> None:
        """Reads the PEM files; raises TlsError. The first identity is shown to who names no host, or an unknown one.

        With `client_ca`, a bundle of CAs, clients are asked for a certificate, and one without is welcome all the same.
        `ciphers` is OpenSSL's list for TLS 1.2.
        """
        self._identities = tuple(identities)
        self._client_ca = client_ca
        self._ciphers = ciphers
        self._shown = self.read()

    @property
    def files(self) -> list[Path]:
        """All that is read."""
        files = [path for each in self._identities for path in (each.certificate, each.key)]
        return files if self._client_ca is None else [*files, self._client_ca]

    def reload(self) -> None:
        """Read the files again, for connections made from now on; raises TlsError and keeps what was there."""
        self.show(self.read())

    def show(self, shown: Shown) -> None:
        """Show what was read to connections made from now on."""
        self._shown = shown

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        return ServerConnection(self._shown.first, self._shown, asked=self._client_ca is not None)

    def context(self, _service: str) -> ServerContext:
        """Context of each service: this one."""
        return self

    def for_web(self) -> IOpenSSLServerConnectionCreator:
        """The same certificates, for HTTP."""
        return _WebContext(self)

    def web_connection(self) -> SSL.Connection:
        """A connection that speaks HTTP. Nobody is asked for a certificate: a browser would ask its user."""
        connection = ServerConnection(self._shown.first, self._shown, asked=False, web=True)
        connection.set_verify(SSL.VERIFY_NONE)
        return connection

    def read(self) -> Shown:
        """What the files hold now, to be given to `show`. Raises TlsError. A thread may do it."""
        contexts: list[SSL.Context] = []
        by_name: dict[str, SSL.Context] = {}
        for files in self._identities:
            chain, private = read_identity(files.certificate, files.key)
            context = modern(SSL.TLS_SERVER_METHOD, self._ciphers.encode())
            _show(context, files, chain, private)
            _ask(context, self._client_ca)
            contexts.append(context)
            for name in covered_names(chain[0]):
                by_name.setdefault(name, context)
        return Shown(contexts[0], by_name)


@implementer(IOpenSSLServerConnectionCreator)
class _WebContext:
    """A ServerContext's certificates, whichever it shows at the time."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context

    def serverConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        return self._context.web_connection()


def server_context(certificate: Path, key: Path) -> ServerContext:
    """The context of a server with these PEM files: the whole chain, and its key. Raises TlsError."""
    return ServerContext([CertificateFiles(certificate, key)])


def modern(method: int, ciphers: bytes) -> SSL.Context:
    """A context for TLS 1.2 and 1.3 without compression and renegotiation. Raises TlsError for a list of no ciphers."""
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # Idle connections give their buffers back: it is most of what a TLS connection costs.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    try:
        context.set_cipher_list(ciphers)
    except SSL.Error as error:
        raise TlsError(f"{ciphers.decode()!r}: OpenSSL knows no cipher of this list") from error
    return context


class Shown:
    """The contexts of one reading of the files."""

    __slots__ = ("_by_name", "first")

    def __init__(self, first: SSL.Context, by_name: dict[str, SSL.Context]) -> None:
        self.first = first
        self._by_name = by_name
        if set(by_name.values()) - {first}:
            first.set_tlsext_servername_callback(self._choose)

    def _choose(self, connection: SSL.Connection) -> None:
        """Show the certificate that covers the name which the client asks for (RFC 6066 §3), else the first."""
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        if context is not None and context is not self.first:
            connection.set_context(context)


def _show(context: SSL.Context, files: CertificateFiles, chain: list[x509.Certificate], private: Any) -> None:
    """Have a context show this identity, whatever name it is asked for."""
    context.set_alpn_select_callback(_select_protocol)
    try:
        context.use_certificate(chain[0])
        for above in chain[1:]:
            context.add_extra_chain_cert(above)
        context.use_privatekey(private)
    except (SSL.Error, TypeError) as error:
        raise TlsError(
            f"{files.certificate}: OpenSSL does not take it ({error}); ECDSA P-256 or RSA 2048 will do"
        ) from error


def _ask(context: SSL.Context, client_ca: Path | None) -> None:
    """Ask clients for a certificate of these CAs; without CAs, have sessions resumed."""
    if client_ca is None:
        context.set_session_id(b"mailstack")
        return
    # What we thought of a certificate is not kept with a session, so that no session is taken up again.
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    try:
        context.load_verify_locations(str(client_ca))
        context.load_client_ca(str(client_ca).encode())
    except SSL.Error as error:
        raise TlsError(f"{client_ca}: no bundle of CA certificates in PEM, readable by this user") from error
    context.set_verify(SSL.VERIFY_PEER, _judge)


def _judge(connection: SSL.Connection, _certificate: object, _error: int, _depth: int, good: int) -> bool:
    if not good and isinstance(connection, ServerConnection):
        connection.trusted = False
    return True


def _select_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """RFC 7301 §3.2. Who offers a mail protocol, or one that nobody knows, is served without ALPN.

    Who offers only what other servers speak was led here (ALPACA): a browser must not take our replies for a web page.
    """
    if isinstance(connection, ServerConnection) and connection.web:
        return _HTTP if _HTTP in offered else SSL.NO_OVERLAPPING_PROTOCOLS
    if any(name.startswith(_FOREIGN) for name in offered) and not any(name in _OURS for name in offered):
        raise _WrongProtocol([("SSL routines", "", "the client offers protocols of others only")])
    return SSL.NO_OVERLAPPING_PROTOCOLS
