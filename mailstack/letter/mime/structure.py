"""MIME structure: offsets, lines and raw fields of a letter's parts (RFC 2046).

It is parsed from a stream in one pass, and has no octets of bodies. Whatever the octets, it is bounded: MAX_PARTS parts,
MAX_NESTING levels, and MAX_FIELDS octets of fields.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from mailstack.letter.mime.fields import MIME_FIELDS, MimeFields
from mailstack.letter.mime.parts import (
    MAX_NESTING,
    Delimiter,
    Head,
    Kind,
    Parts,
    Piece,
)
from mailstack.letter.transfer_encoding import AT_ONCE

__all__ = ["ENVELOPE_FIELDS", "MAX_NESTING", "MAX_PARTS", "Kind", "PartStructure", "StructureParser", "structure_of"]

MAX_PARTS = 1000
"""Maximum parts of a structure; the last has all octets behind it. They take ten milliseconds."""
MAX_FIELDS = 4_194_304
"""Maximum octets of fields in a structure; the parts behind them have none."""

ENVELOPE_FIELDS = frozenset(
    [b"date", b"subject", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"in-reply-to", b"message-id"]
)
"""Fields of an envelope (RFC 3501 §7.4.2)."""
_FIELDS = (
    MIME_FIELDS
    | ENVELOPE_FIELDS
    | {b"content-description", b"content-md5", b"content-language", b"content-location", b"references"}
)
_NO_FIELDS = MimeFields("", "", b"", {})


class PartStructure(Struct):
    """Message or MIME part. Offsets are those of the letter's octets."""

    kind: Kind
    described: MimeFields
    """MIME fields of its header section; `bodies` also has the other fields of a structure."""
    is_letter: bool
    """Whether its header section is that of a message, and not of a MIME part."""
    is_digested: bool
    """Whether it is a part of a multipart/digest, and a message by default (RFC 2046 §5.1.5)."""
    head: int
    """Offset of the header section."""
    start: int
    """Offset of the body."""
    end: int = 0
    """Offset behind the body."""
    lines: int = 0
    """Line ends in the body."""
    parts: list[PartStructure] = []
    """Parts of a multipart; at most one, the message, in a message/rfc822."""

    @classmethod
    def of_text(cls, header_size: int, size: int) -> PartStructure:
        """Structure of a message as a text, without its fields."""
        return cls(
            Kind.LEAF, _NO_FIELDS, is_letter=True, is_digested=False, head=0, start=min(header_size, size), end=size
        )

    def walk(self) -> Iterator[PartStructure]:
        """The part, then all parts in it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()


class StructureParser:
    """Parser of one letter's structure, fed with its octets in any pieces."""

    def __init__(self, *, max_parts: int = MAX_PARTS) -> None:
        self._parser = Parts(is_lenient=True, max_parts=max_parts, names=_FIELDS)
        self._root: PartStructure | None = None
        self._open: list[PartStructure] = []
        """Parts with an unknown end, the outermost first; `lines` are those before their body."""
        self._multiparts = 0
        self._at = 0
        self._lines = 0
        self._fields = 0

    @property
    def trouble(self) -> str:
        """Reason why some parts were not found; "" without one."""
        return self._parser.trouble

    def feed(self, octets: bytes) -> None:
        """Parse the next octets."""
        for piece in self._parser.feed(octets):
            self._add(piece)

    def finish(self) -> PartStructure:
        """The structure of the letter; that of an empty one is an empty text."""
        for piece in self._parser.finish():
            self._add(piece)
        self._close(0)
        return self._root or PartStructure.of_text(0, 0)

    def _add(self, piece: Piece) -> None:
        if isinstance(piece, Head):
            octets = piece.section
            self._add_part(piece)
        else:
            octets = piece.octets
            if isinstance(piece, Delimiter):
                # A closed multipart ends where a delimiter of an outer one begins.
                self._close(piece.within + piece.closes)
        self._at += len(octets)
        self._lines += octets.count(b"\n")

    def _add_part(self, head: Head) -> None:
        described = head.described
        self._fields += sum(map(len, described.bodies.values()))
        if self._fields > MAX_FIELDS:
            described = MimeFields(described.type, described.encoding, described.boundary, {})
        outer = self._open[-1] if self._open else None
        is_digested = outer is not None and outer.kind is Kind.MULTIPART and outer.described.type == "multipart/digest"
        part = PartStructure(
            head.kind,
            described,
            head.is_letter,
            is_digested,
            head=self._at,
            start=self._at + len(head.section),
            lines=self._lines + head.section.count(b"\n"),
            parts=[],
        )
        if outer is None:
            self._root = part
        else:
            outer.parts.append(part)
        self._open.append(part)
        self._multiparts += part.kind is Kind.MULTIPART

    def _close(self, multiparts: int) -> None:
        """End all but the first `multiparts` multiparts, and the parts of the last of these."""
        while self._open and (self._multiparts > multiparts or self._open[-1].kind is not Kind.MULTIPART):
            part = self._open.pop()
            self._multiparts -= part.kind is Kind.MULTIPART
            part.end = self._at
            part.lines = self._lines - part.lines


def structure_of(letter: bytes, max_parts: int = MAX_PARTS) -> tuple[PartStructure, str]:
    """Structure of a letter in memory, and the reason why some parts were not found or ""."""
    parser = StructureParser(max_parts=max_parts)
    for at in range(0, len(letter), AT_ONCE):
        parser.feed(letter[at : at + AT_ONCE])
    return parser.finish(), parser.trouble
