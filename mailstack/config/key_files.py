"""Key files of a configuration: certificates and DKIM keys."""

from __future__ import annotations

from pathlib import Path

from mailstack.config.model import Config
from mailstack.net.certificate_checks import WarningThresholds
from mailstack.net.certificates import CertificateFiles
from mailstack.policy.authentication.keys import load_private
from mailstack.policy.authentication.signing import SigningKey


def made_here(config: Config) -> bool:
    """Whether the first certificate comes from the private CA."""
    return config.tls.certificate is None


def own_directory(config: Config) -> Path:
    """Directory of the private CA."""
    return config.data / "tls"


def identities(config: Config) -> list[CertificateFiles]:
    """Certificates for clients; the first is for clients that name no host."""
    tls, ours = config.tls, own_directory(config)
    others = [(each.certificate, each.key) for each in tls.certificates]
    pairs = [(tls.certificate or ours / "cert.pem", tls.key or ours / "key.pem"), *others]
    return [CertificateFiles(file, key) for file, key in pairs if file is not None and key is not None]


def patience(config: Config) -> WarningThresholds:
    """Remaining lifetimes at which an expiring certificate is logged."""
    return WarningThresholds(config.tls.warn_before, config.tls.urgent_before)


def signing_keys(config: Config) -> tuple[SigningKey, ...]:
    """DKIM keys, read from their files. Raises InvalidKey."""
    return tuple(
        [
            SigningKey(each.selector, load_private(each.file), each.domains or config.domains)
            for each in config.dkim.keys
            if each.file is not None
        ]
    )
