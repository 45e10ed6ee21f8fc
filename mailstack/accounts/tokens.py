"""Bearer tokens as logins (RFC 6750), introspected (RFC 7662) or signed (RFC 7519)."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urlsplit

from msgspec import Struct
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from zope.interface import implementer

from mailstack.accounts.authenticator import TokenRefused
from mailstack.accounts.checker import PasswordStore, account_key
from mailstack.accounts.realm import BearerToken, IBearerToken
from mailstack.net.http_client import TooLarge, Upload, read_document
from mailstack.protocols.bounded_memory import TTLCache
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK

_log = logging.getLogger(__name__)

Claims = Mapping[str, Any]
"""Claims of a token from a verified origin (RFC 7519 §4, RFC 7662 §2.2)."""


class BadToken(Exception):
    """Invalid token; str() is the reason, for the log."""


class TokenRules(Struct, frozen=True):
    """Required claims of a token."""

    issuer: str
    audience: str
    """Name of this server at the issuer."""
    scopes: tuple[str, ...] = ()
    """Scopes that must all be granted."""
    claim: str = "email"
    """Claim with the account."""
    leeway: float = 30.0
    """Permitted difference between clocks, in seconds."""
    domain: str = ""
    """Domain for a claim without @."""


class TokenReader(Protocol):
    """Source of claims: `SignedTokens` or `IntrospectedTokens`."""

    async def claims(self, token: str) -> Claims:
        """Claims of a token. Raises BadToken; sasl.Unavailable for a temporary error."""


@implementer(ICredentialsChecker)
class TokenChecker:
    """Finds the account of a token with the required issuer, audience, scopes and times."""

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
        if await self._store.get(key) is None:
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
        # OpenID Connect Core §5.1: at some issuers users may claim any address.
        if self._rules.claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise BadToken("the issuer has not verified the address")
        if "@" not in named and self._rules.domain:
            named = f"{named}@{self._rules.domain}"
        key = account_key(named.encode(errors="replace"))
        if key is None:
            raise BadToken(f"the claim {self._rules.claim} is no address")
        return key

    def _refused(self, status: str, reason: str) -> TokenRefused:
        """Refusal with the parameters for a new authorization (RFC 7628 §3.2.2)."""
        problem = {"status": status, "openid-configuration": f"{self._rules.issuer}/.well-known/openid-configuration"}
        if self._rules.scopes:
            problem["scope"] = " ".join(self._rules.scopes)
        return TokenRefused(reason, problem)


def _words(value: object) -> set[str]:
    """Words of a list, or of a text separated by spaces (RFC 8693 §4.2)."""
    if isinstance(value, str):
        return {value, *value.split()}
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()


def _time(value: object) -> float:
    """Seconds since 1970 (RFC 7519 §2). Raises BadToken."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e15:
        raise BadToken("a time is missing or invalid")
    return float(value)


MAX_DOCUMENT = 262144
"""Maximum octets of a response."""


class IssuerClient:
    """HTTP client for one URL of an issuer."""

    def __init__(self, reactor: Any, url: str, *, timeout: float, user: str = "", password: str = "") -> None:
        """`timeout` is the total seconds of a request. With a `user` it authenticates (RFC 7617)."""
        self._reactor = reactor
        self._url = url
        self._timeout = timeout
        self._headers: dict[str, str] = {"Accept": "application/json", "User-Agent": "mailstack"}
        if user:
            credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            self._headers["Authorization"] = f"Basic {credentials}"

    async def get(self) -> bytes:
        """The document. Raises sasl.Unavailable."""
        return await self._request(b"GET", {}, None)

    async def post(self, form: bytes) -> bytes:
        """The answer to a form. Raises sasl.Unavailable."""
        return await self._request(b"POST", {"Content-Type": "application/x-www-form-urlencoded"}, form)

    async def _request(self, method: bytes, more: Mapping[str, str], body: bytes | None) -> bytes:
        # Imported here: a large library that few servers need.
        from twisted.web.client import Agent, ResponseFailed  # noqa: PLC0415
        from twisted.web.http_headers import Headers  # noqa: PLC0415

        headers = Headers({name: [value] for name, value in {**self._headers, **more}.items()})
        asked: Deferred[Any] = Deferred.fromCoroutine(
            _request(
                Agent(self._reactor, connectTimeout=self._timeout),
                (method, self._url.encode("ascii"), headers),
                None if body is None else Upload(body),
            )
        )
        asked.addTimeout(self._timeout, self._reactor)
        host = urlsplit(self._url).hostname
        try:
            answer: bytes = await asked
        except (ConnectError, ConnectionClosed, DNSLookupError, ResponseFailed, OSError) as error:
            raise Unavailable(f"{host}: {error}") from None
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - timeouts and errors of OpenSSL have many types
            raise Unavailable(f"{host}: {type(error).__name__} {error}") from None
        return answer


async def _request(agent: Any, request: tuple[bytes, bytes, Any], body: Any) -> bytes:
    response = await agent.request(*request, body)
    if response.code != 200:
        raise Unavailable(f"answered {response.code}")
    try:
        return await read_document(response, MAX_DOCUMENT)
    except TooLarge as error:
        raise Unavailable(str(error)) from None


Ask = Callable[[bytes], Awaitable[bytes]]
"""Posts a form to the issuer and returns the response. Raises OSError, sasl.Unavailable."""


class IntrospectedTokens:
    """TokenReader that caches the claims of valid tokens."""

    def __init__(self, ask: Ask, clock: Clock, *, issuer: str, remember: float = 60.0, capacity: int = 10000) -> None:
        """`issuer` completes an answer without one. `remember` in seconds."""
        self._ask = ask
        self._issuer = issuer
        self._cache: TTLCache[bytes, Claims] = TTLCache(clock.steady, remember, capacity)

    async def claims(self, token: str) -> Claims:
        """Raises BadToken, sasl.Unavailable."""
        digest = hashlib.sha256(token.encode()).digest()
        cached = self._cache.get(digest)
        if cached is not None:
            return cached
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        try:
            answer = json.loads(await self._ask(form))
        except (OSError, ValueError, RecursionError) as error:
            raise Unavailable(f"the issuer can't be asked about a token: {error}") from None
        if not isinstance(answer, dict) or answer.get("active") is not True:
            raise BadToken("the token is not active")
        answer.setdefault("iss", self._issuer)
        self._cache.put(digest, answer)
        return answer


ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Accepted algorithms, all with a public key (RFC 8725 §3.1): a shared secret, or none, is never valid."""

MAX_KEYS = 32

Source = Callable[[], Awaitable[bytes]]
"""Returns the JWKS document, from a file or the network. Raises OSError, sasl.Unavailable."""


class SignedTokens:
    """TokenReader for JWTs. Keys are read on first use, and again when they are old or one is missing."""

    def __init__(
        self,
        source: Source,
        clock: Clock,
        *,
        algorithms: Sequence[str] = ALGORITHMS,
        refresh: float = 3600.0,
        pause: float = 60.0,
    ) -> None:
        """Keys older than `refresh` seconds are fetched again; a missing key is requested at most once in `pause`
        seconds.
        """
        self._source = source
        self._clock = clock
        self._algorithms = list(algorithms)
        self._refresh = refresh
        self._pause = pause
        self._keys: list[PyJWK] = []
        self._read_at = float("-inf")
        self._tried_at = float("-inf")

    async def claims(self, token: str) -> Claims:
        """Raises BadToken, sasl.Unavailable."""
        import jwt  # noqa: PLC0415 - needed only with tokens

        try:
            name = jwt.get_unverified_header(token).get("kid")
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise BadToken(str(error)) from None
        options: Any = dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False)
        for key in await self._keys_for(name):
            try:
                # The algorithm is that of the key; a token with another one is invalid.
                claims: Claims = jwt.decode(token, key, algorithms=self._algorithms, options=options)
            except jwt.InvalidTokenError:
                continue
            except Exception as error:  # noqa: BLE001 - a key of another kind
                _log.debug("a key can't verify a token: %s", error)
                continue
            return claims
        raise BadToken("no key of the issuer verifies its signature")

    async def _keys_for(self, name: object) -> list[PyJWK]:
        """Keys for the key id of a token."""
        now = self._clock.now()
        if now - self._read_at >= self._refresh:
            await self._read(now)
        found = self._keys_named(name)
        if not found and now - self._tried_at >= self._pause:
            # The issuer may have changed its key a moment ago.
            await self._read(now)
            found = self._keys_named(name)
        return found

    def _keys_named(self, name: object) -> list[PyJWK]:
        return [key for key in self._keys if name is None or key.key_id is None or key.key_id == name]

    async def _read(self, now: float) -> None:
        """Read the keys again. After an error the old ones stay in use. Raises Unavailable without keys."""
        if now - self._tried_at < self._pause:
            if not self._keys:
                raise Unavailable("the issuer's keys could not be read a moment ago")
            return
        self._tried_at = now
        try:
            self._keys = _valid_keys(await self._source(), self._algorithms)
            self._read_at = now
        except (OSError, ValueError, RecursionError, Unavailable) as error:
            _log.warning("cannot read the keys of the token issuer: %s", error)
            if not self._keys:
                raise Unavailable("the issuer's keys can't be read") from None


def _valid_keys(document: bytes, algorithms: Sequence[str]) -> list[PyJWK]:
    """Public keys for these algorithms. Raises ValueError without one."""
    import jwt  # noqa: PLC0415

    whole = json.loads(document)
    listed = whole.get("keys") if isinstance(whole, dict) else None
    keys: list[PyJWK] = []
    for each in (listed if isinstance(listed, list) else [])[:MAX_KEYS]:
        try:
            key = jwt.PyJWK.from_dict(each)
        except Exception as error:  # noqa: BLE001 - one bad key must not affect the others
            _log.debug("a key of the issuer can't be used: %s", error)
            continue
        if key.algorithm_name in algorithms:
            keys.append(key)
    if not keys:
        raise ValueError("no key for a signature in the JWKS document")
    return keys
