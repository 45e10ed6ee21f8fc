"""SASL interfaces: mechanism, exchange with the client, and check of credentials (RFC 4422 §3).

A mechanism is one coroutine without I/O: `SaslExchange.ask` sends challenges, `SaslExchange.login` checks credentials. The
protocol that carries it does base64, `*` and timeouts (RFC 4954 §4, RFC 5034 §4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Protocol

from msgspec import Struct

from mailstack.letter.envelope import ClientCertificate, HostPort
from mailstack.protocols.connection import Peer
from mailstack.protocols.log import Redacted
from mailstack.protocols.sasl.credentials import Proof
from mailstack.protocols.sasl.scram_keys import ScramKeys

MAX_OCTETS = 1024
"""Maximum octets of one name or password (RFC 4616 §2: at least 255)."""


class Denied(Exception):
    """Wrong user, password or identity; the same for all, so that accounts can't be guessed."""

    def __init__(self, *args: object, trouble: Mapping[str, str] | None = None) -> None:
        """`trouble` is the error response for a refused token (RFC 7628 §3.2.2)."""
        super().__init__(*args)
        self.trouble = dict(trouble or {})

    def __str__(self) -> str:
        return "wrong user name or password"


class Unavailable(Exception):
    """Accounts are unavailable, or too many logins wait: 454 4.7.0 (RFC 4954 §6), [SYS/TEMP] (RFC 3206 §4)."""


class Malformed(Exception):
    """A response that breaks the mechanism's grammar: 501 5.5.2 (RFC 4954 §4)."""


class Cancelled(Exception):
    """The client cancelled the exchange with `*`: 501 5.7.0 (RFC 4954 §4)."""


def _no_binding(_kind: str) -> bytes | None:
    return None


class Channel(Struct, frozen=True):
    """Properties of the connection, for mechanisms."""

    host: str = ""
    """Name of this server."""
    binding: Callable[[str], bytes | None] = _no_binding
    """Data of a channel binding by its registered name (RFC 5056); None without it."""
    certificate: ClientCertificate | None = None
    """Verified client certificate; None without one."""

    @classmethod
    def for_peer(cls, peer: Peer[Any], host: str) -> Channel:
        """The present properties of a connection; they change with TLS and the end of its handshake."""
        tls = peer.tls
        return cls(host, peer.channel_binding, tls.client if tls else None)

    @property
    def bound(self) -> bool:
        """Whether the connection has a channel binding: TLS 1.3 (RFC 9266).

        tls-unique of TLS 1.2 is insecure without the extended master secret (RFC 7627), which OpenSSL does not report.
        """
        return self.binding(BINDINGS[0]) is not None


BINDINGS = ("tls-exporter", "tls-server-end-point")
"""Accepted channel bindings (RFC 9266, RFC 5929 §4)."""


class AccountLogin(Struct, frozen=True):
    """Login to an account, with the state of its credentials."""

    account: str
    """`Address.key` of the account."""
    credentials: str | None = None
    """`store.Account.credentials` before the proof; "" without a stored account; None if no change ends the login."""
    session: str = ""
    """SHA-256 of the cookie of a browser session, in hexadecimal; "" for other logins."""


class OpenSession(Protocol):
    """One session of a login."""

    async def holds(self) -> bool:
        """Whether the login is still valid. May raise store.StoreError."""

    def close(self) -> None:
        """Unregister the session."""


class Sessions(Protocol):
    """Open sessions; each ends when its login becomes invalid."""

    def open(self, login: AccountLogin, end: Callable[[], None], /) -> OpenSession:
        """Register a session; `end` ends it."""

    async def login_of(self, account: str, /) -> AccountLogin:
        """A login to an account that another host has authenticated. Raises Unavailable."""


class Authenticator(Protocol):
    """Check of credentials; `mailstack.accounts` implements it for real accounts."""

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        """Supported kinds of proof; mechanisms without one are not offered."""

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        """The login of a valid proof. Raises Denied, also for a proof to act for another account, and Unavailable."""

    async def scram_keys(self, username: str) -> ScramKeys:
        """SCRAM keys of a user, or fake ones for an unknown user (RFC 5802 §9). Raises Unavailable."""


class SaslExchange(Redacted, frozen=True):
    """One authentication, from the view of its mechanism."""

    SECRETS: ClassVar[tuple[str, ...]] = ("ask",)

    mechanism: str
    initial: bytes | None
    """Initial response, which may be empty; None without one."""
    channel: Channel
    authenticator: Authenticator
    remote: HostPort
    ask: Callable[[bytes], Awaitable[bytes]]
    """Coroutine that sends a challenge and returns the response. Raises Cancelled and errors of the protocol."""

    async def first(self) -> bytes:
        """First message of the client: the initial response, or the response to an empty challenge."""
        return await self.ask(b"") if self.initial is None else self.initial

    async def login(self, proof: Proof) -> AccountLogin:
        """The login. Raises Denied, Unavailable."""
        return await self.authenticator.login(proof, self.remote)


class Mechanism(Protocol):
    """Server side of an authentication exchange."""

    @property
    def name(self) -> str:
        """Registered name, in upper case."""

    @property
    def proof(self) -> type[Proof]:
        """Kind of proof that the mechanism passes to the authenticator."""

    def usable(self, channel: Channel) -> bool:
        """Whether the connection supports the mechanism; a requirement of TLS is checked elsewhere."""

    async def prove(self, exchange: SaslExchange, /) -> AccountLogin:
        """The login of the client. Raises Denied, Unavailable, Malformed, Cancelled."""


class Anywhere(Struct, frozen=True):
    """Mechanism without requirements on its connection."""

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
