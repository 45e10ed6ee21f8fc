"""Certificates for tests: valid, expired, self-signed, or for another name."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailstack.net.certificates import CertificateFiles, TlsError, alternative_names, read_identity
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.sandbox.faults.rule import Certificate

Kind = Literal["good", "expired", "self-signed", "wrong-name"]
"""Kinds of certificates: "good" is valid for its name and authority; each other kind has one fault."""

Key = ec.EllipticCurvePrivateKey | Ed25519PrivateKey

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
OVER = datetime(2001, 1, 1, tzinfo=UTC)
END = datetime(2100, 1, 1, tzinfo=UTC)
"""End of validity. The real time, which OpenSSL compares with, and all virtual times lie between OVER and END."""

OTHER_NAME = "other-name.test"
"""DNS name of a "wrong-name" certificate."""


def new_key(like: Key | None = None) -> Key:
    """New private key of the same type as `like`, or Ed25519."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        if isinstance(like, ec.EllipticCurvePrivateKey)
        else Ed25519PrivateKey.generate()
    )


def sign(builder: x509.CertificateBuilder, key: Key) -> x509.Certificate:
    """Signs with the hash that the key requires."""
    return builder.sign(key, None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256())


def certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: Key, number: str, end: datetime = END
) -> x509.CertificateBuilder:
    """Builder with the fields of all certificates; `number` seeds the serial number, which has a fixed length."""
    serial = int.from_bytes(b"\x40" + hashlib.sha256(number.encode()).digest()[:15])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(serial).not_valid_before(BEGIN).not_valid_after(end)


def common_name(text: str) -> x509.Name:
    """X.509 name with a common name only."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def issue(directory: Path, name: str, kind: Kind, authority: x509.Name, authority_key: Key) -> CertificateFiles:
    """Writes a certificate for a DNS name and its key as PEM files. Raises OSError."""
    key = new_key(authority_key)
    names: list[x509.GeneralName] = [x509.DNSName(OTHER_NAME)] if kind == "wrong-name" else alternative_names(name)
    certificate_name = OTHER_NAME if kind == "wrong-name" else name
    own = kind == "self-signed"
    subject = common_name(certificate_name)
    builder = certificate_builder(
        subject, subject if own else authority, key, f"{name}/{kind}", OVER if kind == "expired" else END
    )
    signer = key if own else authority_key
    # Strict clients, such as Python's, require both key identifiers (RFC 5280 §4.2.1.1, §4.2.1.2).
    builder = (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    certificate = sign(builder, signer)
    stem = hashlib.sha256(f"{name}/{kind}".encode()).hexdigest()[:16]
    files = CertificateFiles(directory / f"{stem}.pem", directory / f"{stem}-key.pem")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.key.touch(0o600)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


class BadCertificates:
    """Invalid certificates for fault rules, issued on first use by the private CA of a directory."""

    def __init__(self, directory: Path) -> None:
        """`directory` has ca.pem and ca-key.pem, as `net.certificates.private_ca` writes them."""
        self._directory = directory
        self._contexts: dict[tuple[str, Certificate], ServerContext] = {}

    def __call__(self, name: str, kind: Certificate) -> ServerContext:
        """TLS context with a certificate of this kind for a host name. Raises TlsError, OSError."""
        if (name, kind) not in self._contexts:
            (ca, *_), key = read_identity(self._directory / "ca.pem", self._directory / "ca-key.pem")
            if not isinstance(key, Key):
                raise TlsError(f"{self._directory}/ca-key.pem: expected an EC P-256 or Ed25519 key")
            files = issue(self._directory, name, kind, ca.subject, key)
            self._contexts[name, kind] = server_context(files.certificate, files.key)
        return self._contexts[name, kind]
