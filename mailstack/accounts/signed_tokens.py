"""Signed tokens (JWT), verified with the issuer's published keys (RFC 7515, RFC 7519)."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from mailstack.accounts.tokens import BadToken, Claims
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK

_log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Accepted algorithms, all with a public key (RFC 8725 §3.1): a shared secret, or none, is never valid."""

MAX_KEYS = 32

Source = Callable[[], Awaitable[bytes]]
"""Gives the JWKS document, of a file or from the network. Raises OSError, sasl.Unavailable."""


class SignedTokens:
    """A tokens.TokenReader. Keys are read when they are first needed, and again when they are old or one is missing."""

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
        for key in await self._fitting(name):
            try:
                # The key says which algorithm it is for; the token's word on that counts only if it is the same.
                claims: Claims = jwt.decode(token, key, algorithms=self._algorithms, options=options)
            except jwt.InvalidTokenError:
                continue
            except Exception as error:  # noqa: BLE001 - a key and a token that do not go together at all
                _log.debug("a token and a key do not go together: %s", error)
                continue
            return claims
        raise BadToken("no key of the issuer has signed it")

    async def _fitting(self, name: object) -> list[PyJWK]:
        """The keys that may have signed, by the name that the token gives."""
        now = self._clock.now()
        if now - self._read_at >= self._refresh:
            await self._read(now)
        found = self._named(name)
        if not found and now - self._tried_at >= self._pause:
            # The issuer may have changed its key a moment ago.
            await self._read(now)
            found = self._named(name)
        return found

    def _named(self, name: object) -> list[PyJWK]:
        return [key for key in self._keys if name is None or key.key_id is None or key.key_id == name]

    async def _read(self, now: float) -> None:
        """Read the keys again, and keep the old ones when that fails: an issuer may be down for an hour."""
        if now - self._tried_at < self._pause:
            if not self._keys:
                raise Unavailable("the issuer's keys could not be had a moment ago")
            return
        self._tried_at = now
        try:
            self._keys = _valid_keys(await self._source(), self._algorithms)
            self._read_at = now
        except (OSError, ValueError, RecursionError, Unavailable) as error:
            _log.warning("the keys of the tokens' issuer can't be had: %s", error)
            if not self._keys:
                raise Unavailable("the issuer's keys can't be had") from None


def _valid_keys(document: bytes, algorithms: Sequence[str]) -> list[PyJWK]:
    """The public keys for our algorithms. Raises ValueError when there is none."""
    import jwt  # noqa: PLC0415

    whole = json.loads(document)
    listed = whole.get("keys") if isinstance(whole, dict) else None
    keys: list[PyJWK] = []
    for each in (listed if isinstance(listed, list) else [])[:MAX_KEYS]:
        try:
            key = jwt.PyJWK.from_dict(each)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one key, the others are still good
            _log.debug("a key of the issuer can't be used: %s", error)
            continue
        if key.algorithm_name in algorithms:
            keys.append(key)
    if not keys:
        raise ValueError("no key for a signature in the JWKS document")
    return keys
