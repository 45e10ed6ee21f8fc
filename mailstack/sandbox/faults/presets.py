"""Presets of fault rules: full mailboxes, lost replies, locked maildrops."""

from __future__ import annotations

from typing import Any, Literal

from mailstack.sandbox.faults.rule import Fault


def full_mailbox(recipient: str, *, permanent: bool = False, **more: Any) -> Fault:
    """Mailbox full (RFC 3463: X.2.2): a temporary or permanent refusal of RCPT."""
    more.setdefault("service", "mx")
    reply = "552 5.2.2 mailbox full" if permanent else "452 4.2.2 mailbox full"
    return Fault(at="rcpt", recipient=recipient, reply=reply, **more)


def greylisting(wait: str = "5m", **more: Any) -> Fault:
    """Greylisting: refuses RCPT until `wait` has passed since the first attempt."""
    more.setdefault("service", "mx")
    return Fault(at="rcpt", greylist=wait, **more)


def too_busy(**more: Any) -> Fault:
    """Server too busy: 421 in place of the greeting (RFC 5321 §3.8)."""
    return Fault(at="connect", reply="421 4.3.2 too busy, try again later", **more)


def lost_answer(**more: Any) -> Fault:
    """Accepts the letter and drops the connection before the reply, which causes a duplicate (RFC 1047)."""
    return Fault(at="final", drop="before", **more)


def cut_in_content(octets: int = 1, **more: Any) -> Fault:
    """Drops the connection in the middle of DATA; the letter is not accepted."""
    return Fault(at="content", drop="before", octets=octets, **more)


def half_open(at: str = "connect", **more: Any) -> Fault:
    """Half-open connection: the host stops replying."""
    return Fault(at=at, silence=True, **more)


def host_down(address: str, **more: Any) -> Fault:
    """Host down: connections to this address (a pattern) are refused."""
    return Fault(at="call", client=address, drop="before", **more)


def bad_certificate(kind: Literal["expired", "self-signed", "wrong-name"] = "expired", **more: Any) -> Fault:
    """Invalid certificate in TLS handshakes."""
    return Fault(at="tls", tls=kind, **more)


def no_uidl(**more: Any) -> Fault:
    """POP3 server without UIDL, which is optional in RFC 1939."""
    return Fault(at="pop3.capa", without=("UIDL",), **more)


def maildrop_locked(**more: Any) -> Fault:
    """Maildrop locked by another session (RFC 2449 §8.1.2)."""
    return Fault(at="pop3.pass", reply="-ERR [IN-USE] the maildrop is locked", **more)


def disk_full(**more: Any) -> Fault:
    """Disk full: messages are refused with 452 4.3.1."""
    return Fault(at="disk", error="full", **more)


def over_quota(**more: Any) -> Fault:
    """IMAP account over quota: APPEND is refused (RFC 5530 §3)."""
    return Fault(at="imap.append", reply="NO [OVERQUOTA] the quota of the account is exceeded", **more)


def new_validity(folder: str = "INBOX", **more: Any) -> Fault:
    """New UIDVALIDITY of an IMAP folder at its next SELECT: clients have to fetch it anew."""
    more.setdefault("times", 1)
    return Fault(at="imap.select", folder=folder, new_validity=True, **more)


def cut_literal(octets: int = 1, **more: Any) -> Fault:
    """Drops the connection in the middle of a message that IMAP sends."""
    return Fault(at="imap.fetch", drop="before", octets=octets, **more)


def alert(text: str, at: str = "imap.noop", **more: Any) -> Fault:
    """ALERT of IMAP, which a client must show to its user (RFC 3501 §7.1)."""
    return Fault(at=at, untagged=f"* OK [ALERT] {text}", **more)
