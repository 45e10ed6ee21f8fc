"""What the services of a dev environment show in a TLS handshake."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mailstack.net.certificates import CertificateFiles, private_ca
from mailstack.net.server_tls import ServerContext, server_context
from mailstack.sandbox.dev.settings import HOME, DevSettings

_ALSO = {"web": ("https",), "pop3": ("pop3s",), "capture": ("smtp",)}
"""The names by which offices know a service of DevSettings."""


class DevCertificates:
    """From one directory of keys. Raises TlsError for files that can't be used."""

    def __init__(self, settings: DevSettings, directory: Path, now: float) -> None:
        files = private_ca(directory, HOME, now)
        self.context = server_context(files.certificate, files.key)
        """What all show that have none of their own."""
        self.files = {name: _files(directory, name, given, now) for name, given in settings.certificates.items()}
        """Of those that have one: "capture", "pop3" or "web"."""

    def contexts(self) -> Mapping[str, ServerContext]:
        """By the name that offices have for the service."""
        found = {name: server_context(each.certificate, each.key) for name, each in self.files.items()}
        return {alias: found[name] for name in found for alias in _ALSO[name]}


def _files(directory: Path, service: str, given: CertificateFiles | tuple[str, ...], now: float) -> CertificateFiles:
    if isinstance(given, CertificateFiles):
        return given
    return private_ca(directory, given[0], now, *given[1:], service=service)
