"""Certificates of a configuration: TLS context, private CA, renewal, token and certificate logins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailstack.accounts.checker import CertificateChecker, PasswordStore
from mailstack.accounts.tokens import (
    IntrospectedTokens,
    IssuerClient,
    SignedTokens,
    TokenChecker,
    TokenReader,
    TokenRules,
)
from mailstack.config.derived import certificate_files, made_by_mailstack, private_ca_directory, warning_thresholds
from mailstack.config.model import Config, OAuthSettings
from mailstack.net.certificate_checks import CertificateWarning, certificate_warnings
from mailstack.net.certificate_reloader import CertificateReloader
from mailstack.net.certificates import TlsError, private_ca
from mailstack.net.server_tls import ServerContext
from mailstack.protocols.connection import Clock
from mailstack.store import StoreError
from mailstack.store.data_directory import Location


def issue(config: Config, now: float) -> None:
    """Make missing or expiring certificates of the private CA; `now` is in seconds since 1970. Raises TlsError."""
    if made_by_mailstack(config):
        private_ca(private_ca_directory(config), config.hostname, now)


def server_context(config: Config) -> ServerContext:
    """TLS context with the configured certificates. Raises TlsError."""
    return ServerContext(certificate_files(config), client_ca=config.tls.client_ca, ciphers=config.tls.ciphers)


def make_renewal(  # noqa: PLR0917  # dependencies, each of a type of its own
    config: Config,
    reactor: Any,
    context: ServerContext,
    now: Callable[[], float],
    issued_at: Callable[[], float] | None,
    location: Location | None,
) -> CertificateReloader:
    """CertificateReloader of the certificates in `context`.

    `now` is the clock of this machine. `issued_at` is the clock for the private CA; None: another worker issues.
    """

    def check() -> list[CertificateWarning]:
        return certificate_warnings(certificate_files(config), config.hostname, now(), warning_thresholds(config))

    def renew() -> None:
        if issued_at is None:
            return
        try:
            if location is not None:
                location.check()
        except StoreError as error:
            raise TlsError(str(error)) from error
        issue(config, issued_at())

    return CertificateReloader(reactor, context, check=check, issue=renew, watch=config.tls.watch)


def certificate_checkers(config: Config, store: PasswordStore) -> list[CertificateChecker]:
    """One, or none."""
    accounts = config.accounts
    if not accounts.certificates and not accounts.certificate_names:
        return []
    owners = {each.sha256: each.account.key for each in accounts.certificates}
    return [CertificateChecker(store, owners, config.domains if accounts.certificate_names else ())]


def client_secret(oauth: OAuthSettings) -> str:
    """Client secret for the token issuer. Empty: tokens need no introspection. Raises OSError."""
    if not oauth.issuer or not oauth.introspection or oauth.client_secret_file is None:
        return ""
    return oauth.client_secret_file.read_text().strip()


def token_checkers(config: Config, store: PasswordStore, clock: Clock, reactor: Any, secret: str) -> list[TokenChecker]:
    """One, or none; `secret` is the `client_secret`."""
    oauth = config.accounts.oauth
    if not oauth.issuer:
        return []
    rules = TokenRules(
        oauth.issuer,
        oauth.audience,
        oauth.scopes,
        oauth.claim,
        oauth.leeway,
        config.domains[0] if config.domains else "",
    )
    return [TokenChecker(store, _reader(oauth, clock, reactor, secret), rules, clock)]


def _reader(oauth: OAuthSettings, clock: Clock, reactor: Any, secret: str) -> TokenReader:
    if oauth.introspection:
        asking = IssuerClient(
            reactor, oauth.introspection, timeout=oauth.timeout, user=oauth.client_id, password=secret
        )
        return IntrospectedTokens(asking.post, clock, issuer=oauth.issuer, remember=oauth.remember)
    source = _of_file(oauth.jwks) if oauth.jwks else IssuerClient(reactor, oauth.jwks_url, timeout=oauth.timeout).get
    return SignedTokens(source, clock, algorithms=oauth.algorithms, refresh=oauth.refresh)


def _of_file(path: Path) -> Any:
    async def read() -> bytes:
        return path.read_bytes()  # noqa: ASYNC240 - a small file, once an hour

    return read
