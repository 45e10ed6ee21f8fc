"""AUTH exchange of one SASL mechanism, and its replies (RFC 4954 §4, §6)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.protocols.sasl import MECHANISMS, AccountLogin, Cancelled, Malformed, SaslExchange, Unavailable
from mailstack.protocols.smtp.replies import Refusal
from mailstack.protocols.smtp.standard_replies import AUTH_CANCELLED, AUTH_MALFORMED, AUTH_UNAVAILABLE


class AuthenticatedUser(Struct, frozen=True):
    """Who authenticated, and how."""

    login: AccountLogin
    mechanism: str

    @property
    def account(self) -> str:
        return self.login.account


async def authenticate(exchange: SaslExchange) -> AuthenticatedUser:
    """Who the client proved to be. Raises Denied for a wrong proof, which counts as a guess; Refusal for all else."""
    name = exchange.mechanism
    try:
        return AuthenticatedUser(await MECHANISMS[name].prove(exchange), name)
    except Cancelled:
        raise Refusal(AUTH_CANCELLED) from None
    except Malformed as malformed:
        raise Refusal(AUTH_MALFORMED, f"{name}: {malformed}") from None
    except Unavailable as trouble:
        raise Refusal(AUTH_UNAVAILABLE, f"{name}: {trouble}") from None
