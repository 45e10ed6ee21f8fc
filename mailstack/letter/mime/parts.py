"""MIME stream parser: heads, bodies and delimiters of parts (RFC 2046 §5.1).

All pieces, joined, are the letter. Memory is bounded by a header section or a delimiter line.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum

from msgspec import Struct

from mailstack.letter.letter import Content
from mailstack.letter.mime.fields import MIME_FIELDS, MimeFields, describe

MAX_PARTS = 10_000
MAX_DEPTH = 20
"""Maximum nesting of multiparts in a letter that is converted."""
MAX_NESTING = 40
"""Maximum nesting of multiparts and messages in a letter that is read."""
MAX_HEADER = 262_144
"""Maximum octets of a header section."""
_MAX_BOUNDARY = 200
"""Maximum octets of a boundary; RFC 2046 §5.1.1 allows 70."""
_MAX_DELIMITER = 256
"""Maximum octets of a delimiter line behind its dashes, with trailing blanks."""
_MARK = b"\r\n--"
_NEWLINE = re.compile(rb"[\r\n]")

_UNENCODED = ("", "7bit", "8bit", "binary")
_ENCODED = ("base64", "quoted-printable")


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
    closes: bool
    """Whether it is the last of its multipart."""


Piece = Head | Body | Filler | Delimiter


class _Multipart(Struct, frozen=True):
    """Open multipart, with the delimiters that may end a part of it."""

    is_digest: bool
    sealed: bool
    depth: int
    """Number of multiparts and messages around its parts."""
    prefix: bytes
    """Common start of all boundaries."""
    mark: bytes
    """Start of every delimiter."""
    lines: dict[bytes, tuple[int, bool]]
    """Level of the multipart, and whether it is closed, by the delimiter line without dashes and trailing blanks.

    The innermost multipart of a boundary counts (RFC 2046 §5.1.1).
    """
    sizes: frozenset[int]
    """Lengths of `lines`."""

    @classmethod
    def within(
        cls, stack: list[_Multipart], boundary: bytes, *, is_digest: bool, sealed: bool, depth: int
    ) -> _Multipart:
        outer = stack[-1] if stack else None
        prefix = _common_start(outer.prefix, boundary) if outer else boundary
        lines = {boundary: (len(stack), False), boundary + b"--": (len(stack), True)}
        mark = _MARK + _NEWLINE.split(prefix, maxsplit=1)[0]
        if outer:
            lines = outer.lines | lines
        return cls(is_digest, sealed, depth, prefix, mark, lines, frozenset(map(len, lines)))


def _common_start(one: bytes, other: bytes) -> bytes:
    size = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:size]


class _DelimiterLine(Struct, frozen=True):
    """Delimiter found in the octets."""

    start: int
    """Offset of the CRLF before it, or of the line at the start of a body."""
    end: int
    """Offset behind its CRLF, or behind its last octet if it closes the multipart; -1 while the line is incomplete."""
    level: int = 0
    closes: bool = False


class Parts:
    """Parser of one letter, from its first octet to its last.

    All methods may raise Unconvertible, but not in a parser that is lenient: it reads what is invalid as text, ends an
    unfinished header section at the next delimiter, and ignores the encoding of multiparts, as mail programs do.
    """

    def __init__(
        self,
        *,
        is_lenient: bool = False,
        max_parts: int = MAX_PARTS,
        max_nesting: int = MAX_NESTING,
        names: frozenset[bytes] = MIME_FIELDS,
    ) -> None:
        self.trouble = ""
        """Reason why a lenient parser has not found all parts; "" without one."""
        self._is_lenient = is_lenient
        self._max_parts = max_parts
        self._max_nesting = max_nesting
        self._names = names
        self._octets = bytearray()
        self._stack: list[_Multipart] = []
        self._heads = 0
        self._depth = 0
        self._in_head = True
        self._is_letter = True
        self._piece: type[Body | Filler] = Body
        # Whether a delimiter needs no CRLF here, because that of the head belongs to it.
        self._fresh = False
        # Whether no empty line is in the octets, so that not each of many heads searches them all.
        self._has_no_empty_line = False

    def feed(self, octets: bytes) -> Iterator[Piece]:
        """Pieces that are complete with the next octets."""
        self._octets += octets
        self._has_no_empty_line = False
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
        end = -1
        if not self._has_no_empty_line or octets.startswith(b"\r\n"):
            end = header_end(octets)
            self._has_no_empty_line = end < 0
        if end < 0:
            if len(octets) > MAX_HEADER:
                self._complain("it has a header section that is too long")
                end = MAX_HEADER
            elif at_end:
                end = len(octets)
            else:
                return
        line = self._delimiter(end, at_end=True, at_start=True) if self._stack else None
        if line is not None:
            if not self._is_lenient:
                raise Unconvertible("it has a part with an unfinished header section")
            end = line.start
        self._heads += 1
        yield self._parse_head(self._consume(end), is_cut=line is not None)

    def _parse_head(self, section: bytes, *, is_cut: bool) -> Head:
        described = describe(section, self._names)
        inside = self._stack[-1] if self._stack else None
        default = "message/rfc822" if inside and inside.is_digest and not self._is_letter else "text/plain"
        of_type = described.type or default
        kind = self._kind(of_type, described)
        sealed = inside is not None and inside.sealed
        head = Head(section, described, kind, self._is_letter, sealed)
        self._in_head = self._is_letter = kind is Kind.MESSAGE and not is_cut
        self._piece = Body if kind is Kind.LEAF else Filler
        self._fresh = True
        self._depth += kind is not Kind.LEAF
        if kind is Kind.MULTIPART:
            if len(self._stack) >= MAX_DEPTH and not self._is_lenient:
                raise Unconvertible(f"its parts are nested deeper than {MAX_DEPTH}")
            is_digest, sealed = of_type == "multipart/digest", sealed or of_type == "multipart/signed"
            self._stack.append(
                _Multipart.within(
                    self._stack, described.boundary, is_digest=is_digest, sealed=sealed, depth=self._depth
                )
            )
        return head

    def _kind(self, of_type: str, described: MimeFields) -> Kind:
        if of_type.startswith("multipart/"):
            is_plain = self._is_lenient or described.encoding in _UNENCODED
            kind = Kind.MULTIPART if is_plain and 0 < len(described.boundary) <= _MAX_BOUNDARY else Kind.LEAF
        elif self._is_lenient:
            is_message = of_type in {"message/rfc822", "message/global"} and described.encoding not in _ENCODED
            kind = Kind.MESSAGE if is_message else Kind.LEAF
        else:
            kind = Kind.MESSAGE if of_type == "message/rfc822" and described.encoding in _UNENCODED else Kind.LEAF
        if kind is not Kind.LEAF and self._heads >= self._max_parts:
            self._complain(f"it has more than {self._max_parts} parts")
            return Kind.LEAF
        if kind is not Kind.LEAF and self._depth >= self._max_nesting and self._is_lenient:
            self._complain("its parts are nested too deep")
            return Kind.LEAF
        return kind

    def _complain(self, reason: str) -> None:
        if not self._is_lenient:
            raise Unconvertible(reason)
        self.trouble = self.trouble or reason

    def _body(self, *, at_end: bool) -> Iterator[Piece]:
        octets = self._octets
        if not self._stack:
            yield self._piece(self._consume(len(octets)))
            return
        line = self._delimiter(len(octets), at_end=at_end, at_start=self._fresh)
        if line is None:
            yield from self._plain(len(octets) if at_end else self._settled())
            return
        yield from self._plain(line.start)
        if line.end < 0:
            return
        if self._heads >= self._max_parts and not line.closes:
            # The last part is all that remains.
            self._complain(f"it has more than {self._max_parts} parts")
            self._stack.clear()
            return
        del self._stack[line.level if line.closes else line.level + 1 :]
        self._depth = self._stack[-1].depth if self._stack else 0
        yield Delimiter(self._consume(line.end - line.start), len(self._stack), line.closes)
        self._piece = Filler
        self._in_head = not line.closes
        self._fresh = self._is_letter = False

    def _delimiter(self, end: int, *, at_end: bool, at_start: bool) -> _DelimiterLine | None:
        """First delimiter before `end`; incomplete if its line may go on behind that."""
        octets, inside = self._octets, self._stack[-1]
        mark, lines, sizes = inside.mark, inside.lines, inside.sizes
        at = -2 if at_start and octets.startswith(inside.mark[2:]) else octets.find(inside.mark, 0, end)
        while at != -1:
            begin = at + len(_MARK)
            stop = octets.find(b"\r\n", begin, min(end, begin + _MAX_DELIMITER))
            if stop > begin and stop - begin not in sizes and octets[stop - 1] not in b" \t":
                at = octets.find(mark, at + 1 if at >= 0 else 1, end)
                continue
            start = max(at, 0)
            is_last = stop < 0 and end - begin < _MAX_DELIMITER
            if is_last and not at_end:
                return _DelimiterLine(start, -1)
            if is_last:
                stop = end
            if stop >= 0 and (known := lines.get(bytes(octets[begin:stop]).rstrip(b" \t"))):
                level, closes = known
                return _DelimiterLine(start, stop if closes or is_last else stop + 2, level, closes)
            at = octets.find(mark, start + 1, end)
        return None

    def _settled(self) -> int:
        """Number of octets that are certainly content, if there is no delimiter in them."""
        octets, mark = self._octets, self._stack[-1].mark
        if self._fresh and mark[2:].startswith(bytes(octets[: len(mark)])):
            return 0
        at = octets.rfind(b"\r", -len(mark))
        return at if at >= 0 and mark.startswith(octets[at:]) else len(octets)

    def _plain(self, count: int) -> Iterator[Piece]:
        if count:
            self._fresh = False
            yield self._piece(self._consume(count))

    def _consume(self, count: int) -> bytes:
        octets = bytes(self._octets[:count])
        del self._octets[:count]
        return octets


def header_end(octets: bytes | bytearray) -> int:
    """Offset of the body, after the empty line that ends a header section; -1 without one."""
    if octets.startswith(b"\r\n"):
        return 2
    end = octets.find(b"\r\n\r\n")
    return -1 if end < 0 else end + 4


async def pieces(content: Content) -> AsyncIterator[Piece]:
    """All pieces of a letter, in order. Raises Unconvertible."""
    parts = Parts()
    async for octets in content.chunks():
        for piece in parts.feed(octets):
            yield piece
    for piece in parts.finish():
        yield piece
