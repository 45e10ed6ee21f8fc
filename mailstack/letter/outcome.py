"""Outcome of one attempt for one recipient: Delivered, Deferred or Failed."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter.status import Status


class Delivered(Struct, frozen=True):
    """Delivered to a mailbox here, or to the host that replied 250."""

    status: Status = Status(2, 0, 0)
    text: str = ""
    """The other host's reply, or what was done here; hostile text when it came over the wire."""
    host: str = ""
    """The host that took it; empty for a mailbox of ours."""
    mailbox: str | None = None
    """The key of the mailbox of ours that it rests in; the queue puts it there when it settles the outcome."""
    headers: bytes = b""
    """The trace fields that final delivery puts above the letter there (RFC 5321 §4.4)."""
    deliver_by: bool = False
    """Whether that host minds the time by itself, because it offers DELIVERBY (RFC 2852 §4.1.4)."""
    dsn: bool = False
    """Whether that host reports to the sender by itself, because it offers DSN (RFC 3461 §5.2.1)."""


class Deferred(Struct, frozen=True):
    """Not now; the letter stays in the queue (RFC 5321 §4.2.1: 4yz)."""

    status: Status
    text: str
    host: str = ""


class Failed(Struct, frozen=True):
    """Never; the sender is told (RFC 5321 §4.2.1: 5yz, §6.1)."""

    status: Status
    text: str
    host: str = ""


Outcome = Delivered | Deferred | Failed
