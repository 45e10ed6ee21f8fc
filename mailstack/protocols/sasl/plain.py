"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login-00, obsolete): the password itself."""

from __future__ import annotations

from mailstack.protocols.sasl.credentials import Credentials
from mailstack.protocols.sasl.mechanism import AccountLogin, Anywhere, Malformed, SaslExchange, text


async def _prove_plain(exchange: SaslExchange) -> AccountLogin:
    # RFC 4616 §2: [authzid] NUL authcid NUL passwd
    parts = (await exchange.first()).split(b"\0")
    if len(parts) != 3:
        raise Malformed("PLAIN takes exactly two NULs")
    authzid, username, password = parts
    return await exchange.login(
        Credentials(
            username=text(username),
            password=text(password),
            mechanism=PLAIN.name,
            authzid=text(authzid) if authzid else "",
        )
    )


PLAIN = Anywhere("PLAIN", Credentials, _prove_plain)


async def _prove_login(exchange: SaslExchange) -> AccountLogin:
    # The draft has no initial response, but clients send the user name as one.
    username = text(await exchange.ask(b"Username:") if exchange.initial is None else exchange.initial)
    password = text(await exchange.ask(b"Password:"))
    return await exchange.login(Credentials(username=username, password=password, mechanism=LOGIN.name))


LOGIN = Anywhere("LOGIN", Credentials, _prove_login)
