"""BODY and BODYSTRUCTURE of a message (RFC 3501 §7.4.2)."""

from __future__ import annotations

import re

from mailstack.letter.mime.fields import CONTENT_ID, DISPOSITION, ENCODING, TYPE, raw_parameters
from mailstack.letter.mime.structure import PartStructure
from mailstack.protocols.imap.envelope import NO_ENVELOPE, envelope
from mailstack.protocols.imap.responses import nstring, string

_PLAIN_TEXT = b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"'
_EMPTY_TEXT = b"(%b 0 0)" % _PLAIN_TEXT
_TOKEN = re.compile(rb"[^\s()<>@,;:\\\"/\[\]?=\0-\x20\x7f]+")
_COMMENT = re.compile(rb"\([^()]*+\)")
_MAX_LANGUAGES = 100


def body_structure(part: PartStructure, *, extended: bool, utf8: bool = False) -> bytes:
    """Structure of a message: BODYSTRUCTURE if `extended`, else BODY.

    A multipart without parts, or one that is nested too deep, has its body as a single text. With `utf8` the client
    takes UTF-8 in quoted strings, and the structure of message/global (RFC 6855 §3, RFC 9051 §7.5.2).
    """
    return _StructureWriter(extended=extended, utf8=utf8).part(part)


class _StructureWriter:
    def __init__(self, *, extended: bool, utf8: bool) -> None:
        self._extended = extended
        self._utf8 = utf8

    def part(self, part: PartStructure) -> bytes:
        """Structure of a part with the parts in it."""
        of_type = part.described.type or ("message/rfc822" if part.is_digested else "")
        kind, _, subtype = of_type.encode("ascii").partition(b"/")
        if kind == b"multipart":
            return self._multipart(part, subtype)
        is_message = of_type == "message/rfc822" or (of_type == "message/global" and self._utf8)
        return self._leaf(part, kind or b"text", subtype or b"plain", is_message=is_message)

    def _multipart(self, part: PartStructure, subtype: bytes) -> bytes:
        if part.parts:
            parts = b"".join([self.part(each) for each in part.parts])
        else:
            extension = b" NIL NIL NIL NIL" if self._extended else b""
            parts = b"(%b %d %d%b)" % (_PLAIN_TEXT, part.end - part.start, part.lines, extension)
        if not self._extended:
            return b"(%b %b)" % (parts, self._string(subtype))
        parameters = self._parameters(list(raw_parameters(part.described.bodies.get(TYPE, b""))))
        return b"(%b %b %b%b)" % (parts, self._string(subtype), parameters, self._extension(part))

    def _leaf(self, part: PartStructure, kind: bytes, subtype: bytes, *, is_message: bool) -> bytes:
        bodies = part.described.bodies
        parameters = list(raw_parameters(bodies[TYPE])) if TYPE in bodies else []
        if kind == b"text" and not any(name.lower().startswith(b"charset") for name, _ in parameters):
            parameters.append((b"charset", b"us-ascii"))
        written = b'("%b" "%b" %b %b %b %b %d' % (
            kind,
            subtype,
            self._parameters(parameters),
            self._nstring(bodies.get(CONTENT_ID)),
            self._nstring(bodies.get(b"content-description")),
            self._encoding(part),
            part.end - part.start,
        )
        if is_message:
            inner = part.parts[0] if part.parts else None
            of_inner = envelope(inner.described.bodies, utf8=self._utf8) if inner else NO_ENVELOPE
            extension = _EMPTY_TEXT if not self._extended else _EMPTY_TEXT[:-1] + b" NIL NIL NIL NIL)"
            written += b" %b %b %d" % (of_inner, self.part(inner) if inner else extension, part.lines)
        elif kind == b"text":
            written += b" %d" % part.lines
        if self._extended:
            written += b" " + self._nstring(bodies.get(b"content-md5")) + self._extension(part)
        return written + b")"

    def _extension(self, part: PartStructure) -> bytes:
        """Disposition, language and location."""
        bodies = part.described.bodies
        disposition = b"NIL"
        if (body := bodies.get(DISPOSITION)) and (value := _first_token(body)):
            disposition = b"(%b %b)" % (self._string(value), self._parameters(list(raw_parameters(body))))
        languages = b"NIL"
        if (body := bodies.get(b"content-language")) and (found := _TOKEN.findall(_COMMENT.sub(b"", body))):
            languages = b"(%b)" % b" ".join([self._string(each) for each in found[:_MAX_LANGUAGES]])
        return b" %b %b %b" % (disposition, languages, self._nstring(bodies.get(b"content-location")))

    def _parameters(self, parameters: list[tuple[bytes, bytes]]) -> bytes:
        """Parameters as they are, in the form of RFC 2231 too; NIL without any."""
        written = [b"%b %b" % (self._string(name), self._string(value)) for name, value in parameters]
        return b"(%b)" % b" ".join(written) if written else b"NIL"

    def _encoding(self, part: PartStructure) -> bytes:
        body = part.described.bodies.get(ENCODING)
        value = _first_token(body) if body else b""
        return self._string(value.lower()) if value else b'"7bit"'

    def _string(self, octets: bytes) -> bytes:
        return string(octets, utf8=self._utf8)

    def _nstring(self, octets: bytes | None) -> bytes:
        return nstring(octets, utf8=self._utf8)


def _first_token(body: bytes) -> bytes:
    """Value of a field before its parameters, without comments; b"" if it isn't a token (RFC 2045 §5.1)."""
    value = body.partition(b";")[0]
    value = _COMMENT.sub(b"", value).strip() if b"(" in value else value.strip()
    return value if _TOKEN.fullmatch(value) else b""
