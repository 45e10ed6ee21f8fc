"""Mailbox names: modified UTF-7, UTF-8 and INBOX (RFC 3501 §5.1, RFC 6855)."""

from __future__ import annotations

import binascii
import re
import unicodedata

INBOX = "INBOX"
SEPARATOR = "/"

MAX_OCTETS = 1000
"""Maximum octets of a name in UTF-8 or in modified UTF-7."""
MAX_LEVELS = 32

_PLAIN = re.compile(rb"[ -%'-.0-~]+")
"""Names of one level that are their own encoding: printable ASCII without `&` and the separator."""
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-|([ -%'-~]+)")
_UNSHIFTED = re.compile(r"&|[^ -~]+")
_INBOX = re.compile(r"inbox(?=/|\Z)", re.IGNORECASE | re.ASCII)
# Controls, surrogates, and the separators of lines and paragraphs (RFC 9051 §5.1).
_FORBIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def parse_name(octets: bytes, *, utf8: bool = False, is_pattern: bool = False, is_new: bool = False) -> str:
    """Decoded name of a command's mailbox argument; raises ValueError with a reason for the client.

    A pattern or reference may be empty, and start or end with the separator; so may the end of a new name, which loses
    the separator. A new name has no `%` and `*`. With `utf8` the octets are UTF-8, and `&` is itself.
    """
    if len(octets) > MAX_OCTETS:
        raise ValueError("the mailbox name is too long")
    if is_pattern and not octets:
        return ""
    if _PLAIN.fullmatch(octets) and not is_new:
        name = octets.decode("ascii")
        return name if name.upper() != INBOX or is_pattern else INBOX
    name = unicodedata.normalize("NFC", _decoded(octets, utf8=utf8))
    if not all(map(_is_permitted, name)):
        raise ValueError("the mailbox name has a control character")
    if is_pattern:
        return name
    if is_new:
        name = name.removesuffix(SEPARATOR)
        if "%" in name or "*" in name:
            raise ValueError("a new mailbox name has no % and *")
    check_levels(name)
    return canonical(name)


def check_levels(name: str) -> None:
    """Raises ValueError for an empty or too long name, an empty level, or too many levels."""
    levels = name.split(SEPARATOR)
    if not all(levels):
        raise ValueError("the mailbox name is empty, or has an empty level")
    if len(levels) > MAX_LEVELS:
        raise ValueError("the mailbox name has too many levels")
    if len(name.encode()) > MAX_OCTETS or len(encode_utf7(name)) > MAX_OCTETS:
        raise ValueError("the mailbox name is too long")


def canonical(name: str) -> str:
    """The name with INBOX as first level in upper case: INBOX has any case (RFC 3501 §5.1)."""
    return INBOX + name[len(INBOX) :] if _INBOX.match(name) else name


def _is_permitted(character: str) -> bool:
    return " " <= character < "\x7f" or unicodedata.category(character) not in _FORBIDDEN


def _decoded(octets: bytes, *, utf8: bool) -> str:
    if not utf8:
        return decode_utf7(octets)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise ValueError("the mailbox name is not UTF-8") from None


def encode_name(name: str, *, utf8: bool = False) -> bytes:
    """Octets of a name for a response, before they are quoted."""
    return name.encode() if utf8 else encode_utf7(name)


# --- modified UTF-7 (RFC 3501 §5.1.3)


def encode_utf7(text: str) -> bytes:
    """Text in modified UTF-7; lone surrogates, which no name has, become question marks."""
    return _UNSHIFTED.sub(lambda found: _shift(found[0]), text).encode("ascii")


def _shift(text: str) -> str:
    if text == "&":
        return "&-"
    encoded = binascii.b2a_base64(text.encode("utf-16-be", "replace"), newline=False).decode("ascii")
    return f"&{encoded.rstrip('=').replace('/', ',')}-"


def decode_utf7(octets: bytes) -> str:
    """Text of its modified UTF-7; raises ValueError for octets that `encode_utf7` would not write.

    So no text has two encodings.
    """
    try:
        encoded = octets.decode("ascii")
        text = "".join(_unshift(encoded))
    except ValueError:
        raise ValueError("the mailbox name is not in modified UTF-7") from None
    if encode_utf7(text) != octets:
        raise ValueError("the mailbox name is not in modified UTF-7")
    return text


def _unshift(encoded: str) -> list[str]:
    parts = []
    at = 0
    while at < len(encoded):
        found = _SHIFTED.match(encoded, at)
        if found is None:
            raise ValueError("not modified UTF-7")
        at = found.end()
        shifted = found[1]
        if shifted is None:
            parts.append(found[2])
        elif shifted:
            padded = shifted.replace(",", "/") + "=" * (-len(shifted) % 4)
            parts.append(binascii.a2b_base64(padded).decode("utf-16-be"))
        else:
            parts.append("&")
    return parts
