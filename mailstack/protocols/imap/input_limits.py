"""Limits of the IMAP server's input (RFC 7162 §4, RFC 7888 §4)."""

from __future__ import annotations

from msgspec import Struct

CHUNK = 65536
"""Maximum octets of a message in one event."""

MAX_LITERALS = 2000
"""Maximum literals of one command; a search of 1,000 keys has as many."""


class InputLimits(Struct, frozen=True):
    """Limits of input in octets."""

    lines: int = 65536
    """Maximum octets of one command without its literals, and of a response to a challenge (RFC 7162 §4)."""
    literals: int = 65536
    """Maximum octets of the literals inside one command; messages are not among them."""
    login_literals: int = 8192
    """Maximum octets of the literals inside one command before login."""
    discarded: int = 67_108_864
    """Maximum octets of refused literals of one command that the client does not wait to send (RFC 7888 §4)."""
    bare_lf: bool = False
    """Whether LF alone also ends a line; RFC 3501 §2.2 permits CRLF only."""
