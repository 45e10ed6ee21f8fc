"""Token introspection: asks the issuer about each token (RFC 7662)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from mailstack.accounts.tokens import BadToken, Claims
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Unavailable
from mailstack.protocols.ttl_cache import TTLCache

Ask = Callable[[bytes], Awaitable[bytes]]
"""Posts a form to the issuer, gives its answer. Raises OSError, sasl.Unavailable."""


class IntrospectedTokens:
    """A tokens.TokenReader that remembers for a moment what it was told of a good token."""

    def __init__(self, ask: Ask, clock: Clock, *, issuer: str, remember: float = 60.0, capacity: int = 10000) -> None:
        """`issuer` completes an answer without one. `remember` in seconds."""
        self._ask = ask
        self._issuer = issuer
        self._known: TTLCache[bytes, Claims] = TTLCache(clock.steady, remember, capacity)

    async def claims(self, token: str) -> Claims:
        """Raises BadToken, sasl.Unavailable."""
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None:
            return known
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        try:
            answer = json.loads(await self._ask(form))
        except (OSError, ValueError, RecursionError) as error:
            raise Unavailable(f"the issuer can't be asked about a token: {error}") from None
        if not isinstance(answer, dict) or answer.get("active") is not True:
            raise BadToken("the issuer says that it is not active")
        answer.setdefault("iss", self._issuer)
        self._known.put(digest, answer)
        return answer
