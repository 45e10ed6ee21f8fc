"""Certificate files of a configuration: named ones, or those of the private CA."""

from __future__ import annotations

from pathlib import Path

from mailstack.config.model import Config
from mailstack.net.certificate_checks import WarningThresholds
from mailstack.net.certificates import CertificateFiles


def made_here(config: Config) -> bool:
    """Whether the first certificate is one of a private CA of ours."""
    return config.tls.certificate is None


def own_directory(config: Config) -> Path:
    """Where that private CA is kept."""
    return config.data / "tls"


def identities(config: Config) -> list[CertificateFiles]:
    """What is shown to clients; the first is for those that name no host."""
    tls, ours = config.tls, own_directory(config)
    others = [(each.certificate, each.key) for each in tls.certificates]
    pairs = [(tls.certificate or ours / "cert.pem", tls.key or ours / "key.pem"), *others]
    return [CertificateFiles(file, key) for file, key in pairs if file is not None and key is not None]


def patience(config: Config) -> WarningThresholds:
    """When something is to be said about a certificate's end."""
    return WarningThresholds(config.tls.warn_before, config.tls.urgent_before)
