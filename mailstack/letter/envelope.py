"""The envelope: who answers for a letter, who shall get it, and how it came to us (RFC 5321 §2.3.1)."""

from __future__ import annotations

from attrs import frozen

from mailstack.letter.address import Address, ReversePath
from mailstack.wire import HostPort, TlsFacts


@frozen
class Recipient:
    """One forward-path with its parameters (RFC 5321 §3.3; RFC 3461 §4)."""

    address: Address
    original: Address | None = None
    """What the sender wrote, when an alias led to `address`."""
    parameters: tuple[tuple[str, str], ...] = ()
    """RCPT parameters to be carried on, keyword in upper case and value as sent."""


@frozen
class Envelope:
    """MAIL and RCPT of one transaction."""

    sender: ReversePath
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    """What BODY= said: "7BIT" or "8BITMIME" (RFC 6152 §2)."""
    parameters: tuple[tuple[str, str], ...] = ()
    """MAIL parameters to be carried on, keyword in upper case and value as sent."""


@frozen
class Arrival:
    """When, from whom and over what a letter came; becomes its `Received:` field (RFC 5321 §4.4)."""

    at: float
    """UTC, as seconds since 1970."""
    office: str
    """The host name of the office that took it."""
    protocol: str
    """The `with` clause: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), or LOCAL for letters made here."""
    remote: HostPort | None = None
    helo: str = ""
    """What the client called itself; hostile text."""
    account: str | None = None
    """The account that authenticated itself."""
    mechanism: str | None = None
    """How: PLAIN, LOGIN …"""
    tls: TlsFacts | None = None
    name: str = ""
    """The client's name in the DNS, when it leads back to the address (RFC 8601 §2.7.3)."""
