"""Client TLS: trusted CAs, client certificates, DANE (RFC 7672) and handshake failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256, sha512
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.net.certificate_checks import name_fault
from mailstack.net.certificates import TlsError, read_identity
from mailstack.net.server_tls import CIPHERS, tls_context
from mailstack.policy.networks import ip_address
from mailstack.protocols.connection import Dane, Tlsa

DANE_TA = 2
"""Usage of a record for an authority of the chain: chain, names and dates are checked as usual (RFC 7672 §3.1.2)."""
DANE_EE = 3
"""Usage of a record for the server's own certificate or key: nothing else is checked (RFC 7672 §3.1.1)."""

_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    0: bytes,
    1: lambda octets: sha256(octets).digest(),
    2: lambda octets: sha512(octets).digest(),
}
"""Digest functions by matching type (RFC 6698 §2.1.3)."""


def dane_fault(chain: Sequence[x509.Certificate], dane: Dane) -> str | None:
    """Returns the fault, for people; None if a record matches `chain`, the server's certificate first."""
    if not chain:
        return "the server presented no certificate"
    if any(record.usage == DANE_EE and _matches(record, chain[0]) for record in dane.records):
        return None
    faults = [_chain_fault(authority, chain, dane.names) for authority in _authorities(chain, dane.records)]
    if not faults:
        return "no TLSA record matches it (DANE)"
    return None if None in faults else faults[0]


def _matches(record: Tlsa, certificate: x509.Certificate) -> bool:
    digest = _DIGESTS.get(record.matching)
    if digest is None or record.selector not in (0, 1):
        return False
    if record.selector == 0:
        octets = certificate.public_bytes(Encoding.DER)
    else:
        octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return digest(octets) == record.data


def _authorities(chain: Sequence[x509.Certificate], records: Iterable[Tlsa]) -> list[x509.Certificate]:
    """Certificates of the chain that match a record of usage 2, and certificates that such a record contains."""
    found = []
    for record in records:
        if record.usage == DANE_TA:
            found += [certificate for certificate in chain if _matches(record, certificate)]
            if (record.selector, record.matching) == (0, 0):
                try:
                    found.append(x509.load_der_x509_certificate(record.data))
                except ValueError:
                    continue
    return found


def _chain_fault(authority: x509.Certificate, chain: Sequence[x509.Certificate], names: Sequence[str]) -> str | None:
    """Returns the fault; None if this authority issued the server's certificate for one of the names."""
    store = crypto.X509Store()
    store.add_cert(crypto.X509.from_cryptography(authority))
    # The authority is the trust anchor even if it is an intermediate CA.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    leaf, *above = [crypto.X509.from_cryptography(certificate) for certificate in chain]
    try:
        crypto.X509StoreContext(store, leaf, above).verify_certificate()
    except crypto.X509StoreContextError as error:
        return f"{error} (DANE)"
    return name_fault(chain[0], names)


# Old servers need more ciphers than the server's own list has; none without authentication or encryption.
_CIPHERS = CIPHERS.encode() + b":HIGH:!aNULL:!eNULL:!PSK:!SRP:!3DES:!RC4:!MD5:!DSS"

_FAULTS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its chain ends in a CA that is not trusted",
    20: "the CA that issued it is not known",
    21: "the CA that issued it is not known",
    23: "it has been revoked",
    24: "a certificate above it is no CA",
    26: "it is not for servers",
    66: "its key is too weak",
}
"""Descriptions of certificate errors, by OpenSSL's X509_V_ERR_ numbers."""
_TYPES = {10: "certificate-expired", **dict.fromkeys((18, 19, 20, 21, 24), "certificate-not-trusted")}
"""TLS report types of certificate errors (RFC 8460 §4.3.1); other errors are "validation-failure"."""
_CHAIN_ERRORS = frozenset({9, 10, 23})
"""Errors of any certificate of a chain; the message names certificates above the server's."""
_OTHER_ERROR = "validation-failure"
_UNREADABLE = "the certificate is unreadable"

LOST = "the connection was lost during the handshake"
"""Reason of a failed handshake without a TLS error."""


class ClientTls:
    """TLS settings of outbound connections."""

    def __init__(
        self, ca_file: Path | None = None, *, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        """`ca_file` has the trusted CAs in PEM; None: the CAs of the system.

        `certificate` and `key` (PEM) are presented to servers that request a client certificate.
        """
        self._ca_file = ca_file
        self._certificate = certificate
        self._key = key
        self._any: SSL.Context | None = None
        self._trusting: SSL.Context | None = None

    def check(self) -> None:
        """Read the files now. Raises TlsError with the file that can't be used."""
        self._unverified()
        if self._ca_file is not None:
            self._trusted()

    def handshake(self, server_name: str | None, *, verify: bool = False, dane: Dane | None = None) -> Handshake:
        """Handshake for one connection to `server_name`, a DNS name or an IP address.

        By default any certificate is accepted (opportunistic TLS, RFC 7435). `verify` requires a chain to a trusted CA and
        a certificate for `server_name` (RFC 9525). `dane` requires a match with a TLSA record instead (RFC 7672).
        Raises TlsError for files that can't be read.
        """
        if verify and not server_name:
            raise TlsError("a certificate can only be verified for a name")
        webpki = verify and dane is None
        return Handshake(self._trusted() if webpki else self._unverified(), server_name, verify=webpki, dane=dane)

    def _unverified(self) -> SSL.Context:
        if self._any is None:
            self._any = self._context()
            self._any.set_verify(SSL.VERIFY_NONE)
        return self._any

    def _trusted(self) -> SSL.Context:
        # The CAs are slow to read and rarely needed, so they are read once, on first use.
        if self._trusting is None:
            context = self._context()
            if self._ca_file is None:
                context.set_default_verify_paths()
            else:
                _trust(context, self._ca_file)
            self._trusting = context
        return self._trusting

    def _context(self) -> SSL.Context:
        context = tls_context(SSL.TLS_CLIENT_METHOD, _CIPHERS)
        if self._certificate is not None and self._key is not None:
            chain, private = read_identity(self._certificate, self._key)
            context.use_certificate(chain[0])
            for above in chain[1:]:
                context.add_extra_chain_cert(above)
            context.use_privatekey(private)  # type: ignore[arg-type]
        return context


def _trust(context: SSL.Context, ca_file: Path) -> None:
    try:
        ca_file.read_bytes()
        context.load_verify_locations(str(ca_file))
    except (OSError, SSL.Error, crypto.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else "no certificate in PEM"
        raise TlsError(f"{ca_file}: cannot read the CA certificates ({reason})") from error


@implementer(IOpenSSLClientConnectionCreator)
class Handshake:
    """One TLS handshake: its requirements, and the reason of its failure."""

    def __init__(self, context: SSL.Context, server_name: str | None, *, verify: bool, dane: Dane | None) -> None:
        self.verifies = verify or dane is not None
        self._context = context
        self._server_name = server_name or ""
        self._verify = verify
        self._dane = dane
        self._fault = self.fault_type = ""
        """Certificate error for people, and its TLS report type (RFC 8460 §4.3). Empty: no error."""

    @property
    def failed(self) -> bool:
        """Whether the certificate did not meet the requirements."""
        return bool(self._fault)

    def clientConnectionForTLS(self, _protocol: object) -> SSL.Connection:  # noqa: N802 (Twisted's name)
        self._fault = self.fault_type = ""
        connection = SSL.Connection(self._context, None)
        if sni := _sni(self._server_name):
            connection.set_tlsext_host_name(sni)
        if self._verify:
            connection.set_verify(SSL.VERIFY_PEER, self._is_good)
        return connection

    def satisfied(self, connection: SSL.Connection) -> bool:
        """Whether the server's certificates match DANE; to be called before anything is sent.

        Verification by a CA needs no such call: there the handshake itself fails.
        """
        if self._dane is None:
            return True
        try:
            self._fault = dane_fault(connection.get_peer_cert_chain(as_cryptography=True) or [], self._dane) or ""
        except Exception as error:  # noqa: BLE001 - untrusted certificates: an unreadable one matches nothing
            self._fault = f"{_UNREADABLE} ({type(error).__name__})"
        self.fault_type = _OTHER_ERROR if self._fault else ""
        return not self._fault

    def why(self, failure: Failure) -> str:
        """Reason of a handshake that ended with this failure, for people."""
        error = failure.value
        if self._fault:
            return f"certificate verify failed: {self._fault}"
        if isinstance(error, SSL.Error) and error.args and isinstance(error.args[0], list):
            reasons = [entry[2] for entry in error.args[0] if len(entry) == 3 and entry[2]]
            return "; ".join(dict.fromkeys(reasons)) or LOST
        return LOST

    def _is_good(
        self, _connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, good: int
    ) -> bool:
        """OpenSSL's callback for each certificate of the chain, the server's last; checks the name of the server's."""
        if not good:
            above = " (a certificate above it)" if depth and error in _CHAIN_ERRORS else ""
            self.fault_type = self.fault_type or _TYPES.get(error, _OTHER_ERROR)
            self._fault = self._fault or _FAULTS.get(error, f"OpenSSL error {error}") + above
            return False
        if depth == 0:
            try:
                self._fault = name_fault(certificate.to_cryptography(), (self._server_name.rstrip("."),)) or ""
                self.fault_type = "certificate-host-mismatch" if self._fault else ""
            except Exception as trouble:  # noqa: BLE001 - as above
                self._fault, self.fault_type = f"{_UNREADABLE} ({type(trouble).__name__})", _OTHER_ERROR
        return not self._fault


def _sni(server_name: str | None) -> bytes | None:
    """RFC 6066 §3: a DNS name without its final dot, never an address."""
    if not server_name or ip_address(server_name) is not None:
        return None
    try:
        name = server_name.rstrip(".").encode("ascii")
    except UnicodeEncodeError:
        return None
    return name if 0 < len(name) < 256 else None
