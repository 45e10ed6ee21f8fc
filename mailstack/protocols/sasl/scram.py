"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server side (RFC 5802, RFC 7677).

RFC 5802 §5 has the messages, §6 the channel binding, §7 the grammar; RFC 7677 the hash.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets

from msgspec import Struct

from mailstack.protocols.sasl.credentials import Proof, ScramProof
from mailstack.protocols.sasl.mechanism import (
    BINDINGS,
    MAX_OCTETS,
    AccountLogin,
    Channel,
    Denied,
    Malformed,
    SaslExchange,
)
from mailstack.protocols.sasl.scram_keys import saslprep

MAX_MESSAGE = 4096
"""Octets of one message of the client."""

# RFC 5802 §7: gs2-header = ("p=" cb-name / "n" / "y") "," [ "a=" saslname ] ","
_FIRST = re.compile(
    r"(?:p=([A-Za-z0-9.-]{1,64})|([ny])),(?:a=([^,\0]+))?,(n=([^,\0]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)\Z"
)
_FINAL = re.compile(r"(c=([A-Za-z0-9+/=]+),r=([!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*),p=([A-Za-z0-9+/=]+)\Z")
_ESCAPE = re.compile(r"=(2C|3D)?")


class Scram(Struct, frozen=True):
    """One mechanism of the SCRAM family."""

    name: str
    plus: bool
    """Whether the mechanism requires a channel binding."""
    proof: type[Proof] = ScramProof

    def usable(self, channel: Channel) -> bool:
        # Both or neither: libgsasl 2.2 fails if it can bind but only the unbound mechanism is offered.
        return channel.bound

    async def prove(self, exchange: SaslExchange) -> AccountLogin:
        """RFC 5802 §5: client-first, server-first, client-final, server-final."""
        first = _ClientFirst.read(await exchange.first())
        bound = first.header.encode() + self._binding(first, exchange.channel)
        keys = await exchange.authenticator.scram_keys(first.username)
        nonce = first.nonce + secrets.token_urlsafe(24)
        challenge = f"r={nonce},s={_base64(keys.salt)},i={keys.iterations}"
        final = _text(await exchange.ask(challenge.encode()))
        match = _FINAL.match(final)
        if match is None:
            raise Malformed("the client's final message does not follow SCRAM's grammar")
        without_proof, repeated = match[1], match[3]
        binding, proof = _octets(match[2]), _octets(match[4])
        message = f"{first.bare},{challenge},{without_proof}".encode()
        same = hmac.compare_digest(repeated, nonce) and hmac.compare_digest(binding, bound)
        # A modified message fails at the same place and time as a wrong password.
        evidence = ScramProof(
            username=first.username,
            mechanism=self.name,
            authzid=first.authzid,
            message=message,
            proof=proof if same else b"",
        )
        account = await exchange.login(evidence)
        # RFC 4954 §4: 235 has no data, so the signature is a challenge.
        if await exchange.ask(f"v={_base64(keys.sign(message))}".encode()):
            raise Malformed("the response to the server's signature is not empty")
        return account

    def _binding(self, first: _ClientFirst, channel: Channel) -> bytes:
        """Channel binding data that the client must include (RFC 5802 §6). Raises Denied, Malformed."""
        if self.plus != bool(first.binding):
            raise Malformed("the mechanism's name and its channel binding flag do not match")
        if not self.plus:
            if first.flag == "y" and channel.bound:
                # The client supports binding, but did not see the -PLUS mechanism.
                raise Denied("a SCRAM client was downgraded to no channel binding")
            return b""
        data = channel.binding(first.binding) if first.binding in BINDINGS else None
        if data is None:
            raise Denied(f"no channel binding {first.binding!r} here")
        return data


SCRAM_PLUS = Scram("SCRAM-SHA-256-PLUS", plus=True)
SCRAM = Scram("SCRAM-SHA-256", plus=False)


class _ClientFirst(Struct, frozen=True):
    """client-first-message (RFC 5802 §7)."""

    header: str
    """gs2-header, with its commas."""
    flag: str
    binding: str
    """Name of a channel binding; "" without one."""
    authzid: str
    bare: str
    username: str
    nonce: str

    @classmethod
    def read(cls, octets: bytes) -> _ClientFirst:
        """Parse a client-first-message. Raises Malformed."""
        message = _text(octets)
        match = _FIRST.match(message)
        if match is None:
            raise Malformed("the client's first message does not follow SCRAM's grammar")
        binding, flag, authzid, bare, username, nonce = match.groups()
        header = message[: len(message) - len(bare)]
        return cls(header, flag or "p", binding or "", _name(authzid), bare, _name(username), nonce)


def _name(written: str | None) -> str:
    """saslname: `=2C` is a comma, `=3D` an equals sign. Raises Malformed."""

    def unescape(match: re.Match[str]) -> str:
        if match[1] is None:
            raise Malformed("`=` in a name is written =3D")
        return "," if match[1] == "2C" else "="

    if written is None:
        return ""
    try:
        name = saslprep(_ESCAPE.sub(unescape, written))
    except ValueError as error:
        raise Malformed(str(error)) from None
    if not 0 < len(name.encode()) <= MAX_OCTETS:
        raise Malformed(f"a name is empty or longer than {MAX_OCTETS} octets")
    return name


def _text(octets: bytes) -> str:
    if len(octets) > MAX_MESSAGE:
        raise Malformed(f"a message is longer than {MAX_MESSAGE} octets")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Malformed("a message is not UTF-8") from None


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Malformed("an attribute is not base64") from None


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
