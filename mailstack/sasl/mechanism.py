"""What a SASL mechanism, the protocol that carries it, and the keeper of accounts ask of each other (RFC 4422 §3).

A mechanism is sans-IO: responses in, challenges or credentials out. The carrying protocol does the base64, the `*`
and the timeouts (RFC 4954 §4, RFC 5034 §4); the authenticator decides.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from attrs import field, frozen

from mailstack.wire import HostPort

MAX_OCTETS = 1024
"""Octets of one name or password (RFC 4616 §2 asks for at least 255)."""


@frozen
class Credentials:
    """What the client claims to be, for the authenticator to check."""

    username: str
    """The authentication identity, as sent: hostile text."""
    password: str = field(repr=False)
    mechanism: str
    """What it came by: a SASL mechanism's name, or USER for POP3's own commands."""
    authzid: str = ""
    """The identity to act as; empty when it is that of `username` (RFC 4422 §3.4.1)."""

    def acts_for(self, account: str) -> bool:
        """Whether no identity is asked for but `account`'s own: nobody here may act for another (RFC 4616 §2)."""
        return self.authzid.casefold() in {"", self.username.casefold(), account.casefold()}


@frozen
class Challenge:
    """What the client is to answer next."""

    octets: bytes
    """Before base64; may be empty."""


class Denied(Exception):
    """Wrong user, password or identity. One and the same for all of them, so that no account can be guessed."""

    def __str__(self) -> str:
        return "wrong user name or password"


class Unavailable(Exception):
    """Accounts can't be looked up, or too many logins wait: 454 4.7.0 (RFC 4954 §6), [SYS/TEMP] (RFC 3206 §4)."""


class Malformed(Exception):
    """A response that breaks the mechanism's grammar: 501 5.5.2 (RFC 4954 §4)."""


class Mechanism(Protocol):
    """The server's side of one authentication exchange; each is used once."""

    name: ClassVar[str]
    """As registered, in upper case."""

    def begin(self, initial: bytes | None) -> Challenge | Credentials:
        """Start, with the initial response (b"" is an empty one) or None without. Raises Malformed."""

    def respond(self, response: bytes) -> Challenge | Credentials:
        """The answer to the last challenge. Raises Malformed."""


class Authenticator(Protocol):
    """Who may come in; `mailstack.accounts` has the one for real accounts."""

    async def login(self, credentials: Credentials, remote: HostPort) -> str:
        """The account's address (`Address.key`).

        Raises Denied, also when the credentials don't act for that account itself; Unavailable.
        """


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
