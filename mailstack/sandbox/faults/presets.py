"""Presets: frequent faults as one-word rules."""

from __future__ import annotations

from typing import Any, Literal

from mailstack.sandbox.faults.rule import Fault


def full_mailbox(recipient: str, *, permanent: bool = False, **more: Any) -> Fault:
    """The mailbox has no room, as its own host says (RFC 3463: X.2.2), for a while or for good."""
    more.setdefault("service", "mx")
    reply = "552 5.2.2 mailbox full" if permanent else "452 4.2.2 mailbox full"
    return Fault(at="rcpt", recipient=recipient, reply=reply, **more)


def greylisting(wait: str = "5m", **more: Any) -> Fault:
    """Other hosts are asked to come again, so long after their first time."""
    more.setdefault("service", "mx")
    return Fault(at="rcpt", greylist=wait, **more)


def too_busy(**more: Any) -> Fault:
    """Nobody is let in: 421 is the greeting (RFC 5321 §3.8)."""
    return Fault(at="connect", reply="421 4.3.2 too busy, come again later", **more)


def lost_answer(**more: Any) -> Fault:
    """The letter is taken, and the connection breaks before its client hears of it: it will come twice (RFC 1047)."""
    return Fault(at="final", drop="before", **more)


def cut_in_content(octets: int = 1, **more: Any) -> Fault:
    """The connection breaks in the middle of DATA; nothing is taken."""
    return Fault(at="content", drop="before", octets=octets, **more)


def half_open(at: str = "connect", **more: Any) -> Fault:
    """The host is there, and says nothing more."""
    return Fault(at=at, silence=True, **more)


def host_down(address: str, **more: Any) -> Fault:
    """Calls to this address (a pattern) are refused."""
    return Fault(at="call", client=address, drop="before", **more)


def bad_certificate(kind: Literal["expired", "self-signed", "wrong-name"] = "expired", **more: Any) -> Fault:
    """TLS shows a certificate that nobody should trust."""
    return Fault(at="tls", tls=kind, **more)


def no_uidl(**more: Any) -> Fault:
    """A POP3 server without UIDL, of which RFC 1939 makes an option."""
    return Fault(at="pop3.capa", without=("UIDL",), **more)


def maildrop_locked(**more: Any) -> Fault:
    """Another session holds the maildrop (RFC 2449 §8.1.2)."""
    return Fault(at="pop3.pass", reply="-ERR [IN-USE] the maildrop is locked", **more)


def disk_full(**more: Any) -> Fault:
    """The store has no room: letters are put off with 452 4.3.1."""
    return Fault(at="disk", error="full", **more)
