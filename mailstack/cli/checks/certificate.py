"""Whether the certificate is one that clients will accept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from mailstack.cli.checks.finding import Finding, broken, good, warning
from mailstack.config import Config
from mailstack.net.certificates import TlsError, expiry_warning, read_identity


def check_certificate(config: Config, now: float | None = None) -> Iterator[Finding]:
    """The configured certificate, or the one that was made here; `now` is in seconds since 1970."""
    certificate, key = config.tls.certificate, config.tls.key
    configured = certificate is not None and key is not None
    made_here = config.data / "tls"
    certificate, key = certificate or made_here / "cert.pem", key or made_here / "key.pem"
    if not configured and not certificate.exists():
        yield good("certificate", f"none is set: a private CA and a certificate are made in {made_here} at the start")
        return
    try:
        chain, _ = read_identity(certificate, key)
        soon = expiry_warning(certificate, time.time() if now is None else now)
    except TlsError as error:
        yield broken("certificate", str(error))
        return
    if soon is None:
        yield good("certificate", f"{certificate} is valid until {chain[0].not_valid_after_utc:%Y-%m-%d}")
    else:
        yield (warning if "soon" in soon else broken)("certificate", soon)
    yield from _name(chain[0], certificate, config.hostname)
    if key.stat().st_mode & 0o004:
        yield warning("certificate", f"everybody on this machine can read {key}; chmod o-r it")
    if not configured:
        yield warning("certificate", f"it was made here: clients must be told to trust {made_here / 'ca.pem'}")


def _name(certificate: x509.Certificate, file: Path, hostname: str) -> Iterator[Finding]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        given = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    except (x509.ExtensionNotFound, ValueError):
        given = []
    wildcard = "*." + hostname.partition(".")[2]
    if hostname.lower() not in given and wildcard.lower() not in given:
        listed = ", ".join(given) or "no host"
        yield broken("certificate", f"{file} names {listed}, and not {hostname}, so that clients will refuse it")
