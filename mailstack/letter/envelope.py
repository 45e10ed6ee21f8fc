"""Envelope: reverse-path, recipients, and the record of the arrival (RFC 5321 §2.3.1)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.address import Address, ReversePath
from mailstack.letter.connection import HostPort, TlsInfo

Event = Literal["SUCCESS", "FAILURE", "DELAY"]
"""Events that NOTIFY can name (RFC 3461 §4.1)."""


class Recipient(Struct, frozen=True):
    """One forward-path with its parameters (RFC 5321 §3.3; RFC 3461 §4)."""

    address: Address
    original: Address | None = None
    """Address that the sender wrote, when an alias led to `address`."""
    parameters: tuple[tuple[str, str], ...] = ()
    """RCPT parameters to be carried on, keyword in upper case and value as sent."""

    def wants_report(self, event: Event) -> bool:
        """Whether the sender is to be told of this (RFC 3461 §4.1); of failure and delay if it didn't say."""
        for keyword, value in self.parameters:
            if keyword == "NOTIFY":
                return event in value.upper().split(",")
        return event != "SUCCESS"

    def without_success(self) -> Recipient:
        """The same without SUCCESS, for members of an alias after the report of its own success (RFC 3461 §5.2.7.3)."""
        if not self.wants_report("SUCCESS"):
            return self
        return replace(self, parameters=tuple((keyword, _left(keyword, value)) for keyword, value in self.parameters))


def _left(keyword: str, value: str) -> str:
    if keyword != "NOTIFY":
        return value
    return ",".join([event for event in value.upper().split(",") if event != "SUCCESS"]) or "NEVER"


class Envelope(Struct, frozen=True):
    """MAIL and RCPT of one transaction."""

    sender: ReversePath
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    """Value of BODY: "7BIT", "8BITMIME" (RFC 6152 §2) or "BINARYMIME" (RFC 3030 §3)."""
    parameters: tuple[tuple[str, str], ...] = ()
    """MAIL parameters to be carried on, keyword in upper case and value as sent."""

    @property
    def smtputf8(self) -> bool:
        """Whether the sender said that addresses or header may be UTF-8 (RFC 6531 §3.4)."""
        return bool(self.parameters) and ("SMTPUTF8", "") in self.parameters


class Arrival(Struct, frozen=True):
    """Time, client and connection of a letter's arrival; becomes its `Received:` field (RFC 5321 §4.4)."""

    at: float
    """UTC, as seconds since 1970."""
    server: str
    """The host name of the server that took it."""
    protocol: str
    """The `with` clause: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC 3848), UTF8SMTP … (RFC 6531 §4.3), or LOCAL for letters made here."""
    remote: HostPort | None = None
    helo: str = ""
    """Client's name in EHLO; hostile text."""
    account: str | None = None
    """The account that authenticated itself."""
    mechanism: str | None = None
    """How: PLAIN, LOGIN …"""
    tls: TlsInfo | None = None
    name: str = ""
    """The client's name in the DNS, when it leads back to the address (RFC 8601 §2.7.3)."""
