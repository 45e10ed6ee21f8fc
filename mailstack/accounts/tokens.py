"""Bearer tokens as logins (OAUTHBEARER, XOAUTH2; RFC 6750, RFC 7628)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from zope.interface import implementer

from mailstack.accounts.authenticator import TokenRefused
from mailstack.accounts.checker import PasswordStore, account_key
from mailstack.accounts.credentials import BearerToken, IBearerToken
from mailstack.protocols.connection import Clock

Claims = Mapping[str, Any]
"""Claims of a token from a verified origin (RFC 7519 §4, RFC 7662 §2.2)."""


class BadToken(Exception):
    """The token is not of the issuer, or is no token at all; str() says why, for the log."""


class TokenRules(Struct, frozen=True):
    """What a token must say."""

    issuer: str
    audience: str
    """Ours, as the issuer knows us."""
    scopes: tuple[str, ...] = ()
    """All of them must be granted."""
    claim: str = "email"
    """The claim that names the account."""
    leeway: float = 30.0
    """Seconds that clocks may differ."""
    domain: str = ""
    """Completes a claim without @."""


class TokenReader(Protocol):
    """Where claims come from: a signature (`signed_tokens`) or the issuer itself (`introspection`)."""

    async def claims(self, token: str) -> Claims:
        """Raises BadToken; sasl.Unavailable when it can't be known now."""


@implementer(ICredentialsChecker)
class TokenChecker:
    """The account that a token names, if the token is for us, for this, and valid at this moment."""

    credentialInterfaces = (IBearerToken,)  # noqa: N815

    def __init__(self, store: PasswordStore, reader: TokenReader, rules: TokenRules, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._rules = rules
        self._clock = clock

    def requestAvatarId(self, credentials: BearerToken) -> Deferred[bytes | tuple[()]]:  # noqa: N802
        """The `Address.key` in UTF-8, or TokenRefused; sasl.Unavailable, StoreError."""
        return Deferred.fromCoroutine(self._check(credentials))

    async def _check(self, credentials: BearerToken) -> bytes | tuple[()]:
        try:
            claims = await self._reader.claims(credentials.token)
            self._check_claims(claims)
            key = self._account(claims)
        except BadToken as bad:
            raise self._refused("invalid_token", str(bad)) from None
        granted = _words(claims.get("scope")) | _words(claims.get("scp"))
        missing = set(self._rules.scopes) - granted
        if missing:
            raise self._refused("insufficient_scope", f"the token lacks the scope {' '.join(sorted(missing))}")
        if credentials.username and account_key(credentials.username) != key:
            raise self._refused("invalid_token", f"the token is for {key}, and the client asked for another account")
        if await self._store.account(key) is None:
            raise self._refused("invalid_token", f"the token is for {key}, which has no account here")
        return key.encode()

    def _check_claims(self, claims: Claims) -> None:
        """Check issuer, audience and times (RFC 7519 §4.1, RFC 8725 §3). Raises BadToken."""
        rules, now = self._rules, self._clock.now()
        if claims.get("iss") != rules.issuer:
            raise BadToken("another issuer")
        if rules.audience not in _words(claims.get("aud")):
            raise BadToken("another audience")
        ends, begins = _time(claims.get("exp")), _time(claims.get("nbf", 0))
        if now >= ends + rules.leeway:
            raise BadToken("expired")
        if now < begins - rules.leeway:
            raise BadToken("not valid yet")

    def _account(self, claims: Claims) -> str:
        named = claims.get(self._rules.claim)
        if not isinstance(named, str) or len(named) > 320:
            raise BadToken(f"no claim {self._rules.claim}")
        # OpenID Connect Core §5.1: at some issuers people say any address of themselves.
        if self._rules.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise BadToken("the issuer has not verified the address")
        if "@" not in named and self._rules.domain:
            named = f"{named}@{self._rules.domain}"
        key = account_key(named.encode(errors="replace"))
        if key is None:
            raise BadToken(f"the claim {self._rules.claim} is no address")
        return key

    def _refused(self, status: str, reason: str) -> TokenRefused:
        """RFC 7628 §3.2.2: what a client needs to ask its user again."""
        trouble = {"status": status, "openid-configuration": f"{self._rules.issuer}/.well-known/openid-configuration"}
        if self._rules.scopes:
            trouble["scope"] = " ".join(self._rules.scopes)
        return TokenRefused(reason, trouble)


def _words(value: object) -> set[str]:
    """Of a list, or of a text parted by blanks (RFC 8693 §4.2)."""
    if isinstance(value, str):
        return {value, *value.split()}
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _time(value: object) -> float:
    """Seconds since 1970 (RFC 7519 §2). Raises BadToken."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e15:
        raise BadToken("its times are missing, or are none")
    return float(value)
