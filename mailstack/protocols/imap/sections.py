"""Sections of FETCH: ranges of a message's octets (RFC 3501 §6.4.5).

A range is read from the content and sent as a literal, so a section of a large message needs no memory. Only the fields
of HEADER.FIELDS are selected from the octets of a header section.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from mailstack.letter import header
from mailstack.letter.mime.structure import Kind, PartStructure
from mailstack.protocols.imap.fetch_items import BinarySection, BodySection
from mailstack.protocols.imap.responses import literal_start, string

_ATOM = re.compile(r"[^\x00-\x20\x7f-\U0010ffff(){%*\"\\\]]+\Z")
_FILTERED = frozenset({"HEADER.FIELDS", "HEADER.FIELDS.NOT"})
_DECODED = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})


class UnknownEncoding(Exception):
    """The part has a Content-Transfer-Encoding that can't be decoded: NO [UNKNOWN-CTE] (RFC 3516 §4.3)."""


class OctetRange(Struct, frozen=True):
    """Octets of a message's content from `start` to `end`."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start

    def window(self, partial: tuple[int, int] | None) -> OctetRange:
        """The octets of a partial fetch: first octet and maximum octets; empty behind the end."""
        if partial is None:
            return self
        start = min(self.start + partial[0], self.end)
        return OctetRange(start, min(start + partial[1], self.end))


class EncodedRange(Struct, frozen=True):
    """Octets of a part in its encoding."""

    octets: OctetRange
    encoding: str
    """"base64", "quoted-printable", or "" for octets that are not encoded."""


def needs_structure(item: BodySection | BinarySection) -> bool:
    """Whether the section is that of a part, and not of the message itself."""
    return bool(item.part)


def whole_message(header_size: int, size: int) -> PartStructure:
    """Structure for sections of a message itself, without its parts; see `mime.parts.header_end`."""
    return PartStructure.of_text(header_size, size)


def find_part(message: PartStructure, numbers: tuple[int, ...]) -> PartStructure | None:
    """Part with the number; None without one (RFC 3501 §6.4.5).

    A message that isn't a multipart has its body as part 1. So has a multipart without parts, see `body_structure`.
    """
    part = message
    has_own_body = True  # whether the body of `part` is its part 1
    for position, number in enumerate(numbers):
        if part.kind is Kind.MULTIPART and part.parts:
            if not 1 <= number <= len(part.parts):
                return None
            part = part.parts[number - 1]
            has_own_body = part.described.type.startswith("multipart/") and not part.parts
        elif number == 1 and has_own_body:
            has_own_body = False
        else:
            return None
        if part.kind is Kind.MESSAGE and position < len(numbers) - 1:
            if not part.parts:
                return None
            part = part.parts[0]
            has_own_body = True
    return part


def body_range(item: BodySection, message: PartStructure) -> OctetRange | None:
    """Octets of a section before `selected_fields` and `OctetRange.window`; None for a part that is missing.

    A part that isn't a message has an empty header section and text.
    """
    part = find_part(message, item.part)
    if part is None:
        return None
    if item.part and item.text not in {"", "MIME"}:
        if part.kind is not Kind.MESSAGE or not part.parts:
            return OctetRange(part.start, part.start)
        part = part.parts[0]
    match item.text:
        case "":
            return OctetRange(part.start if item.part else part.head, part.end)
        case "TEXT":
            return OctetRange(part.start, part.end)
        case _:
            return OctetRange(part.head, part.start)


def without_nul(octets: bytes) -> bytes:
    """Octets for a literal, which has no NUL (RFC 3501 §9, CHAR8): 0x80 in its place, as Dovecot sends, keeps the size."""
    return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets


def is_filtered(item: BodySection) -> bool:
    """Whether the section is fields of a header section."""
    return item.text in _FILTERED


def selected_fields(item: BodySection, section: bytes) -> bytes:
    """Fields of a header section for HEADER.FIELDS, in their order, with an empty line at the end."""
    is_inverse = item.text == "HEADER.FIELDS.NOT"
    return header.select_fields(section, _wanted_names(item), others=is_inverse) + b"\r\n"


@lru_cache(64)  # a FETCH has the same items for thousands of messages
def _wanted_names(item: BodySection) -> frozenset[bytes]:
    return frozenset([name.lower().encode("utf-8", "surrogateescape") for name in item.fields])


def binary_range(item: BinarySection, message: PartStructure) -> EncodedRange | None:
    """Octets of a section before their decoding and its window; None for a part that is missing.

    A multipart and a message are not decoded. Raises UnknownEncoding.
    """
    part = find_part(message, item.part)
    if part is None:
        return None
    if not item.part:
        return EncodedRange(OctetRange(part.head, part.end), "")
    octets = OctetRange(part.start, part.end)
    encoding = part.described.encoding
    if part.kind is not Kind.LEAF or part.described.type.startswith("multipart/"):
        return EncodedRange(octets, "")
    if encoding not in _DECODED:
        raise UnknownEncoding(encoding)
    return EncodedRange(octets, encoding if encoding in {"base64", "quoted-printable"} else "")


@lru_cache(64)
def label(item: BodySection | BinarySection) -> bytes:
    """Name of the section in the response, with the origin octet of a partial fetch."""
    origin = b"<%d>" % item.partial[0] if item.partial else b""
    numbers = ".".join(map(str, item.part)).encode("ascii")
    if isinstance(item, BinarySection):
        return b"BINARY.SIZE[%b]" % numbers if item.size_only else b"BINARY[%b]%b" % (numbers, origin)
    if item.label:
        return item.label.encode("ascii") + origin
    text = item.text.encode("ascii")
    if item.text in _FILTERED:
        text += b" (%b)" % b" ".join([_field_name(name) for name in item.fields])
    return b"BODY[%b%b%b]%b" % (numbers, b"." if numbers and text else b"", text, origin)


def section_start(item: BodySection | BinarySection, size: int, *, has_nul: bool = False) -> bytes:
    """The section up to its first octet; `size` octets follow. Only BINARY may have NUL (RFC 3516 §4.4)."""
    return label(item) + b" " + literal_start(size, is_binary=has_nul)


def missing_section(item: BodySection | BinarySection) -> bytes:
    """The section for a part that is missing."""
    return label(item) + (b" 0" if isinstance(item, BinarySection) and item.size_only else b" NIL")


def binary_size(item: BinarySection, size: int) -> bytes:
    """Response of BINARY.SIZE (RFC 3516 §4.3)."""
    return b"%b %d" % (label(item), size)


def body_section(item: BodySection, message: PartStructure, octets: bytes) -> bytes:
    """The whole section, from the octets of a message in memory."""
    found = body_range(item, message)
    if found is None:
        return missing_section(item)
    if is_filtered(item):
        fields = selected_fields(item, octets[found.start : found.end])
        found = OctetRange(0, len(fields)).window(item.partial)
        return section_start(item, found.size) + fields[found.start : found.end]
    found = found.window(item.partial)
    return section_start(item, found.size) + octets[found.start : found.end]


def _field_name(name: str) -> bytes:
    return name.encode("ascii") if _ATOM.match(name) else string(name.encode("utf-8", "surrogateescape"))
