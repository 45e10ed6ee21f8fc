"""Certificate files in PEM: their reader, and a private CA for servers without certificates."""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=820)
"""Lifetime of a host certificate; some clients, such as Apple's, refuse more than 825 days."""
RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(hours=1)
"""Allowance for clients with a slow clock, before which a new certificate is not yet valid."""
_ALWAYS = ("localhost", "127.0.0.1", "::1")


class TlsError(Exception):
    """A certificate or key can't be used; str() has the file, the reason and the remedy."""


class CertificateFiles(Struct, frozen=True):
    """PEM files of one identity."""

    certificate: Path
    """File with the host's certificate, then the intermediate ones."""
    key: Path
    ca: Path | None = None
    """File with the private CA, for clients. None: a public CA."""


def private_ca(directory: Path, hostname: str, now: float) -> CertificateFiles:
    """Certificate for `hostname`, localhost, 127.0.0.1 and ::1 in `directory`, from a CA made there once.

    Creates missing files. A new name, or less than 30 days before expiry at `now` (seconds since 1970), renews the
    certificate. The CA, which clients trust, stays as long as it is valid. Raises TlsError.
    """
    at = datetime.fromtimestamp(now, UTC)
    files = CertificateFiles(directory / "cert.pem", directory / "key.pem", directory / "ca.pem")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        ca, ca_key, is_new = _authority(directory, at)
        if is_new or not _still_good(files, hostname, ca, at):
            _issue(files, hostname, ca, ca_key, at)
    except OSError as error:
        raise TlsError(
            f"{error.filename or directory}: {error.strerror}; the directory of keys must be writable by this user"
        ) from error
    return files


def read_identity(certificate: Path, key: Path) -> tuple[list[x509.Certificate], PrivateKeyTypes]:
    """The chain, host certificate first, and the private key. Raises TlsError."""
    chain = _read_chain(certificate)
    private = _read_key(key)
    if _public_octets(chain[0].public_key()) != _public_octets(private.public_key()):
        raise TlsError(f"{key}: the key does not match {certificate}; use the pair that was issued together")
    return chain, private


def covered_names(certificate: x509.Certificate) -> list[str]:
    """DNS names of a certificate, in lower case; "*.home.test" covers one label (RFC 9525 §6.3).

    The common name counts only in a certificate without alternative names.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(each.value).lower() for each in common]
    except ValueError:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


# --- the private CA


def _authority(directory: Path, at: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, bool]:
    """The CA of this directory, its key, and whether both are new."""
    certificate, key_file = directory / "ca.pem", directory / "ca-key.pem"
    if certificate.exists() and key_file.exists():
        (ca, *_), key = read_identity(certificate, key_file)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TlsError(
                f"{key_file}: not a key made by mailstack; move ca.pem and ca-key.pem away, and new ones are made"
            )
        if at + RENEW_BEFORE < ca.not_valid_after_utc:
            return ca, key, False
    key = ec.generate_private_key(ec.SECP256R1())
    # The time in its name distinguishes a new CA from an old one that a client may still trust.
    name = _name(f"mailstack private CA {at:%Y-%m-%d %H:%M}")
    ca = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _SKEW)
        .not_valid_after(at + CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _key_pem(key), 0o600)
    _write(certificate, ca.public_bytes(Encoding.PEM), 0o644)
    return ca, key, True


def _still_good(files: CertificateFiles, hostname: str, ca: x509.Certificate, at: datetime) -> bool:
    try:
        (leaf, *_), _ = read_identity(files.certificate, files.key)
        leaf.verify_directly_issued_by(ca)
        current = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 (any unusable certificate is replaced)
        return False
    expected = x509.SubjectAlternativeName(alternative_names(hostname))
    return current == expected and leaf.not_valid_before_utc <= at < leaf.not_valid_after_utc - RENEW_BEFORE


def _issue(
    files: CertificateFiles, hostname: str, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, at: datetime
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_name(hostname[:64]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _SKEW)
        .not_valid_after(min(at + LEAF_LIFE, ca.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(alternative_names(hostname)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(files.key, _key_pem(key), 0o600)
    _write(files.certificate, leaf.public_bytes(Encoding.PEM), 0o644)


def alternative_names(*hostnames: str) -> list[x509.GeneralName]:
    """Alternative names for a host of these names, with localhost and the loopback addresses. Raises TlsError."""
    names: dict[str, x509.GeneralName] = {}
    for text in (*(each.lower().strip("[]") for each in hostnames), *_ALWAYS):
        try:
            names[text] = x509.IPAddress(ipaddress.ip_address(text))
        except ValueError:
            names[text] = _dns_name(text)
    return list(names.values())


def _dns_name(text: str) -> x509.DNSName:
    try:
        return x509.DNSName(text.encode("idna").decode("ascii"))
    except ValueError as error:
        raise TlsError(f"hostname {text!r} can't be in a certificate: {error}") from error


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Key usage of a CA, or of a host."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


# --- files


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}; it must hold {what} in PEM, readable by this user") from error


def _read_chain(path: Path) -> list[x509.Certificate]:
    octets = _read(path, "the certificate chain")
    try:
        return x509.load_pem_x509_certificates(octets)
    except ValueError as error:
        raise TlsError(
            f"{path}: no certificate in PEM ({error}); the file must begin with the host's certificate"
        ) from error


def _read_key(path: Path) -> PrivateKeyTypes:
    octets = _read(path, "the private key")
    try:
        return load_pem_private_key(octets, None)
    except TypeError as error:
        raise TlsError(
            f"{path}: the key needs a passphrase; store it without one, readable by this user only"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsError(f"{path}: no private key in PEM ({error})") from error


def _public_octets(key: object) -> bytes:
    octets: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return octets


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Write atomically; the file never has wider permissions than `mode`."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
