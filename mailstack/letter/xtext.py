"""xtext and unitext encodings of addresses (RFC 3461 §4, RFC 6533 §3)."""

from __future__ import annotations

import re

# xchar is any printable ASCII but "+" and "="; the others are written as "+" and two hexadecimal digits.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_NOT_XCHAR = re.compile(r"[^!-*,-<>-~]")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{1,6})\}")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")


def decode_xtext(text: str) -> str | None:
    """What the text stands for; None when it is no xtext, or stands for what isn't printable ASCII."""
    if not _XTEXT.match(text):
        return None
    decoded = _HEXCHAR.sub(lambda found: chr(int(found[1], 16)), text)
    return decoded if decoded.isascii() and decoded.isprintable() else None


def xtext(text: str) -> str:
    """ASCII text as xtext."""
    return _NOT_XCHAR.sub(lambda found: f"+{ord(found[0]):02X}", text)


def in_ascii(text: str) -> str:
    r"""An address in UTF-8 for where only ASCII may stand: each other character as `\x{…}` (RFC 6533 §3)."""
    return "".join([each if each.isascii() else f"\\x{{{ord(each):X}}}" for each in text])


def from_ascii(text: str) -> str:
    """What `in_ascii` wrote, and what stands for ASCII in it."""
    return _HEXCHAR.sub(_character, _EMBEDDED.sub(_character, text))


def _character(found: re.Match[str]) -> str:
    character = chr(min(int(found[1], 16), 0x10FFFF))
    return character if character.isprintable() else "?"
