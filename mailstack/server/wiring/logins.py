"""Checkers for tokens and client certificates of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mailstack.accounts.checker import CertificateChecker, PasswordStore
from mailstack.accounts.signed_tokens import SignedTokens
from mailstack.accounts.tokens import IntrospectedTokens, IssuerClient, TokenChecker, TokenReader, TokenRules
from mailstack.config.model import Config, OAuthSettings
from mailstack.protocols.connection import Clock


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
