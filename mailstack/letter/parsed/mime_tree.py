"""MIME tree of a letter: numbers, names and offsets of parts (RFC 2046).

Numbers are those of IMAP (RFC 3501 §6.4.5): 1, 2, 2.1; a multipart that is a whole letter has the number 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from mailstack.letter.charsets import text_of
from mailstack.letter.mime.fields import CONTENT_ID, DISPOSITION, TYPE, value_and_parameters
from mailstack.letter.mime.parts import Body, Delimiter, Head, Kind, Parts, Piece, Unconvertible
from mailstack.letter.transfer_encoding import AT_ONCE, decoded, decoded_size

_PARTING = re.compile(r"[/\\\x00-\x1f\x7f]")
"""Separators of a path, and control characters."""
_MAX_NAME = 255
_MAX_DEPTH = 40
"""Maximum nesting of multiparts and letters; mailstack.letter.mime.parts limits multiparts."""


class Part(Struct, frozen=True):
    """One part: the octets of the letter from `start` to `end`, still encoded."""

    number: str
    type: str
    """Media type in lower case, as "text/plain"."""
    charset: str
    name: str
    """File name without directories; "" without one."""
    disposition: str
    """"inline", "attachment", another word, or ""."""
    content_id: str
    """Content-ID without its angle brackets."""
    encoding: str
    is_letter: bool
    """Whether the part is a letter with a header section of RFC 5322."""
    head: int
    """Offset of its header section."""
    start: int
    end: int
    size: int
    """Decoded octets."""
    parts: tuple[Part, ...] = ()
    """Parts of a multipart; the letter in a message/rfc822."""

    @property
    def is_multipart(self) -> bool:
        return bool(self.parts) and self.type.startswith("multipart/")

    def octets(self, letter: bytes) -> bytes:
        """Decoded content of the part, from the octets of its letter."""
        return decoded(letter, self.encoding, self.start, self.end)

    def beginning(self, letter: bytes, max_octets: int) -> bytes:
        """First `max_octets` decoded octets of the part."""
        # An encoded octet has at most three, =XX; soft line breaks are few.
        return decoded(letter, self.encoding, self.start, min(self.end, self.start + 3 * max_octets))[:max_octets]

    def walk(self) -> Iterator[Part]:
        """The part, then all parts in it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()


class _Open:
    """A part with an unknown end."""

    def __init__(self, number: str, head: Head, at: int) -> None:
        self.number = number
        self.head = head
        self.at = at
        self.start = self.end = at + len(head.section)
        self.parts: list[_Open] = []

    def next_number(self, kind: Kind) -> str:
        prefix = (
            self.number.removesuffix("0") if self.number == "0" or self.number.endswith(".0") else self.number + "."
        )
        if self.head.kind is Kind.MESSAGE:
            return prefix + ("0" if kind is Kind.MULTIPART else "1")
        return f"{prefix}{len(self.parts) + 1}"

    def to_part(self, letter: bytes) -> Part:
        bodies = self.head.described.bodies
        kind, parameters = value_and_parameters(bodies.get(TYPE, b""))
        disposition, more = value_and_parameters(bodies.get(DISPOSITION, b""))
        encoding = self.head.described.encoding
        return Part(
            number=self.number,
            type=self.head.described.type or (kind if kind.count("/") == 1 else "") or self._default(),
            charset=parameters.get("charset", ""),
            name=_file_name(more.get("filename") or parameters.get("name", "")),
            disposition=disposition,
            content_id=text_of(bodies.get(CONTENT_ID, b"")).strip().removeprefix("<").removesuffix(">"),
            encoding=encoding,
            is_letter=self.head.is_letter,
            head=self.at,
            start=self.start,
            end=self.end,
            size=decoded_size(letter, "" if self.parts else encoding, self.start, self.end),
            parts=tuple(part.to_part(letter) for part in self.parts),
        )

    def _default(self) -> str:
        return "message/rfc822" if self.head.kind is Kind.MESSAGE else "text/plain"


def tree_of(letter: bytes, max_parts: int) -> tuple[Part, str]:
    """Parts of a letter, and the reason why some were not parsed or ""."""
    at = count = 0
    root: _Open | None = None
    open_parts: list[_Open] = []
    trouble = ""
    try:
        for piece in _pieces(letter):
            match piece:
                case Head():
                    count += 1
                    if count > max_parts or len(open_parts) > _MAX_DEPTH:
                        trouble = (
                            f"it has more than {max_parts} parts"
                            if count > max_parts
                            else "its parts are nested too deep"
                        )
                        break
                    part = _add_part(open_parts, piece, at)
                    root = root or part
                case Delimiter():
                    _close(open_parts, piece.within, at)
                case Body():
                    open_parts[-1].end = at + len(piece.octets)
            at += len(piece.section if isinstance(piece, Head) else piece.octets)
    except Unconvertible as error:
        trouble = str(error)
        at = len(letter)
    _close(open_parts, -1, at)
    return (root.to_part(letter) if root else _single_part(letter)), trouble


def _pieces(letter: bytes) -> Iterator[Piece]:
    parts = Parts()
    for at in range(0, len(letter), AT_ONCE):
        yield from parts.feed(letter[at : at + AT_ONCE])
    yield from parts.finish()


def _add_part(open_parts: list[_Open], head: Head, at: int) -> _Open:
    """Add a part below the innermost open multipart or message."""
    while open_parts and open_parts[-1].head.kind is Kind.LEAF:
        open_parts.pop()
    if open_parts:
        part = _Open(open_parts[-1].next_number(head.kind), head, at)
        open_parts[-1].parts.append(part)
    else:
        part = _Open("0" if head.kind is Kind.MULTIPART else "1", head, at)
    open_parts.append(part)
    return part


def _close(open_parts: list[_Open], within: int, at: int) -> None:
    """Close all but `within` multiparts, and the parts in the last of these."""
    multiparts = sum(part.head.kind is Kind.MULTIPART for part in open_parts)
    while open_parts and (multiparts > within or open_parts[-1].head.kind is not Kind.MULTIPART):
        part = open_parts.pop()
        multiparts -= part.head.kind is Kind.MULTIPART
        part.end = max(part.end, at)


def _single_part(letter: bytes) -> Part:
    return Part(
        "1", "text/plain", "", "", "", "", "", is_letter=True, head=0, start=0, end=len(letter), size=len(letter)
    )


def _file_name(name: str) -> str:
    """Last name of a path, safe as a file name."""
    return _PARTING.split(name.strip())[-1].strip(". ")[:_MAX_NAME]
