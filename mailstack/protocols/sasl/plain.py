"""PLAIN (RFC 4616): one message, `[authzid] NUL authcid NUL passwd`."""

from __future__ import annotations

from mailstack.protocols.sasl.credentials import Credentials
from mailstack.protocols.sasl.mechanism import AccountLogin, Anywhere, Malformed, SaslExchange, text


async def _prove(exchange: SaslExchange) -> AccountLogin:
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


PLAIN = Anywhere("PLAIN", Credentials, _prove)
