"""What is to be said about certificates that work, before clients say it: their dates, their chain, their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import AuthorityInformationAccessOID
from msgspec import Struct

from mailstack.net.certificates import CertificateFiles, covered_names, read_identity

DAY = 86400.0


class CertificateWarning(Struct, frozen=True):
    """One thing to be mended, and how."""

    text: str
    """It names the file and the cure."""
    grave: bool
    """Whether clients refuse the certificate for it, or soon will."""


class WarningThresholds(Struct, frozen=True):
    """How much of a certificate may remain, in seconds, before something is said."""

    warn: float = 30 * DAY
    urgent: float = 7 * DAY


def concerns(
    identities: Sequence[CertificateFiles], hostname: str, now: float, patience: WarningThresholds
) -> list[CertificateWarning]:
    """All there is to say at `now`, in seconds since 1970. Raises TlsError for files that don't work."""
    chains = [(files.certificate, read_identity(files.certificate, files.key)[0]) for files in identities]
    return [
        *(
            concern
            for file, chain in chains
            for concern in (*dates(file, chain[0], now, patience), *_order(file, chain))
        ),
        *_names(chains[0][0], chains[0][1][0], hostname),
    ]


def dates(file: Path, leaf: x509.Certificate, now: float, patience: WarningThresholds) -> Iterator[CertificateWarning]:
    """What is to be said about a certificate's dates."""
    at, end = datetime.fromtimestamp(now, UTC), leaf.not_valid_after_utc
    remaining = (end - at).total_seconds()
    if remaining <= 0:
        yield CertificateWarning(f"{file}: expired on {end:%Y-%m-%d}; clients will refuse it: renew it", grave=True)
    elif at < leaf.not_valid_before_utc:
        begin = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        yield CertificateWarning(f"{file}: not valid before {begin}; is the clock right?", grave=True)
    elif remaining < patience.urgent:
        yield CertificateWarning(f"{file}: expires on {end:%Y-%m-%d}; why was it not renewed? Do it now", grave=True)
    elif remaining < patience.warn:
        yield CertificateWarning(f"{file}: expires on {end:%Y-%m-%d}; renew it soon", grave=False)


def _order(file: Path, chain: list[x509.Certificate]) -> Iterator[CertificateWarning]:
    """RFC 8446 §4.4.2: each certificate certifies the one before it, and none is left out but the CA's own."""
    for below, above in pairwise(chain):
        if not _issued(below, above):
            what = f"{below.subject.rfc4514_string()} is followed by {above.subject.rfc4514_string()}, which did not issue it"
            yield CertificateWarning(
                f"{file}: {what}; put the host's own first, then those above it in order", grave=True
            )
            return
    if len(chain) == 1 and _names_issuer(chain[0]):
        issuer = chain[0].issuer.rfc4514_string()
        yield CertificateWarning(
            f"{file}: the chain is incomplete, {issuer} is missing; give the whole chain (fullchain.pem)", grave=True
        )


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names_issuer(leaf: x509.Certificate) -> bool:
    """Whether it tells where its issuer's certificate is had: so do those whose issuer is an intermediate CA."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)


def _names(file: Path, leaf: x509.Certificate, hostname: str) -> Iterator[CertificateWarning]:
    names = covered_names(leaf)
    if not covers(names, hostname):
        listed = ", ".join(names) or "no host"
        yield CertificateWarning(
            f"{file} names {listed}, and not {hostname}, so that clients will refuse it", grave=True
        )


def covers(names: Sequence[str], hostname: str) -> bool:
    """Whether a certificate for these names is one for `hostname` (RFC 9525 §6.3)."""
    hostname = hostname.lower().rstrip(".")
    return hostname in names or "*." + hostname.partition(".")[2] in names
