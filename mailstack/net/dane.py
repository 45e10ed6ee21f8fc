"""Matches server certificates with TLSA records (DANE: RFC 6698 §2.1, RFC 7672 §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256, sha512

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import crypto

from mailstack.net.certificate_identity import name_fault
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
    """None when a record matches `chain`, the server's certificate first; else the reason, for people."""
    if not chain:
        return "the server presented no certificate"
    if any(record.usage == DANE_EE and _names(record, chain[0]) for record in dane.records):
        return None
    faults = [_below(authority, chain, dane.names) for authority in _authorities(chain, dane.records)]
    if not faults:
        return "no TLSA record matches it (DANE)"
    return None if None in faults else faults[0]


def _names(record: Tlsa, certificate: x509.Certificate) -> bool:
    """Whether the record matches this certificate."""
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
            found += [certificate for certificate in chain if _names(record, certificate)]
            if (record.selector, record.matching) == (0, 0):
                try:
                    found.append(x509.load_der_x509_certificate(record.data))
                except ValueError:
                    continue
    return found


def _below(authority: x509.Certificate, chain: Sequence[x509.Certificate], names: Sequence[str]) -> str | None:
    """None when the server's certificate is issued below this authority for one of the names; else the reason."""
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
