"""What the relay asks of the domain name system, and the three ways not to get it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mailstack.protocols.connection import Tlsa


class MailExchange(NamedTuple):
    """One MX record (RFC 1035 §3.3.9)."""

    preference: int
    """0 to 65535; the lowest is tried first."""
    host: str
    """As the record says it, without its final dot; "" is the root. Hostile text."""
    signed: bool = False
    """Whether the resolver says that DNSSEC vouches for it (the AD bit, RFC 4035 §3.2.3)."""


class NoSuchDomain(Exception):
    """The name does not exist (NXDOMAIN); str() says which."""


class DnsUnavailable(Exception):
    """Nobody could say at that moment: SERVFAIL, no answer, an endless chain of aliases; str() says why, for people."""


class DnsResolver(Protocol):
    """Looks names up and follows CNAME records, as a resolver does (RFC 5321 §5.1).

    A name that exists without records of the wanted type gives an empty tuple.
    They raise NoSuchDomain and DnsUnavailable as they say, and nothing else.
    """

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records, in no order. Raises NoSuchDomain, DnsUnavailable."""

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The A and AAAA records as IP addresses in text. Raises NoSuchDomain, DnsUnavailable."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records, the strings of each joined; hostile text. Raises NoSuchDomain, DnsUnavailable."""

    async def signed_name(self, host: str) -> str | None:
        """The name at which DNSSEC vouches for the addresses of a host: its own, or the one that its aliases lead to.

        None when it doesn't vouch for all of them, aliases included. Raises DnsUnavailable.
        """

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        """The TLSA records that DNSSEC vouches for; empty also for a name that does not exist. Raises DnsUnavailable."""
