"""What a header section says of the body beneath it: Content-Type and Content-Transfer-Encoding (RFC 2045 §5, §6)."""

from __future__ import annotations

import re

from msgspec import Struct

from mailstack.letter.header import fields

_TYPE = re.compile(rb"[ \t\r\n]*([!-'*+.0-9A-Z^-z{|}~-]+/[!-'*+.0-9A-Z^-z{|}~-]+)", re.IGNORECASE)
# §5.1: parameter := attribute "=" value. Quoted strings are taken whole, so that nothing in one is a parameter.
_PARAMETER = re.compile(
    rb';[ \t\r\n]*([^=;" \t\r\n]+)[ \t\r\n]*=[ \t\r\n]*("(?:[^"\\]|\\.)*+"|[^; \t\r\n]*)', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_FOLD = re.compile(rb"\r\n(?=[ \t])")

_BLANK = b"\r\n"
_VERSION, _TYPE_FIELD, _ENCODING = b"mime-version", b"content-type", b"content-transfer-encoding"


class Described(Struct, frozen=True):
    """What is said of a part."""

    type: str
    """In lower case; "" when nothing is said."""
    encoding: str
    """In lower case; "" when nothing is said, which means 7bit."""
    boundary: bytes
    """Of a multipart; empty when it has none."""
    is_mime: bool
    """Whether MIME-Version or Content-Type is there at all."""


def describe(section: bytes) -> Described:
    """Read the fields; the first of a name counts."""
    found: dict[bytes, bytes] = {}
    for name, field in fields(section):
        if name in (_VERSION, _TYPE_FIELD, _ENCODING):
            found.setdefault(name, _FOLD.sub(b"", field.partition(b":")[2]))
    of_type = found.get(_TYPE_FIELD, b"")
    named = _TYPE.match(of_type)
    boundary = b""
    for parameter in _PARAMETER.finditer(of_type, named.end() if named else 0):
        if parameter[1].lower() == b"boundary":
            value = parameter[2]
            boundary = _ESCAPE.sub(rb"\1", value[1:-1]) if value.startswith(b'"') else value
            break
    encoding = found.get(_ENCODING, b"").partition(b"(")[0].strip().lower()
    return Described(
        named[1].decode("ascii").lower() if named else "",
        encoding.decode("ascii", "replace"),
        boundary.rstrip(b" \t"),
        _VERSION in found or _TYPE_FIELD in found,
    )


def relabel(section: bytes, encoding: str, more: bytes = b"") -> bytes:
    """The section with another encoding said, where one was said before or at its end, and with `more` fields."""
    said = b"Content-Transfer-Encoding: %b\r\n" % encoding.encode("ascii")
    kept: list[bytes] = []
    place = -1
    for name, field in fields(section):
        if name != _ENCODING:
            kept.append(field)
        elif place < 0:
            place = len(kept)
            kept.append(said)
    end = len(kept) - 1 if kept and kept[-1] == _BLANK else len(kept)
    kept[end:end] = [more] if place >= 0 else [more, said]
    return b"".join(kept)
