"""MIME tree of a letter: numbers, names and offsets of parts (RFC 2046).

Numbered as IMAP does it (RFC 3501 §6.4.5): 1, 2, 2.1; a multipart that is a whole letter has the number 0 in its place.
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
"""Octets between the names of a path, or in none."""
_MAX_NAME = 255
_MAX_DEPTH = 40
"""Multiparts and letters within each other; of multiparts, MOST_DEPTH in mailstack.letter.mime.parts."""


class Part(Struct, frozen=True):
    """One part; its octets are those of the letter from `start` to `end`, still encoded."""

    number: str
    type: str
    """Media type in lower case, as "text/plain"."""
    charset: str
    name: str
    """File name without directories; "" when it has none."""
    disposition: str
    """"inline", "attachment", another word, or ""."""
    content_id: str
    """Content-ID without its angle brackets."""
    encoding: str
    is_letter: bool
    """A whole letter, or one within it: its header section has the fields of RFC 5322."""
    head: int
    """Offset of its header section."""
    start: int
    end: int
    size: int
    """Octets when decoded."""
    parts: tuple[Part, ...] = ()
    """Parts of a multipart; the letter in a message/rfc822."""

    @property
    def is_multipart(self) -> bool:
        return bool(self.parts) and self.type.startswith("multipart/")

    def octets(self, letter: bytes) -> bytes:
        """What is in it, decoded, taken from the octets of its letter."""
        return decoded(letter, self.encoding, self.start, self.end)

    def beginning(self, letter: bytes, most: int) -> bytes:
        """The first `most` octets of that."""
        # An octet takes three at most, =XX, and soft breaks of lines are few.
        return decoded(letter, self.encoding, self.start, min(self.end, self.start + 3 * most))[:most]

    def walk(self) -> Iterator[Part]:
        """The part itself, then all within it, in order."""
        yield self
        for part in self.parts:
            yield from part.walk()


class _Open:
    """A part without a known end."""

    def __init__(self, number: str, head: Head, at: int) -> None:
        self.number = number
        self.head = head
        self.at = at
        self.start = self.end = at + len(head.section)
        self.parts: list[_Open] = []

    def number_of_next(self, kind: Kind) -> str:
        place = self.number.removesuffix("0") if self.number == "0" or self.number.endswith(".0") else self.number + "."
        if self.head.kind is Kind.MESSAGE:
            return place + ("0" if kind is Kind.MULTIPART else "1")
        return f"{place}{len(self.parts) + 1}"

    def closed(self, letter: bytes) -> Part:
        said = self.head.described.bodies
        kind, parameters = value_and_parameters(said.get(TYPE, b""))
        disposition, more = value_and_parameters(said.get(DISPOSITION, b""))
        encoding = self.head.described.encoding
        return Part(
            number=self.number,
            type=self.head.described.type or (kind if kind.count("/") == 1 else "") or self._default(),
            charset=parameters.get("charset", ""),
            name=_file_name(more.get("filename") or parameters.get("name", "")),
            disposition=disposition,
            content_id=text_of(said.get(CONTENT_ID, b"")).strip().removeprefix("<").removesuffix(">"),
            encoding=encoding,
            is_letter=self.head.is_letter,
            head=self.at,
            start=self.start,
            end=self.end,
            size=decoded_size(letter, "" if self.parts else encoding, self.start, self.end),
            parts=tuple(part.closed(letter) for part in self.parts),
        )

    def _default(self) -> str:
        return "message/rfc822" if self.head.kind is Kind.MESSAGE else "text/plain"


def tree_of(letter: bytes, most: int) -> tuple[Part, str]:
    """The parts of a letter; and what kept us from reading all of it, or ""."""
    parts, at, count = Parts(), 0, 0
    root: _Open | None = None
    open_parts: list[_Open] = []
    trouble = ""
    try:
        for piece in _pieces(parts, letter):
            match piece:
                case Head():
                    count += 1
                    if count > most or len(open_parts) > _MAX_DEPTH:
                        trouble = f"it has more than {most} parts" if count > most else "its parts are nested too deep"
                        break
                    part = _begun(open_parts, piece, at)
                    root = root or part
                case Delimiter():
                    _close(open_parts, piece.within, at)
                case Body():
                    open_parts[-1].end = at + len(piece.octets)
                case _:
                    pass
            at += len(piece.section if isinstance(piece, Head) else piece.octets)
    except Unconvertible as unreadable:
        trouble = str(unreadable)
        at = len(letter)
    _close(open_parts, -1, at)
    return (root.closed(letter) if root else _nothing(letter)), trouble


def _pieces(parts: Parts, letter: bytes) -> Iterator[Piece]:
    for at in range(0, len(letter), AT_ONCE):
        yield from parts.feed(letter[at : at + AT_ONCE])
    yield from parts.finish()


def _begun(open_parts: list[_Open], head: Head, at: int) -> _Open:
    """The part put in its place. A leaf is open, too: nothing comes into it but its body."""
    while open_parts and open_parts[-1].head.kind is Kind.LEAF:
        open_parts.pop()
    if open_parts:
        part = _Open(open_parts[-1].number_of_next(head.kind), head, at)
        open_parts[-1].parts.append(part)
    else:
        part = _Open("0" if head.kind is Kind.MULTIPART else "1", head, at)
    open_parts.append(part)
    return part


def _close(open_parts: list[_Open], within: int, at: int) -> None:
    """All but `within` multiparts, and what stands in the last of these, end here."""
    multiparts = sum(part.head.kind is Kind.MULTIPART for part in open_parts)
    while open_parts and (multiparts > within or open_parts[-1].head.kind is not Kind.MULTIPART):
        part = open_parts.pop()
        multiparts -= part.head.kind is Kind.MULTIPART
        part.end = max(part.end, at)


def _nothing(letter: bytes) -> Part:
    return Part(
        "1", "text/plain", "", "", "", "", "", is_letter=True, head=0, start=0, end=len(letter), size=len(letter)
    )


def _file_name(name: str) -> str:
    """The last name of a path, since it may become the name of a file."""
    return _PARTING.split(name.strip())[-1].strip(". ")[:_MAX_NAME]
