"""Converts a letter to 8bit or 7bit as a stream (RFC 6152 §3).

The content is read three times, as a stream: for the plan, for the size of the result, and for the result.
Parts in multipart/signed are never changed. A DKIM signature may break: its signer should convert before (RFC 6376
§5.3), and a broken signature counts as none (§6.1), while a bounced letter is not delivered.
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
"""Maximum octets of a line without CRLF (RFC 5322 §2.1.1)."""

_ASCII = bytes(range(128))


class Domain(Enum):
    """Permitted octets (RFC 2045 §2.7, §2.8): lines without NUL, bare CR or bare LF."""

    SEVEN = "7bit"
    EIGHT = "8bit"


async def convert(content: Content, domain: Domain) -> Content:
    """The letter in the octets of `domain`. Raises Unconvertible; errors of reading propagate."""
    plan = ConversionPlan(domain)
    async for piece in pieces(content):
        plan.scan(piece)
    plan.complete()
    converted = Converted(content, plan.changes)
    size = 0
    async for octets in converted.chunks():
        size += len(octets)
    converted.size = size
    return converted


class PartChange(Struct, frozen=True):
    """Change of one section: a part, or the filler after a delimiter."""

    head: bytes | None = None
    """New header section; None for no change."""
    encoding: str = ""
    """Encoding of the body: "base64" or "quoted-printable"; "" for no change."""
    is_dropped: bool = False
    """Whether the filler is dropped, because the domain does not permit its octets."""


class Converted(Struct, eq=False):
    """A content that is converted on every read."""

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
            elif not change.is_dropped or isinstance(piece, Body):
                octets = encoder.feed(piece.octets) if encoder else piece.octets
            if octets:
                end = (end + octets[-2:])[-2:]
                yield octets
        last = encoder.finish() if encoder else b""
        end = (end + last[-2:])[-2:]
        if last or end != b"\r\n":
            yield last if end == b"\r\n" else last + b"\r\n"


_ENCODERS: dict[str, type[Base64 | QuotedPrintable]] = {"base64": Base64, "quoted-printable": QuotedPrintable}


def _octets(piece: Head | Delimiter) -> bytes:
    return piece.section if isinstance(piece, Head) else piece.octets


class ConversionPlan:
    """Changes of a letter, from one scan of its pieces."""

    def __init__(self, domain: Domain) -> None:
        self.changes: dict[int, PartChange] = {}
        """Changes by section; a head or a delimiter starts one."""
        self._domain = domain
        self._section = -1
        self._head: Head | None = None
        self._statistics = OctetStatistics()

    def scan(self, piece: Piece) -> None:
        """Scan the next piece."""
        if isinstance(piece, Head | Delimiter):
            self.complete()
            self._section += 1
            self._head = piece if isinstance(piece, Head) else None
            self._statistics = OctetStatistics()
            if isinstance(piece, Head):
                self._check_head(piece)
        else:
            self._statistics.scan(piece.octets)

    def complete(self) -> None:
        """End the section."""
        head, statistics = self._head, self._statistics
        statistics.complete()
        if head is not None and head.kind is Kind.LEAF:
            self._complete_leaf(head)
        elif statistics.size and not self._fits():
            self.changes[self._section] = replace(self.changes.get(self._section, PartChange()), is_dropped=True)

    def _complete_leaf(self, head: Head) -> None:
        declared, statistics = head.described.encoding, self._statistics
        if self._fits() and not (declared == "binary" and statistics.is_long):
            if declared == "binary":
                self._relabel(head, "7bit" if statistics.is_ascii else "8bit")
            return
        self._may_change(head, declared)
        is_text = (head.described.type or "text/").startswith("text/") and statistics.is_text and not statistics.is_long
        # If a quarter of the octets need escapes, base64 is shorter.
        encoding = "quoted-printable" if is_text and 4 * statistics.high <= statistics.size else "base64"
        more = b""
        if head.is_letter and not head.described.is_mime:
            # RFC 1428 §3: the charset of the octets is unknown.
            more = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
        self.changes[self._section] = PartChange(relabel(head.section, encoding, more), encoding)

    def _fits(self) -> bool:
        return self._statistics.is_text and (self._statistics.is_ascii or self._domain is Domain.EIGHT)

    def _check_head(self, head: Head) -> None:
        section = head.section
        if not section.isascii() and self._domain is Domain.SEVEN:
            raise Unconvertible("a header section of it is not ASCII")
        if not section.count(b"\r") == section.count(b"\n") == section.count(b"\r\n") or b"\0" in section:
            raise Unconvertible("a header section of it does not consist of lines")
        declared = head.described.encoding
        if head.kind is not Kind.LEAF and (
            declared == "binary" or (declared == "8bit" and self._domain is Domain.SEVEN)
        ):
            self._relabel(head, self._domain.value)

    def _relabel(self, head: Head, encoding: str) -> None:
        self._may_change(head, head.described.encoding)
        self.changes[self._section] = PartChange(relabel(head.section, encoding))

    def _may_change(self, head: Head, declared: str) -> None:
        if head.sealed:
            raise Unconvertible("a part that needs conversion is signed")
        if declared not in ("", "7bit", "8bit", "binary"):
            raise Unconvertible("a part does not match its Content-Transfer-Encoding")
        of_type = head.described.type
        if head.kind is Kind.LEAF and of_type.startswith(("multipart/", "message/")) and of_type != "message/global":
            # RFC 2046 §5.2: these are never encoded.
            raise Unconvertible(f"a part of type {of_type[:60]} can't be encoded")


class OctetStatistics:
    """Statistics of the octets of a body, for any cut."""

    def __init__(self) -> None:
        self.size = 0
        self.high = 0
        """Octets above 127."""
        self.is_text = True
        """Whether there is no NUL, bare CR or bare LF."""
        self.is_long = False
        """Whether a line is longer than MAX_LINE."""
        self._line = 0
        self._after_cr = False

    @property
    def is_ascii(self) -> bool:
        return self.high == 0

    def scan(self, octets: bytes) -> None:
        """Count the next octets."""
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
        """End the body."""
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


def _lengths(octets: bytes, max_line: int) -> Iterator[int]:
    """Lengths of pieces of lines, and -1 for a line end; short lines may be skipped."""
    start = 0
    first = octets.find(b"\r\n")
    if first < 0:
        yield len(octets)
        return
    yield first
    yield -1
    start = first + 2
    while start < len(octets):
        end = octets.rfind(b"\r\n", start, start + max_line + 2)
        if end < 0:
            break
        start = end + 2
    yield min(len(octets) - start, max_line + 1)
