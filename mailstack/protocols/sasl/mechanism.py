"""Interfaces of a SASL mechanism, its protocol and the accounts (RFC 4422 §3).

A mechanism is one coroutine without I/O of its own: it asks the client by `SaslExchange.ask`, and the keeper of accounts by
`SaslExchange.login`. The carrying protocol does the base64, the `*` and the timeouts (RFC 4954 §4, RFC 5034 §4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from mailstack.letter.envelope import ClientCertificate, HostPort
from mailstack.protocols.connection import Peer
from mailstack.protocols.log import Redacted
from mailstack.protocols.sasl.credentials import Credentials, Proof
from mailstack.protocols.sasl.scram_keys import ScramKeys

MAX_OCTETS = 1024
"""Octets of one name or password (RFC 4616 §2 asks for at least 255)."""


class Denied(Exception):
    """Wrong user, password or identity. One and the same for all of them, so that no account can be guessed."""

    def __init__(self, *args: object, trouble: Mapping[str, str] | None = None) -> None:
        """`trouble` is what the issuer's clients are told of a token that is not taken (RFC 7628 §3.2.2)."""
        super().__init__(*args)
        self.trouble = dict(trouble or {})

    def __str__(self) -> str:
        return "wrong user name or password"


class Unavailable(Exception):
    """Accounts can't be looked up, or too many logins wait: 454 4.7.0 (RFC 4954 §6), [SYS/TEMP] (RFC 3206 §4)."""


class Malformed(Exception):
    """A response that breaks the mechanism's grammar: 501 5.5.2 (RFC 4954 §4)."""


class Cancelled(Exception):
    """The client gave up with `*`: 501 5.7.0 (RFC 4954 §4)."""


def _no_binding(_kind: str) -> bytes | None:
    return None


class Channel(Struct, frozen=True):
    """What a mechanism may know of the connection that carries it."""

    host: str = ""
    """Our name."""
    binding: Callable[[str], bytes | None] = _no_binding
    """The data of a channel binding by its registered name (RFC 5056); None where there is none."""
    certificate: ClientCertificate | None = None
    """The client's own, verified."""

    @classmethod
    def for_peer(cls, peer: Peer[Any], host: str) -> Channel:
        """The facts of a connection as they are now: TLS may begin later, and its handshake end later still."""
        tls = peer.tls
        return cls(host, peer.channel_binding, tls.client if tls else None)

    @property
    def bound(self) -> bool:
        """Whether an authentication can be bound to the connection: TLS 1.3 (RFC 9266).

        Under TLS 1.2 clients would bind by tls-unique, which does not hold without the extended master secret
        (RFC 7627), and OpenSSL's binding doesn't tell whether that is in use.
        """
        return self.binding(BINDINGS[0]) is not None


BINDINGS = ("tls-exporter", "tls-server-end-point")
"""Channel bindings that are taken (RFC 9266, RFC 5929 §4)."""


class AccountLogin(Struct, frozen=True):
    """Login to an account, with the state of the credentials that it rests on."""

    account: str
    """`Address.key` of the account."""
    credentials: str | None = None
    """`store.Account.credentials` of before the proof; "" without a stored account, None: no change ends the login."""
    session: str = ""
    """SHA-256 of the cookie of a browser's session, in hexadecimal; "" for every other login."""


class OpenSession(Protocol):
    """One session that a login has opened."""

    async def holds(self) -> bool:
        """Whether the login holds at this moment. May raise store.StoreError."""

    def close(self) -> None:
        """The session is over."""


class Sessions(Protocol):
    """Open sessions, each of which ends when its login does not hold any longer."""

    def open(self, login: AccountLogin, end: Callable[[], None], /) -> OpenSession:
        """Register a session; `end` ends it."""

    async def login_of(self, account: str, /) -> AccountLogin:
        """A login to an account that another host has authenticated. Raises Unavailable."""


class Authenticator(Protocol):
    """Check of credentials; `mailstack.accounts` has the one for real accounts."""

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        """The kinds of proof that can be decided here; mechanisms that bring others are not offered."""

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """The login to the account that is proved.

        Raises Denied, also when the proof doesn't act for that account itself; Unavailable.
        """

    async def scram_keys(self, username: str) -> ScramKeys:
        """What SCRAM asks of this user; for a stranger something that looks the same (RFC 5802 §9). Raises Unavailable."""


class SaslExchange(Redacted, frozen=True):
    """One authentication under way, as its mechanism sees it."""

    SECRETS: ClassVar[tuple[str, ...]] = ("ask",)

    mechanism: str
    initial: bytes | None
    """The initial response; b"" is an empty one, None is none."""
    channel: Channel
    authenticator: Authenticator
    remote: HostPort
    ask: Callable[[bytes], Awaitable[bytes]]
    """Sends a challenge, gives the response. Raises Cancelled, and what the carrier needs to end the connection."""

    async def first(self) -> bytes:
        """The client's first message, which an empty challenge asks for when it did not come by itself."""
        return await self.ask(b"") if self.initial is None else self.initial

    async def login(self, proof: Proof) -> AccountLogin:
        """The login. Raises Denied, Unavailable."""
        return await self.authenticator.login(proof, self.remote)


class Mechanism(Protocol):
    """The server's side of an authentication exchange."""

    @property
    def name(self) -> str:
        """As registered, in upper case."""

    @property
    def proof(self) -> type[Proof]:
        """What it brings to the authenticator."""

    def usable(self, channel: Channel) -> bool:
        """Whether it can work on this connection; whether TLS is required is decided elsewhere."""

    async def prove(self, exchange: SaslExchange, /) -> AccountLogin:
        """The login that the client proved. Raises Denied, Unavailable, Malformed, Cancelled."""


class Anywhere(Struct, frozen=True):
    """A mechanism that asks nothing of its connection."""

    name: str
    proof: type[Proof]
    prove: Callable[[SaslExchange], Coroutine[Any, Any, AccountLogin]]

    def usable(self, channel: Channel) -> bool:  # noqa: ARG002
        return True


def text(octets: bytes) -> str:
    """A name or password: UTF-8, not empty, no NUL, bounded (RFC 4616 §2). Raises Malformed."""
    if not 0 < len(octets) <= MAX_OCTETS:
        raise Malformed(f"a name or password is empty or longer than {MAX_OCTETS} octets")
    if b"\0" in octets:
        raise Malformed("a name or password holds a NUL")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Malformed("a name or password is not UTF-8") from None


__all__ = [
    "BINDINGS",
    "MAX_OCTETS",
    "AccountLogin",
    "Anywhere",
    "Authenticator",
    "Cancelled",
    "Channel",
    "Credentials",
    "Denied",
    "Malformed",
    "Mechanism",
    "OpenSession",
    "SaslExchange",
    "Sessions",
    "Unavailable",
    "text",
]
