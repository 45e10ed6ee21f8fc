"""Converts a letter to 8bit or 7bit as a stream (RFC 6152 §3).

Three readings of the content, none of which holds it: what is in each part, how large the result is, and the result.
What a signature covers as octets (multipart/signed) is never changed. A DKIM signature may be: its signer is told to
leave no octets that need conversion (RFC 6376 §5.3), and a broken one counts as none (§6.1), while a letter that comes
back is lost on its reader.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.letter import Content
from mailstack.letter.mime.fields import relabel
from mailstack.letter.mime.parts import Body, Delimiter, Head, Kind, Piece, Unconvertible, pieces
from mailstack.letter.transfer_encoding import Base64, Encoder, QuotedPrintable

__all__ = ["Domain", "Unconvertible", "convert"]

MAX_LINE = 998
"""Octets without CRLF (RFC 5322 §2.1.1)."""

_ASCII = bytes(range(128))


class Domain(Enum):
    """Which octets may be sent (RFC 2045 §2.7, §2.8). Both mean lines, none of which holds a NUL, CR or LF."""

    SEVEN = "7bit"
    EIGHT = "8bit"


async def convert(content: Content, domain: Domain) -> Content:
    """The same letter in the octets of `domain`. Raises Unconvertible, and what reading the content raises."""
    plan = Plan(domain)
    async for piece in pieces(content):
        plan.look_at(piece)
    plan.complete()
    converted = Converted(content, plan.changes)
    size = 0
    async for octets in converted.chunks():
        size += len(octets)
    converted.size = size
    return converted


class PartChange(Struct, frozen=True):
    """What becomes of a section of the letter: of a part, or of the filler that follows a delimiter."""

    head: bytes | None = None
    """Header section in place of the old one; None keeps it."""
    encoding: str = ""
    """Encoding of its body: "base64" or "quoted-printable"; "" leaves it as it is."""
    left_out: bool = False
    """Filler that the domain has no octets for."""


class Converted(Struct, eq=False):
    """A content that is converted whenever it is read."""

    content: Content
    changes: dict[int, PartChange]
    size: int = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        section = -1
        change = PartChange()
        encoder: Encoder | None = None
        end = b"\r\n"
        async for piece in pieces(self.content):
            octets = b""
            if isinstance(piece, Head | Delimiter):
                octets = encoder.finish() if encoder else b""
                section += 1
                change = self.changes.get(section, PartChange())
                octets += change.head if isinstance(piece, Head) and change.head is not None else _octets(piece)
                encoder = _ENCODERS[change.encoding]() if change.encoding else None
            elif not change.left_out or isinstance(piece, Body):
                octets = encoder.feed(piece.octets) if encoder else piece.octets
            if octets:
                end = (end + octets[-2:])[-2:]
                yield octets
        rest = encoder.finish() if encoder else b""
        end = (end + rest[-2:])[-2:]
        if rest or end != b"\r\n":
            yield rest if end == b"\r\n" else rest + b"\r\n"


_ENCODERS: dict[str, type[Base64 | QuotedPrintable]] = {"base64": Base64, "quoted-printable": QuotedPrintable}


def _octets(piece: Head | Delimiter) -> bytes:
    return piece.section if isinstance(piece, Head) else piece.octets


class Plan:
    """What has to change, found by looking at every piece once."""

    def __init__(self, domain: Domain) -> None:
        self.changes: dict[int, PartChange] = {}
        """Changes by number of the section: heads and delimiters count."""
        self._domain = domain
        self._section = -1
        self._head: Head | None = None
        self._seen = Seen()

    def look_at(self, piece: Piece) -> None:
        """The next piece."""
        if isinstance(piece, Head | Delimiter):
            self.complete()
            self._section += 1
            self._head = piece if isinstance(piece, Head) else None
            self._seen = Seen()
            if isinstance(piece, Head):
                self._check_head(piece)
        else:
            self._seen.look_at(piece.octets)

    def complete(self) -> None:
        """No more pieces belong to the section."""
        head, seen = self._head, self._seen
        seen.complete()
        if head is not None and head.kind is Kind.LEAF:
            self._complete_leaf(head)
        elif seen.size and not self._fits():
            self.changes[self._section] = replace(self.changes.get(self._section, PartChange()), left_out=True)

    def _complete_leaf(self, head: Head) -> None:
        said, seen = head.described.encoding, self._seen
        if self._fits() and not (said == "binary" and seen.is_long):
            if said == "binary":
                self._relabel(head, "7bit" if seen.is_ascii else "8bit")
            return
        self._may_change(head, said)
        is_text = (head.described.type or "text/").startswith("text/") and seen.is_text and not seen.is_long
        # Where a quarter of the octets would be escaped, base64 is shorter.
        encoding = "quoted-printable" if is_text and 4 * seen.high <= seen.size else "base64"
        more = b""
        if head.is_letter and not head.described.is_mime:
            # RFC 1428 §3: the charset of the octets is unknown.
            more = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        self.changes[self._section] = PartChange(relabel(head.section, encoding, more), encoding)

    def _fits(self) -> bool:
        return self._seen.is_text and (self._seen.is_ascii or self._domain is Domain.EIGHT)

    def _check_head(self, head: Head) -> None:
        section = head.section
        if not section.isascii() and self._domain is Domain.SEVEN:
            raise Unconvertible("a header section of it is not ASCII")
        if not section.count(b"\r") == section.count(b"\n") == section.count(b"\r\n") or b"\0" in section:
            raise Unconvertible("a header section of it does not consist of lines")
        said = head.described.encoding
        if head.kind is not Kind.LEAF and (said == "binary" or (said == "8bit" and self._domain is Domain.SEVEN)):
            self._relabel(head, self._domain.value)

    def _relabel(self, head: Head, encoding: str) -> None:
        self._may_change(head, head.described.encoding)
        self.changes[self._section] = PartChange(relabel(head.section, encoding))

    def _may_change(self, head: Head, said: str) -> None:
        if head.sealed:
            raise Unconvertible("a signature covers the part that would have to change")
        if said not in ("", "7bit", "8bit", "binary"):
            raise Unconvertible("a part of it is not what its Content-Transfer-Encoding says")
        of_type = head.described.type
        if head.kind is Kind.LEAF and of_type.startswith(("multipart/", "message/")) and of_type != "message/global":
            # RFC 2046 §5.2: these are never encoded.
            raise Unconvertible(f"a part of type {of_type[:60]} can't be encoded")


class Seen:
    """What a body is made of, whatever cut it comes in."""

    def __init__(self) -> None:
        self.size = 0
        self.high = 0
        """Octets above 127."""
        self.is_text = True
        """No NUL, and neither CR without LF nor LF without CR."""
        self.is_long = False
        """Whether a line is longer than LONGEST_LINE."""
        self._line = 0
        self._after_cr = False

    @property
    def is_ascii(self) -> bool:
        return self.high == 0

    def look_at(self, octets: bytes) -> None:
        """The next octets."""
        self.size += len(octets)
        if not octets.isascii():
            self.high += len(octets.translate(None, _ASCII))
        if self._after_cr:
            octets = b"\r" + octets
        self._after_cr = octets.endswith(b"\r")
        if self._after_cr:
            octets = octets[:-1]
        pairs = octets.count(b"\r\n")
        if not octets.count(b"\r") == octets.count(b"\n") == pairs or b"\0" in octets:
            self.is_text = False
        if not self.is_long:
            self._measure(octets)

    def complete(self) -> None:
        """There are no more."""
        if self._after_cr:
            self.is_text = False

    def _measure(self, octets: bytes) -> None:
        for length in _lengths(octets, MAX_LINE):
            if length < 0:
                self._line = 0
                continue
            self._line += length
            if self._line > MAX_LINE:
                self.is_long = True
                return


def _lengths(octets: bytes, most: int) -> Iterator[int]:
    """Lengths of pieces of lines, -1 where a line ends; it leaps, and tells no more than decides."""
    start = 0
    first = octets.find(b"\r\n")
    if first < 0:
        yield len(octets)
        return
    yield first
    yield -1
    start = first + 2
    while start < len(octets):
        end = octets.rfind(b"\r\n", start, start + most + 2)
        if end < 0:
            break
        start = end + 2
    yield min(len(octets) - start, most + 1)
