"""SASL client: choice of a mechanism, and its responses (RFC 4422 §3.1)."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailstack.protocols.sasl import scram_keys
from mailstack.protocols.sasl.scram_keys import ScramKeys, client_proof, saslprep

MAX_ITERATIONS = 1_000_000
"""Maximum iterations: a server with more may be an attacker."""

Binding = Callable[[str], bytes | None]
"""Channel binding data by name; `Peer.channel_binding`."""

Derive = Callable[[str, bytes, int], Awaitable[bytes]]
"""`scram_keys.salted`, run outside the reactor thread."""


class ServerNotTrusted(Exception):
    """The server violates the mechanism; str() is the reason."""


class ClientMechanism(Protocol):
    """Client side of one exchange."""

    name: str
    initial: bytes | None
    """Initial response; None without one."""
    trusts: bool
    """Whether the server has proved its identity, if the mechanism requires it."""

    async def respond(self, challenge: bytes) -> bytes:
        """The response to a challenge. Raises ServerNotTrusted."""


def choose(
    offered: Sequence[str], username: str, password: str, binding: Binding, derive: Derive
) -> ClientMechanism | None:
    """Best supported mechanism for a password among those offered; None without one."""
    data = binding("tls-exporter")
    try:
        prepared = saslprep(username), saslprep(password)
    except ValueError:
        prepared = None
    if prepared is not None:
        if ScramAnswer.plus in offered and data is not None:
            return ScramAnswer(*prepared, derive, name=ScramAnswer.plus, header="p=tls-exporter,,", binding=data)
        if "SCRAM-SHA-256" in offered:
            # "y": a server that does offer -PLUS detects the downgrade (RFC 5802 §6).
            flag = "y,," if data is not None and ScramAnswer.plus not in offered else "n,,"
            return ScramAnswer(*prepared, derive, name="SCRAM-SHA-256", header=flag)
    if "PLAIN" in offered:
        return PlainAnswer(username, password)
    return LoginAnswer(username, password) if "LOGIN" in offered else None


def choose_bearer(offered: Sequence[str], username: str, token: str) -> ClientMechanism | None:
    """Mechanism for a bearer token: OAUTHBEARER or Google's older XOAUTH2; None without one."""
    for name in BearerAnswer.NAMES:
        if name in offered:
            return BearerAnswer(name, username, token)
    return None


class BearerAnswer:
    """OAUTHBEARER (RFC 7628 §3.1) and XOAUTH2."""

    NAMES = ("OAUTHBEARER", "XOAUTH2")
    trusts = True

    def __init__(self, name: str, username: str, token: str) -> None:
        self.name = name
        if name == "OAUTHBEARER":
            escaped = username.replace("=", "=3D").replace(",", "=2C")
            message = f"n,a={escaped},\x01auth=Bearer {token}\x01\x01"
        else:
            message = f"user={username}\x01auth=Bearer {token}\x01\x01"
        self.initial: bytes | None = message.encode()
        self._is_refused = False

    async def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002
        """Response to the error, after which the server refuses the token (RFC 7628 §3.2.3)."""
        if self._is_refused:
            raise ServerNotTrusted(f"{self.name} has only one challenge")
        self._is_refused = True
        return b"\x01" if self.name == "OAUTHBEARER" else b""


class PlainAnswer:
    """PLAIN (RFC 4616 §2): [authzid] NUL authcid NUL passwd."""

    name = "PLAIN"
    trusts = True

    def __init__(self, username: str, password: str) -> None:
        self.initial: bytes | None = f"\0{username}\0{password}".encode()

    async def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002
        raise ServerNotTrusted("PLAIN has no challenge")


class LoginAnswer:
    """LOGIN: two prompts of any text."""

    name = "LOGIN"
    trusts = True
    initial: bytes | None = None

    def __init__(self, username: str, password: str) -> None:
        self._answers = [username.encode(), password.encode()]

    async def respond(self, challenge: bytes) -> bytes:  # noqa: ARG002
        if not self._answers:
            raise ServerNotTrusted("LOGIN has only two prompts")
        return self._answers.pop(0)


_SERVER_FIRST = re.compile(r"r=([!-+\--~]+),s=([A-Za-z0-9+/=]+),i=([0-9]{1,8})(?:,.*)?\Z")


class ScramAnswer:
    """SCRAM-SHA-256 and -PLUS (RFC 5802 §5); the server, too, proves knowledge of the password."""

    plus = "SCRAM-SHA-256-PLUS"

    def __init__(
        self, username: str, password: str, derive: Derive, *, name: str, header: str, binding: bytes = b""
    ) -> None:
        self.name = name
        self.trusts = False
        self._password = password
        self._derive = derive
        self._bound = base64.b64encode(header.encode() + binding).decode("ascii")
        self._nonce = secrets.token_urlsafe(24)
        escaped = username.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={escaped},r={self._nonce}"
        self.initial: bytes | None = (header + self._bare).encode()
        self._signature = b""

    async def respond(self, challenge: bytes) -> bytes:
        if self._signature:
            self._verify(challenge)
            return b""
        return await self._prove(challenge)

    async def _prove(self, challenge: bytes) -> bytes:
        first = challenge.decode("utf-8", "replace")
        match = _SERVER_FIRST.match(first)
        if match is None or not match[1].startswith(self._nonce) or match[1] == self._nonce:
            raise ServerNotTrusted("the server's first message is invalid, or has another nonce")
        iterations = int(match[3])
        if not scram_keys.MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise ServerNotTrusted(f"the server requests {iterations} iterations")
        try:
            salt = base64.b64decode(match[2], validate=True)
        except binascii.Error:
            raise ServerNotTrusted("the salt is not base64") from None
        salted = await self._derive(self._password, salt, iterations)
        without_proof = f"c={self._bound},r={match[1]}"
        message = f"{self._bare},{first},{without_proof}".encode()
        self._signature = ScramKeys.from_salted_password(salted, salt, iterations).sign(message)
        proof = base64.b64encode(client_proof(salted, message)).decode("ascii")
        return f"{without_proof},p={proof}".encode()

    def _verify(self, challenge: bytes) -> None:
        expected = b"v=" + base64.b64encode(self._signature)
        if self.trusts or not hmac.compare_digest(challenge, expected):
            raise ServerNotTrusted("the server does not know the password")
        self.trusts = True


async def derive_here(password: str, salt: bytes, iterations: int) -> bytes:
    """SaltedPassword, computed in the calling thread: it blocks."""
    return scram_keys.salted(password, salt, iterations)
