"""MIME header fields: type, encoding, disposition, parameters (RFC 2045 §5, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from mailstack.letter.charsets import text_of
from mailstack.letter.header import fields, first_bodies, plain

_TOKEN = rb"[!#-'*+.0-9A-Z^-z{|}~-]++"
_BLANKS = rb"(?:[ \t\r\n]|\([^()]*+\))*+"
_TYPE = re.compile(_BLANKS + rb"(" + _TOKEN + rb")" + _BLANKS + rb"/" + _BLANKS + rb"(" + _TOKEN + rb")", re.IGNORECASE)
# §5.1: parameter := attribute "=" value; RFC 2231 §3 and §4 add a section and a star to the attribute. Quoted strings are
# matched as a whole, so that they contain no parameter.
_PARAMETER = re.compile(
    rb';\s*+([^=;"\s*]{1,60})(?:\*([0-9]{1,3}))?(\*)?\s*+=\s*+("(?:[^"\\]|\\.)*+(?:"|\Z)|[^;\r\n]*+)', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_COMMENT = re.compile(rb"[ \t]++\([^()]*+\)\Z")
"""Comment behind an unquoted value."""
_MAX_PARAMETERS = 200
_MAX_FIELD = 65_536
"""Maximum octets of a field; further ones are ignored."""

_BLANK = b"\r\n"
VERSION, TYPE, ENCODING = b"mime-version", b"content-type", b"content-transfer-encoding"
DISPOSITION, CONTENT_ID = b"content-disposition", b"content-id"
MIME_FIELDS = frozenset({VERSION, TYPE, ENCODING, DISPOSITION, CONTENT_ID})


class MimeFields(Struct, frozen=True):
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


def describe(section: bytes, names: frozenset[bytes] = MIME_FIELDS) -> MimeFields:
    """Parse the MIME fields of a header section. `names` are the fields with a body in the result."""
    bodies = first_bodies(section, names, _MAX_FIELD)
    content_type = bodies.get(TYPE, b"")
    match = _TYPE.match(content_type)
    of_type = b"/".join(match.groups()).decode("ascii").lower() if match else ""
    boundary = b""
    if of_type.startswith("multipart/"):
        plain_boundary = (b"boundary", None, False)
        boundary = next((written for *key, written in _parameters(content_type) if tuple(key) == plain_boundary), b"")
    # Text after an unquoted boundary is a comment or invalid.
    boundary = _unquoted(boundary) if boundary.startswith(b'"') else boundary.partition(b" ")[0].partition(b"\t")[0]
    encoding = bodies.get(ENCODING, b"").partition(b"(")[0].strip().lower()
    return MimeFields(
        of_type,
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
    # RFC 6266 §4.3: the form of RFC 2231 takes precedence over the plain one.
    return value, whole | {name: _continued(sections) for name, sections in pieces.items()}


def _parameters(body: bytes) -> Iterator[tuple[bytes, int | None, bool, bytes]]:
    """Name in lower case, number of the section, whether it is percent-encoded, and value with its quotes of each parameter."""
    for match in islice(_PARAMETER.finditer(body), _MAX_PARAMETERS):
        yield match[1].lower(), None if match[2] is None else int(match[2]), match[3] is not None, match[4].strip()


def raw_parameters(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and value of each parameter as written, with section and star in the name (RFC 2231 §3, §4).

    Values have no quotes, and no comment behind them.
    """
    for match in islice(_PARAMETER.finditer(body), _MAX_PARAMETERS) if b"=" in body else ():
        value = match[4].strip()
        name = match[1] + (b"" if match[2] is None else b"*" + match[2]) + (match[3] or b"")
        is_quoted = value.startswith(b'"')
        yield name, _unquoted(value) if is_quoted else _COMMENT.sub(b"", value)


def _unquoted(written: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", written[1:].removesuffix(b'"')) if written.startswith(b'"') else written


def _continued(sections: dict[int, tuple[bool, bytes]]) -> str:
    octets, charset = b"", b""
    for number, (is_encoded, written) in sorted(sections.items()):
        value = written
        if is_encoded:
            if number == 0 and written.count(b"'") >= 2:
                charset, _, value = written.split(b"'", 2)
            value = unquote_to_bytes(value)
        octets += value
    return text_of(octets, charset.decode("ascii", "replace"))


def relabel(section: bytes, encoding: str, more: bytes = b"") -> bytes:
    """The section with a new Content-Transfer-Encoding, in place of the old one or at the end, and `more` fields."""
    new_field = b"Content-Transfer-Encoding: %b\r\n" % encoding.encode("ascii")
    section_fields: list[bytes] = []
    position = -1
    for name, field in fields(section):
        if name != ENCODING:
            section_fields.append(field)
        elif position < 0:
            position = len(section_fields)
            section_fields.append(new_field)
    end = len(section_fields) - 1 if section_fields and section_fields[-1] == _BLANK else len(section_fields)
    section_fields[end:end] = [more] if position >= 0 else [more, new_field]
    return b"".join(section_fields)
