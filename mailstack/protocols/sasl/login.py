"""LOGIN (draft-murchison-sasl-login-00): obsolete, for clients without PLAIN."""

from __future__ import annotations

from mailstack.protocols.sasl.credentials import Credentials
from mailstack.protocols.sasl.mechanism import AccountLogin, Anywhere, SaslExchange, text


async def _prove(exchange: SaslExchange) -> AccountLogin:
    # The draft has no initial response, but clients send the user name as one.
    username = text(await exchange.ask(b"Username:") if exchange.initial is None else exchange.initial)
    password = text(await exchange.ask(b"Password:"))
    return await exchange.login(Credentials(username=username, password=password, mechanism=LOGIN.name))


LOGIN = Anywhere("LOGIN", Credentials, _prove)
