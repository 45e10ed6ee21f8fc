"""OAUTHBEARER (RFC 7628) and XOAUTH2: a token in place of a password."""

from __future__ import annotations

import json
import re

from mailstack.protocols.sasl.credentials import Token
from mailstack.protocols.sasl.mechanism import MAX_OCTETS, AccountLogin, Anywhere, Denied, Malformed, SaslExchange

MAX_MESSAGE = 10240
"""Maximum octets of a token, for a line of AUTH (RFC 4954 §4)."""

# RFC 6750 §2.1: b64token
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)\Z", re.IGNORECASE)
# RFC 7628 §3.1: client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep; kvpair = key "=" value kvsep
_GS2 = re.compile(r"[ny],(?:a=([^,\x01]*))?,\x01")


async def _oauthbearer(exchange: SaslExchange) -> AccountLogin:
    message = _text(await exchange.first())
    match = _GS2.match(message)
    if match is None:
        raise Malformed("the message does not start with a GS2 header")
    pairs = _pairs(message[match.end() :])
    username = (match[1] or "").replace("=2C", ",").replace("=3D", "=")
    return await _prove(exchange, OAUTHBEARER.name, username, pairs)


async def _xoauth2(exchange: SaslExchange) -> AccountLogin:
    pairs = _pairs(_text(await exchange.first()))
    return await _prove(exchange, XOAUTH2.name, pairs.get("user", ""), pairs)


async def _prove(exchange: SaslExchange, name: str, username: str, pairs: dict[str, str]) -> AccountLogin:
    match = _BEARER.match(pairs.get("auth", ""))
    if match is None or len(match[1]) > MAX_MESSAGE:
        raise Malformed("there is no bearer token in the message")
    try:
        return await exchange.login(Token(username=username, mechanism=name, token=match[1]))
    except Denied as denied:
        # RFC 7628 §3.2.3: the client acknowledges the error with one octet (XOAUTH2: none) before the refusal.
        await exchange.ask(json.dumps({"status": "invalid_token", **denied.trouble}).encode())
        raise


def _pairs(text: str) -> dict[str, str]:
    if not text.endswith("\x01\x01"):
        raise Malformed("the message does not end with two ^A")
    pairs: dict[str, str] = {}
    for pair in text[:-2].split("\x01"):
        key, equals, value = pair.partition("=")
        if not equals or key.lower() in pairs:
            raise Malformed("a pair of the message has no value or is repeated")
        pairs[key.lower()] = value
    return pairs


def _text(octets: bytes) -> str:
    if len(octets) > MAX_MESSAGE + 2 * MAX_OCTETS:
        raise Malformed("the message is too long")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Malformed("the message is not UTF-8") from None


OAUTHBEARER = Anywhere("OAUTHBEARER", Token, _oauthbearer)
XOAUTH2 = Anywhere("XOAUTH2", Token, _xoauth2)
