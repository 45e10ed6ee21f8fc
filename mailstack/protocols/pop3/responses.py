"""Status lines of POP3: `+OK`, `-ERR`, response codes (RFC 2449, RFC 3206)."""

from __future__ import annotations

import binascii
from enum import StrEnum

MAX_LINE = 512
"""Octets of a response's first line with its CRLF (RFC 2449 §4)."""


class Code(StrEnum):
    """Why a command was refused, for programs."""

    AUTH = "AUTH"
    """The user's name or password is wrong, and nothing else is (RFC 3206 §5)."""
    IN_USE = "IN-USE"
    """Another session holds the maildrop (RFC 2449 §8.1.2)."""
    LOGIN_DELAY = "LOGIN-DELAY"
    """The user logged in a moment ago (RFC 2449 §8.1.1)."""
    SYS_TEMP = "SYS/TEMP"
    """Our trouble, and likely to pass (RFC 3206 §4)."""
    SYS_PERM = "SYS/PERM"
    """Our trouble, and somebody has to see to it (RFC 3206 §4)."""


def ok(text: str) -> bytes:
    """A positive status line."""
    return _line(f"+OK {text}" if text else "+OK")


def err(text: str, code: Code | None = None) -> bytes:
    """A negative status line."""
    return _line(f"-ERR [{code}] {text}" if code else f"-ERR {text}")


def challenge(octets: bytes) -> bytes:
    """The server's part of an authentication exchange (RFC 5034 §4): `+ ` and base64, which may be empty."""
    return b"+ " + binascii.b2a_base64(octets)[:-1] + b"\r\n"


def _line(text: str) -> bytes:
    """One line of printable ASCII that fits, whatever the text is."""
    octets = text[: MAX_LINE - 2].encode("ascii", "replace")
    return (octets if text.isprintable() else bytes([o if 32 <= o < 127 else 63 for o in octets])) + b"\r\n"
