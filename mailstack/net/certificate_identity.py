"""Certificate identity: match of a certificate with a host name or address (RFC 9525)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cryptography import x509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address

_MAX_NAMES = 5
"""Maximum number of names in an error message."""


def name_fault(certificate: x509.Certificate, names: Sequence[str]) -> str | None:
    """None when the certificate is for one of the names (DNS names or IP addresses); else the defect, for people."""
    if any(_is_for(certificate, name) for name in names):
        return None
    return f"hostname mismatch, it is for {_listed(certificate)} and not for {names[0]}"


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


def _listed(certificate: x509.Certificate) -> str:
    """The names of a certificate, which are untrusted text, for an error message."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        shown = [str(name.value) for name in names]
    except (x509.ExtensionNotFound, ValueError):
        shown = []
    more = " …" if len(shown) > _MAX_NAMES else ""
    return ", ".join(_printable(name[:80]) for name in shown[:_MAX_NAMES]) + more or "no name at all"


def _printable(text: str) -> str:
    """The text without characters that could control a terminal."""
    return "".join(character if "!" <= character <= "~" else "?" for character in text)
