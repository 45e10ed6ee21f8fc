"""Presets: frequent faults as one-word rules, and magic addresses.

A magic address such as "temperror@a.test" or "rcptto550@a.test" names its own fault. Its local part ends in "temperror",
"permerror", "timeout" or a code from 400 to 599. The letter fails after its content, or at the command that the local
part begins with: "mailfrom" (of the sender) or "rcptto". A letter to a local part with "queue" in front passes
submission, and fails at the host that it is relayed to.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from mailstack.letter import Address
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
    """Disk full: letters are refused with 452 4.3.1."""
    return Fault(at="disk", error="full", **more)


SUBMISSION = frozenset({"submission", "submissions"})
"""Services for submission, where addresses with "queue" in front do not fail."""

_MAGIC = re.compile(r"(mailfrom|rcptto|queue)?.*?(temperror|permerror|timeout|[45][0-9]{2})")
_AT = {"mailfrom": "mail", "rcptto": "rcpt"}


def magic(at: str, address: Address, service: str) -> Fault | None:
    """Fault that a magic address names for this step; None for other addresses and steps."""
    found = _MAGIC.fullmatch(address.local.lower())
    if found is None:
        return None
    head, tail = found[1] or "", found[2]
    if at != _AT.get(head, "final") or (head == "queue" and service in SUBMISSION):
        return None
    if tail == "timeout":
        return Fault(at=at, silence=True, id="magic")
    code = {"temperror": "451", "permerror": "550"}.get(tail, tail)
    return Fault(at=at, reply=f"{code} {code[0]}.3.0 fault requested by {address.local[:64]}", id="magic")
