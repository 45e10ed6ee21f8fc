"""For whom a certificate is (RFC 9525)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cryptography import x509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

_MOST_NAMES = 5
"""Names of a certificate that are told."""


def name_fault(certificate: x509.Certificate, names: Sequence[str]) -> str | None:
    """None when the certificate is for one of the names, each a DNS name or an IP address; else what is wrong."""
    if any(_is_for(certificate, name) for name in names):
        return None
    return f"hostname mismatch, it is for {_told(certificate)} and not for {names[0]}"


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        if _is_address(name):
            verify_certificate_ip_address(certificate, name)
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError, ValueError):
        return False
    return True


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _told(certificate: x509.Certificate) -> str:
    """The names of a certificate; text of strangers."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        told = [str(name.value) for name in names]
    except (x509.ExtensionNotFound, ValueError):
        told = []
    more = " …" if len(told) > _MOST_NAMES else ""
    return ", ".join(_printable(name[:80]) for name in told[:_MOST_NAMES]) + more or "no name at all"


def _printable(text: str) -> str:
    """It will stand in terminals and reports."""
    return "".join(character if "!" <= character <= "~" else "?" for character in text)
