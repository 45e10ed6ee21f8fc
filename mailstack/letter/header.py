"""Header section as octets: fields found, counted and cut out (RFC 5322 §2.2).

A *section* is what stands before the body, with or without the empty line that parts them. What is no field (a stray
line, the empty line) is kept where it is: a letter is not refused for it here, and no octet of the rest moves.
Lines end in CRLF; a lone CR or LF is an octet like others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

_FTEXT = bytes(range(33, 58)) + bytes(range(59, 127))
"""RFC 5322 §3.6.8: printable US-ASCII without the colon."""
_WSP = b" \t"
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_AT_ONCE = 65_536
"""Octets in which the end of a field is looked for in one go: meanwhile no other thread runs."""
_LONGEST_LINE = 998
"""RFC 5322 §2.1.1; a field's name and colon stand within it."""
_MBOX_LINES = (b"From ", b">From ")
"""A line that mailbox files have above the header, and that some clients send with it."""


def split(octets: bytes) -> int:
    """Where the body begins: the offset behind the empty line that ends the header section.

    All of it is header when there is no empty line, and nothing (0) when the first line is no field.
    """
    if octets.startswith(b"\r\n"):
        return 2
    if not _name(octets[:_LONGEST_LINE]) and not octets.startswith(_MBOX_LINES):
        return 0
    end = octets.find(b"\r\n\r\n")
    return len(octets) if end < 0 else end + 4


def fields(section: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name (in lower case) and octets of each field, its continuation lines and final CRLF with it, from the top.

    The name is b"" for what is no field. All octets, joined, are the section again.
    """
    start, end = 0, len(section)
    while start < end:
        stop = _field_end(section, start)
        field = section[start:stop]
        yield _name(field), field
        start = stop


def count(section: bytes, name: bytes) -> int:
    """How many fields have this name, in whatever case."""
    lines = b"\r\n" + section.lower()
    if b"\r\n" + name.lower() not in lines:
        return 0
    return len(_pattern(name.lower()).findall(lines))


def has(section: bytes, name: bytes) -> bool:
    """Whether a field has this name, in whatever case."""
    return count(section, name) > 0


def without(section: bytes, names: Collection[bytes]) -> bytes:
    """The section less all fields that have one of the names; every other octet stays as it is."""
    lines = b"\r\n" + section.lower()
    if not [name for name in names if b"\r\n" + name.lower() in lines]:
        return section
    unwanted = {name.lower() for name in names}
    return b"".join([field for name, field in fields(section) if name not in unwanted])


@lru_cache(maxsize=64)
def _pattern(name: bytes) -> re.Pattern[bytes]:
    # RFC 5322 §4.5: obsolete syntax has white space between name and colon.
    return re.compile(rb"\r\n" + re.escape(name) + rb"[ \t]*:")


def _name(field: bytes) -> bytes:
    name, colon, _ = field.partition(b":")
    name = name.rstrip(_WSP)
    if not colon or not name or name.translate(None, _FTEXT):
        return b""
    return name.lower()


def _field_end(section: bytes, start: int) -> int:
    """Behind the CRLF that no continuation line follows (RFC 5322 §2.2.3)."""
    at, end = start, len(section)
    while at < end:
        stop = min(at + _AT_ONCE, end)
        found = _FIELD_END.search(section, at, stop)
        # What follows the last line of a window is not seen from it.
        if found is not None and (found.end() < stop or stop == end):
            return found.end()
        at = stop if stop == end else stop - 2
    return end
