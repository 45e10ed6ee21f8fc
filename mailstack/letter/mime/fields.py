"""MIME header fields: type, encoding, disposition, parameters (RFC 2045 §5, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from mailstack.letter.charsets import text_of
from mailstack.letter.header import fields, plain, unfolded

_TYPE = re.compile(rb"[ \t\r\n]*([!-'*+.0-9A-Z^-z{|}~-]+/[!-'*+.0-9A-Z^-z{|}~-]+)", re.IGNORECASE)
# §5.1: parameter := attribute "=" value; RFC 2231 §3 and §4 add a section and a star to the attribute. Quoted strings are
# taken whole, so that nothing in one is a parameter.
_PARAMETER = re.compile(
    rb';\s*+([^=;"\s*]{1,60})(?:\*([0-9]{1,3}))?(\*)?\s*+=\s*+("(?:[^"\\]|\\.)*+(?:"|\Z)|[^;\r\n]*+)', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_MAX_PARAMETERS = 200
_MAX_FIELD = 65_536
"""Maximum octets of a field that is read; the octets behind them are ignored."""

_BLANK = b"\r\n"
VERSION, TYPE, ENCODING = b"mime-version", b"content-type", b"content-transfer-encoding"
DISPOSITION, CONTENT_ID = b"content-disposition", b"content-id"
_FIELDS = frozenset({VERSION, TYPE, ENCODING, DISPOSITION, CONTENT_ID})


class Described(Struct, frozen=True):
    """MIME fields of one header section."""

    type: str
    """Media type in lower case; "" without a Content-Type that names one."""
    encoding: str
    """Content-Transfer-Encoding in lower case; "" without the field, which means 7bit."""
    boundary: bytes
    """Boundary of a multipart; empty when the field has none."""
    bodies: dict[bytes, bytes]
    """Unfolded body of the first field of each name, by the name in lower case."""

    @property
    def is_mime(self) -> bool:
        """Whether MIME-Version or Content-Type is present."""
        return VERSION in self.bodies or TYPE in self.bodies


def describe(section: bytes) -> Described:
    """Parses the MIME fields of a header section."""
    bodies: dict[bytes, bytes] = {}
    for name, field in fields(section):
        if name in _FIELDS and name not in bodies:
            bodies[name] = unfolded(field[:_MAX_FIELD])
    content_type = bodies.get(TYPE, b"")
    found = _TYPE.match(content_type)
    plain_boundary = (b"boundary", None, False)
    boundary = next((written for *what, written in _parameters(content_type) if tuple(what) == plain_boundary), b"")
    # What follows an unquoted boundary is a comment, or nothing that a writer of one would mean.
    boundary = _unquoted(boundary) if boundary.startswith(b'"') else boundary.partition(b" ")[0].partition(b"\t")[0]
    encoding = bodies.get(ENCODING, b"").partition(b"(")[0].strip().lower()
    return Described(
        found[1].decode("ascii").lower() if found else "",
        encoding.decode("ascii", "replace"),
        boundary.rstrip(b" \t"),
        bodies,
    )


def value_and_parameters(body: bytes) -> tuple[str, dict[str, str]]:
    """Value of a field such as Content-Type, in lower case without comments, and its decoded parameters by lower-case name."""
    value = text_of(body.partition(b";")[0].partition(b"(")[0]).strip().lower()
    whole: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, bytes]]] = {}
    for octets, section, is_encoded, written in _parameters(body):
        name = text_of(octets)
        if section is None and not is_encoded:
            whole.setdefault(name, plain(text_of(_unquoted(written))))
        else:
            pieces.setdefault(name, {}).setdefault(section or 0, (is_encoded, _unquoted(written)))
    # RFC 6266 §4.3: the form of RFC 2231 takes precedence over the plain one, which is for old readers.
    return value, whole | {name: _continued(sections) for name, sections in pieces.items()}


def _parameters(body: bytes) -> Iterator[tuple[bytes, int | None, bool, bytes]]:
    """Name in lower case, number of the section, whether it is percent-encoded, and value with its quotes of each parameter."""
    for found in islice(_PARAMETER.finditer(body), _MAX_PARAMETERS):
        yield found[1].lower(), None if found[2] is None else int(found[2]), found[3] is not None, found[4].strip()


def _unquoted(written: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", written[1:].removesuffix(b'"')) if written.startswith(b'"') else written


def _continued(sections: dict[int, tuple[bool, bytes]]) -> str:
    octets, charset = b"", b""
    for number, (is_encoded, written) in sorted(sections.items()):
        rest = written
        if is_encoded:
            if number == 0 and written.count(b"'") >= 2:
                charset, _, rest = written.split(b"'", 2)
            rest = unquote_to_bytes(rest)
        octets += rest
    return text_of(octets, charset.decode("ascii", "replace"))


def relabel(section: bytes, encoding: str, more: bytes = b"") -> bytes:
    """The section with another Content-Transfer-Encoding, in its old place or at the end, and with `more` fields."""
    said = b"Content-Transfer-Encoding: %b\r\n" % encoding.encode("ascii")
    kept: list[bytes] = []
    place = -1
    for name, field in fields(section):
        if name != ENCODING:
            kept.append(field)
        elif place < 0:
            place = len(kept)
            kept.append(said)
    end = len(kept) - 1 if kept and kept[-1] == _BLANK else len(kept)
    kept[end:end] = [more] if place >= 0 else [more, said]
    return b"".join(kept)
