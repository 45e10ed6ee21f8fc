"""DNS interface of the relay, and its errors."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mailstack.protocols.connection import Tlsa


class MailExchange(NamedTuple):
    """One MX record (RFC 1035 §3.3.9)."""

    preference: int
    """0 to 65535; the lowest is tried first."""
    host: str
    """Name in the record, without its final dot; "" is the root. Untrusted text."""
    signed: bool = False
    """Whether the resolver has validated it by DNSSEC (the AD bit, RFC 4035 §3.2.3)."""


class NoSuchDomain(Exception):
    """The name does not exist (NXDOMAIN); str() contains it."""


class DnsUnavailable(Exception):
    """No usable answer at present: SERVFAIL, a timeout, an endless chain of aliases. str() is the reason, for people."""


class DnsResolver(Protocol):
    """Looks names up and follows CNAME records, as a resolver does (RFC 5321 §5.1).

    A name that exists without records of the wanted type gives an empty tuple.
    The methods raise only the exceptions that they document.
    """

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        """The MX records, in no order. Raises NoSuchDomain, DnsUnavailable."""

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The A and AAAA records as IP addresses in text. Raises NoSuchDomain, DnsUnavailable."""

    async def txt(self, name: str) -> tuple[str, ...]:
        """The TXT records, each with its strings joined; untrusted text. Raises NoSuchDomain, DnsUnavailable."""

    async def signed_name(self, host: str) -> str | None:
        """The host's name, or the target of its aliases, if DNSSEC validates them and the addresses; else None.

        Raises DnsUnavailable.
        """

    async def tlsa(self, name: str) -> tuple[Tlsa, ...]:
        """The TLSA records that DNSSEC validates; empty for a name that does not exist. Raises DnsUnavailable."""
