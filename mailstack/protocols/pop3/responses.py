"""Responses of POP3: status lines, codes, languages (RFC 2449, RFC 3206, RFC 6856)."""

from __future__ import annotations

import binascii
from enum import StrEnum

MAX_LINE = 512
"""Octets of a response's first line with its CRLF (RFC 2449 §4)."""


LANGUAGES = {"en": "English", "i-default": "English, where no language was chosen"}
"""Tag and name, as LANG lists them. All texts are ASCII, so none of them needs the UTF8 command."""

DEFAULT = "i-default"


class Code(StrEnum):
    """Reason of a refused command, for programs."""

    AUTH = "AUTH"
    """The user's name or password is wrong, and nothing else is (RFC 3206 §5)."""
    IN_USE = "IN-USE"
    """Another session holds the maildrop (RFC 2449 §8.1.2)."""
    LOGIN_DELAY = "LOGIN-DELAY"
    """The user logged in a moment ago (RFC 2449 §8.1.1)."""
    SYS_TEMP = "SYS/TEMP"
    """Temporary trouble of the server (RFC 3206 §4)."""
    SYS_PERM = "SYS/PERM"
    """Trouble of the server that needs its operator (RFC 3206 §4)."""


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


def choose_language(wanted: str) -> str | None:
    """The tag that serves a language range by lookup (RFC 4647 §3.4), or None. `*` takes the default."""
    if wanted == "*":
        return DEFAULT
    subtags = wanted.lower().split("-")
    while subtags:
        tag = "-".join(subtags)
        if tag in LANGUAGES:
            return tag
        subtags.pop()
        # A single letter introduces what follows it, and means nothing alone.
        if subtags and len(subtags[-1]) == 1:
            subtags.pop()
    return None
