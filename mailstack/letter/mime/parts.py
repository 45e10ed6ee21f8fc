"""MIME stream parser: heads, bodies and delimiters of parts (RFC 2046 §5.1).

All pieces, joined, are the letter. Memory is bounded by a header section or a delimiter line.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum

from msgspec import Struct

from mailstack.letter.letter import Content
from mailstack.letter.mime.fields import MimeFields, describe

MAX_PARTS = 10_000
MAX_DEPTH = 20
"""Maximum nesting of multiparts."""
MAX_HEADER = 262_144
"""Maximum octets of a header section."""
_MAX_BOUNDARY = 200
"""Maximum octets of a boundary; RFC 2046 §5.1.1 allows 70."""
_MAX_DELIMITER = 256
"""Maximum octets of a delimiter line with trailing blanks."""
_MAX_BOUNDARIES = 100_000
"""Maximum octets of all boundary patterns; each octet costs half a microsecond."""
_MARK = b"--"

_UNENCODED = ("", "7bit", "8bit", "binary")


class Unconvertible(Exception):
    """The letter can't be converted without a change of its meaning; str() is the reason, for people."""


class Kind(Enum):
    """Whether the content is octets, further parts, or another message."""

    LEAF = "octets"
    MULTIPART = "parts"
    MESSAGE = "another letter"


class Head(Struct, frozen=True):
    """The header section of a part, or of a letter in it, with the blank line."""

    section: bytes
    described: MimeFields
    kind: Kind
    is_letter: bool
    """Whether it is the header of the letter or of a message/rfc822, not of a MIME part."""
    sealed: bool
    """Whether it is in a multipart/signed, which must not be changed (RFC 1847 §2.1)."""


class Body(Struct, frozen=True):
    """Octets of the leaf after the last head."""

    octets: bytes


class Filler(Struct, frozen=True):
    """Octets before the first part of a multipart or after its last; never displayed."""

    octets: bytes


class Delimiter(Struct, frozen=True):
    """Delimiter line with the CRLF before it, and after it unless it closes the multipart."""

    octets: bytes
    within: int
    """Number of open multiparts after it."""


Piece = Head | Body | Filler | Delimiter


class _Multipart(Struct, frozen=True):
    """Open multipart, with the patterns of its delimiters."""

    boundary: bytes
    is_digest: bool
    sealed: bool
    sought: bytes
    """Pattern of its boundary and of outer ones, the innermost first (RFC 2046 §5.1.1)."""
    at_start: re.Pattern[bytes]
    """Delimiter line of any of these boundaries."""
    anywhere: re.Pattern[bytes]
    """Delimiter line with the CRLF before it."""

    @classmethod
    def within(cls, outer: _Multipart | None, boundary: bytes, *, is_digest: bool, sealed: bool) -> _Multipart:
        sought = re.escape(boundary) + (b"|" + outer.sought if outer else b"")
        line = rb"--(?P<boundary>" + sought + rb")(?P<closes>--)?[ \t]*+(?P<end>\r\n|\Z)"
        return cls(boundary, is_digest, sealed, sought, re.compile(line), re.compile(rb"\r\n" + line))


class Parts:
    """Parser of one letter, from its first octet to its last. All methods may raise Unconvertible."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._stack: list[_Multipart] = []
        self._heads = 0
        self._sought = 0
        self._in_head = True
        self._is_letter = True
        self._piece: type[Body | Filler] = Body
        # Whether a delimiter needs no CRLF here, because that of the head belongs to it.
        self._fresh = False

    def feed(self, octets: bytes) -> Iterator[Piece]:
        """Pieces that are complete with the next octets."""
        self._octets += octets
        return self._pieces(at_end=False)

    def finish(self) -> Iterator[Piece]:
        """The last pieces."""
        return self._pieces(at_end=True)

    def _pieces(self, *, at_end: bool) -> Iterator[Piece]:
        while self._octets:
            before = len(self._octets), self._in_head
            if self._in_head:
                yield from self._head(at_end=at_end)
            else:
                yield from self._body(at_end=at_end)
            if (len(self._octets), self._in_head) == before:
                return

    def _head(self, *, at_end: bool) -> Iterator[Piece]:
        octets = self._octets
        if octets.startswith(b"\r\n"):
            end = 2
        else:
            end = octets.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(octets) > MAX_HEADER:
                    raise Unconvertible("it has a header section that is too long")
                if not at_end:
                    return
                end = len(octets)
        section = self._consume(end)
        self._heads += 1
        if self._heads > MAX_PARTS:
            raise Unconvertible(f"it has more than {MAX_PARTS} parts")
        inside = self._stack[-1] if self._stack else None
        if inside and (inside.at_start.match(section) or inside.anywhere.search(section)):
            raise Unconvertible("it has a part with an unfinished header section")
        yield self._parse_head(section)

    def _parse_head(self, section: bytes) -> Head:
        described = describe(section)
        inside = self._stack[-1] if self._stack else None
        default = "message/rfc822" if inside and inside.is_digest and not self._is_letter else "text/plain"
        of_type = described.type or default
        kind = Kind.LEAF
        if described.encoding in _UNENCODED:
            if of_type.startswith("multipart/") and 0 < len(described.boundary) <= _MAX_BOUNDARY:
                kind = Kind.MULTIPART
            elif of_type == "message/rfc822":
                kind = Kind.MESSAGE
        sealed = inside is not None and inside.sealed
        head = Head(section, described, kind, self._is_letter, sealed)
        self._in_head = self._is_letter = kind is Kind.MESSAGE
        self._piece = Body if kind is Kind.LEAF else Filler
        self._fresh = True
        if kind is Kind.MULTIPART:
            sealed = sealed or of_type == "multipart/signed"
            self._open(
                _Multipart.within(inside, described.boundary, is_digest=of_type == "multipart/digest", sealed=sealed)
            )
        return head

    def _open(self, multipart: _Multipart) -> None:
        self._sought += len(multipart.sought)
        if len(self._stack) >= MAX_DEPTH:
            raise Unconvertible(f"its parts are nested deeper than {MAX_DEPTH}")
        if self._sought > _MAX_BOUNDARIES:
            raise Unconvertible("it has too many multiparts")
        self._stack.append(multipart)

    def _body(self, *, at_end: bool) -> Iterator[Piece]:
        octets = self._octets
        if not self._stack:
            yield self._piece(self._consume(len(octets)))
            return
        inside = self._stack[-1]
        match = (self._fresh and inside.at_start.match(octets)) or inside.anywhere.search(octets)
        if not match or (not match["end"] and not at_end):
            # The last octets may be the start of a delimiter.
            yield from self._plain(len(octets) if at_end else self._settled())
            return
        at, boundary, closes = match.start(), match["boundary"], match["closes"] is not None
        size = match.end() - at - (len(match["end"]) if closes else 0)
        yield from self._plain(at)
        level = max(n for n, multipart in enumerate(self._stack) if multipart.boundary == boundary)
        del self._stack[level if closes else level + 1 :]
        yield Delimiter(self._consume(size), len(self._stack))
        self._piece = Filler
        self._in_head = not closes
        self._fresh = self._is_letter = False

    def _settled(self) -> int:
        """Number of octets that are certainly content."""
        octets = self._octets
        at = octets.rfind(b"\r\n")
        line = bytes(octets[at + 2 if at >= 0 else 0 :][:2])
        if (at >= 0 or self._fresh) and _MARK.startswith(line) and len(octets) - at <= _MAX_DELIMITER:
            return max(0, at)
        return len(octets) - octets.endswith(b"\r")

    def _plain(self, count: int) -> Iterator[Piece]:
        if count:
            self._fresh = False
            yield self._piece(self._consume(count))

    def _consume(self, count: int) -> bytes:
        octets = bytes(self._octets[:count])
        del self._octets[:count]
        return octets


async def pieces(content: Content) -> AsyncIterator[Piece]:
    """All pieces of a letter, in order. Raises Unconvertible."""
    parts = Parts()
    async for octets in content.chunks():
        for piece in parts.feed(octets):
            yield piece
    for piece in parts.finish():
        yield piece
