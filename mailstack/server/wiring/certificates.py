"""Certificates of a server: its TLS context, its private CA, and their renewal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailstack.config import Config
from mailstack.config.key_files import identities, made_here, own_directory, patience
from mailstack.net.certificate_checks import CertificateWarning, certificate_warnings
from mailstack.net.certificate_reload import Renewal
from mailstack.net.certificates import TlsError, private_ca
from mailstack.net.server_tls import ServerContext
from mailstack.store import StoreError
from mailstack.store.data_directory import Location


def issue(config: Config, now: float) -> None:
    """Make missing or expiring certificates of the private CA; `now` is in seconds since 1970. Raises TlsError."""
    if made_here(config):
        private_ca(own_directory(config), config.hostname, now)


def server_context(config: Config) -> ServerContext:
    """TLS context with the configured certificates. Raises TlsError."""
    return ServerContext(identities(config), client_ca=config.tls.client_ca, ciphers=config.tls.ciphers)


def make_renewal(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config,
    reactor: Any,
    context: ServerContext,
    now: Callable[[], float],
    issued_at: Callable[[], float] | None,
    location: Location | None,
) -> Renewal:
    """Renewal of the certificates in `context`.

    `now` is the clock of this machine. `issued_at` is the clock for the private CA; None: another worker issues.
    """

    def check() -> list[CertificateWarning]:
        return certificate_warnings(identities(config), config.hostname, now(), patience(config))

    def renew() -> None:
        if issued_at is None:
            return
        try:
            if location is not None:
                location.check()
        except StoreError as error:
            raise TlsError(str(error)) from error
        issue(config, issued_at())

    return Renewal(reactor, context, concerns=check, issue=renew, watch=config.tls.watch)
