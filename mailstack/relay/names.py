"""What the relay asks of the domain name system, and the three ways not to get it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class MailExchange(NamedTuple):
    """One MX record (RFC 1035 §3.3.9)."""

    preference: int
    """0 to 65535; the lowest is tried first."""
    host: str
    """As the record says it, without its final dot; "" is the root. Hostile text."""


class NoSuchDomain(Exception):
    """The name does not exist (NXDOMAIN); str() says which."""


class NamesUnavailable(Exception):
    """Nobody could say for now: SERVFAIL, no answer, an endless chain of aliases; str() says why, for people."""


class Names(Protocol):
    """Looks names up and follows CNAME records, as a resolver does (RFC 5321 §5.1).

    A name that exists without records of the wanted type gives an empty tuple.
    Both raise NoSuchDomain and NamesUnavailable, and nothing else.
    """

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records, in no order."""

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The A and AAAA records as IP addresses in text."""
