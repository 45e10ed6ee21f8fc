"""Mailpit's options about certificates, and where TLS must be."""

from __future__ import annotations

from pathlib import Path

from mailstack.cli.compat.overrides import DevOverrides
from mailstack.cli.errors import CommandError
from mailstack.net.certificates import CertificateFiles, TlsError, read_identity

_NAMES = "sans:"
"""Before the names for which a certificate shall be made."""


def file(service: str, part: str, wish: DevOverrides, _option: str, value: str) -> None:
    """`part` is "cert" or "key"."""
    wish.tls.setdefault(service, {})[part] = value


def require(how: str, wish: DevOverrides, option: str, _value: str) -> None:
    """`how` is "starttls", or "tls" from the first octet on."""
    wish.requires_tls[how] = option


def settle(wish: DevOverrides) -> None:
    """What all of them come to. Raises Refused."""
    certificates = {service: _certificate(service, parts) for service, parts in wish.tls.items()}
    if certificates:
        wish.set(certificates=certificates)
    if "pop3" in certificates:
        # There TLS comes first; what is in clear finds another port.
        wish.at["pop3s"] = wish.at.pop("pop3")
    if len(wish.requires_tls) > 1:
        raise CommandError(" and ".join(wish.requires_tls.values()) + " can't both be: the one comes before the other")
    for option in wish.requires_tls.values():
        if wish.insecure_login:
            raise CommandError(f"{option} leaves no room for {wish.insecure_login}")
    if "starttls" in wish.requires_tls:
        wish.set(capture_tls=True)
    if "tls" in wish.requires_tls:
        wish.at["captures"] = wish.at.pop("capture")


def _certificate(service: str, parts: dict[str, str]) -> CertificateFiles | tuple[str, ...]:
    options = f"--{'ui' if service == 'web' else 'smtp' if service == 'capture' else service}-tls-cert and …-key"
    if set(parts) != {"cert", "key"}:
        raise CommandError(f"{options} go together")
    if parts["cert"].startswith(_NAMES):
        names = tuple(dict.fromkeys(each.strip().lower() for each in parts["cert"].removeprefix(_NAMES).split(",")))
        if not all(names):
            raise CommandError(f"{options}: give the names behind {_NAMES}, with commas between")
        return names
    files = CertificateFiles(Path(parts["cert"]), Path(parts["key"]))
    try:
        read_identity(files.certificate, files.key)
    except TlsError as error:
        raise CommandError(f"{options}: {error}") from None
    return files
