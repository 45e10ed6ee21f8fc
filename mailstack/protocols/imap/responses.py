"""Writers of IMAP responses: strings and literals (RFC 3501 §9)."""

from __future__ import annotations

import re

MAX_QUOTED = 1000
"""Maximum octets of a quoted string; longer ones are literals."""

_UNQUOTABLE = re.compile(rb"[\r\n\x80-\xff]")
_UNQUOTABLE_UTF8 = re.compile(rb"[\r\n]")
_SPECIAL = re.compile(rb'(["\\])')


def string(octets: bytes, *, utf8: bool = False) -> bytes:
    """A quoted string, or a literal for octets that it can't hold; NUL, which neither can hold, becomes "?".

    With `utf8` the client takes UTF-8 in quoted strings (RFC 6855 §3).
    """
    if b"\0" in octets:
        octets = octets.replace(b"\0", b"?")
    if len(octets) > MAX_QUOTED or (_UNQUOTABLE.search(octets) and not (utf8 and _is_quotable_utf8(octets))):
        return literal_start(len(octets)) + octets
    if b'"' in octets or b"\\" in octets:
        octets = _SPECIAL.sub(rb"\\\1", octets)
    return b'"%b"' % octets


def nstring(octets: bytes | None, *, utf8: bool = False) -> bytes:
    """NIL, or the string."""
    return b"NIL" if octets is None else string(octets, utf8=utf8)


def literal_start(size: int, *, is_binary: bool = False) -> bytes:
    """Announcement of a literal; a binary one may contain NUL (RFC 3516 §4.4)."""
    return b"%b{%d}\r\n" % (b"~" if is_binary else b"", size)


def _is_quotable_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _UNQUOTABLE_UTF8.search(octets)
