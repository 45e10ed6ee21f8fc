"""Certificate checks: warnings about dates and chains, and identity (RFC 9525)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID
from msgspec import Struct
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

from mailstack.net.certificates import CertificateFiles, covered_names, read_identity
from mailstack.policy.networks import ip_address

DAY = 86400.0


class CertificateWarning(Struct, frozen=True):
    """One defect of a certificate."""

    text: str
    """Message with the file, the defect and the remedy."""
    grave: bool
    """Whether clients refuse the certificate, or soon will."""


class WarningThresholds(Struct, frozen=True):
    """Remaining lifetimes of a certificate, in seconds, below which a warning is given."""

    warn: float = 30 * DAY
    """Seconds before expiry at which warnings start."""
    urgent: float = 7 * DAY
    """Seconds before expiry at which warnings become errors."""


def certificate_warnings(
    identities: Sequence[CertificateFiles], hostname: str, now: float, thresholds: WarningThresholds
) -> list[CertificateWarning]:
    """Warnings at `now`, in seconds since 1970. Raises TlsError for unusable files."""
    chains = [(files.certificate, read_identity(files.certificate, files.key)[0]) for files in identities]
    return [
        *(
            warning
            for file, chain in chains
            for warning in (*date_warnings(file, chain[0], now, thresholds), *_chain_warnings(file, chain))
        ),
        *_name_warnings(chains[0][0], chains[0][1][0], hostname),
    ]


def date_warnings(
    file: Path, leaf: x509.Certificate, now: float, thresholds: WarningThresholds
) -> Iterator[CertificateWarning]:
    """Warnings about a certificate's dates."""
    at, end = datetime.fromtimestamp(now, UTC), leaf.not_valid_after_utc
    remaining = (end - at).total_seconds()
    if remaining <= 0:
        yield CertificateWarning(f"{file}: expired on {end:%Y-%m-%d}, so that clients refuse it; renew it", grave=True)
    elif at < leaf.not_valid_before_utc:
        start = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        yield CertificateWarning(f"{file}: not valid before {start}; check the system clock", grave=True)
    elif remaining < thresholds.urgent:
        yield CertificateWarning(f"{file}: expires on {end:%Y-%m-%d}; renew it now", grave=True)
    elif remaining < thresholds.warn:
        yield CertificateWarning(f"{file}: expires on {end:%Y-%m-%d}; renew it soon", grave=False)


def _chain_warnings(file: Path, chain: list[x509.Certificate]) -> Iterator[CertificateWarning]:
    """Warnings about the chain: each certificate certifies its predecessor, and only the root is absent (RFC 8446
    §4.4.2).
    """
    for below, above in pairwise(chain):
        if not _is_issuer(below, above):
            what = f"{below.subject.rfc4514_string()} is followed by {above.subject.rfc4514_string()}, which did not issue it"
            yield CertificateWarning(
                f"{file}: {what}; put the host's certificate first, then each issuer in order", grave=True
            )
            return
    if len(chain) == 1 and _names_issuer(chain[0]):
        issuer = chain[0].issuer.rfc4514_string()
        yield CertificateWarning(
            f"{file}: incomplete chain, {issuer} is missing; use the whole chain (fullchain.pem)", grave=True
        )


def _is_issuer(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names_issuer(leaf: x509.Certificate) -> bool:
    """Whether the certificate has a URL of its issuer's: certificates of an intermediate CA have one."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)


def _name_warnings(file: Path, leaf: x509.Certificate, hostname: str) -> Iterator[CertificateWarning]:
    names = covered_names(leaf)
    if not covers(names, hostname):
        listed = ", ".join(names) or "no host"
        yield CertificateWarning(f"{file} is for {listed}, not for {hostname}, so that clients refuse it", grave=True)


def covers(names: Sequence[str], hostname: str) -> bool:
    """Whether a certificate for these names covers `hostname` (RFC 9525 §6.3)."""
    hostname = hostname.lower().rstrip(".")
    return hostname in names or "*." + hostname.partition(".")[2] in names


_MAX_NAMES = 5
"""Maximum number of names in an error message."""


def name_fault(certificate: x509.Certificate, names: Sequence[str]) -> str | None:
    """Returns the defect, for people; None if the certificate is for one of the names (DNS names or IP addresses)."""
    if any(_is_for(certificate, name) for name in names):
        return None
    return f"hostname mismatch, it is for {_list_names(certificate)} and not for {names[0]}"


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        if ip_address(name) is not None:
            verify_certificate_ip_address(certificate, name)
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _list_names(certificate: x509.Certificate) -> str:
    """The names of a certificate, which are untrusted text, for an error message."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        texts = [str(name.value) for name in names]
    except (x509.ExtensionNotFound, ValueError):
        texts = []
    more = " …" if len(texts) > _MAX_NAMES else ""
    return ", ".join(_printable(name[:80]) for name in texts[:_MAX_NAMES]) + more or "no name at all"


def _printable(text: str) -> str:
    """The text without characters that could control a terminal."""
    return "".join(character if "!" <= character <= "~" else "?" for character in text)
