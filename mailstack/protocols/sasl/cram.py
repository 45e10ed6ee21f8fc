"""CRAM-MD5 (RFC 2195), for passwords stored as plain text only."""

from __future__ import annotations

import re
import secrets

from mailstack.protocols.sasl.credentials import DigestProof
from mailstack.protocols.sasl.mechanism import AccountLogin, Anywhere, Malformed, SaslExchange, text

_DIGEST = re.compile(rb"(.+) ([0-9a-f]{32})\Z", re.DOTALL)


def fresh_id(host: str) -> bytes:
    """An unpredictable msg-id (RFC 2195 §2, RFC 1939 §7)."""
    return f"<{secrets.token_hex(16)}@{host or 'localhost'}>".encode("ascii", "replace")


async def _prove(exchange: SaslExchange) -> AccountLogin:
    if exchange.initial is not None:
        raise Malformed("CRAM-MD5 does not allow an initial response")
    challenge = fresh_id(exchange.channel.host)
    match = _DIGEST.match(await exchange.ask(challenge))
    if match is None:
        raise Malformed("the response is not a name, a blank and a digest")
    return await exchange.login(
        DigestProof(username=text(match[1]), mechanism=CRAM_MD5.name, challenge=challenge, digest=match[2].decode())
    )


CRAM_MD5 = Anywhere("CRAM-MD5", DigestProof, _prove)
