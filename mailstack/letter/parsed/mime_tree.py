"""MIME tree of a letter: numbers, names and offsets of parts (RFC 2046).

Numbers are those of IMAP (RFC 3501 §6.4.5): 1, 2, 2.1; a multipart that is a whole letter has the number 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from mailstack.letter.charsets import text_of
from mailstack.letter.mime.fields import CONTENT_ID, DISPOSITION, TYPE, value_and_parameters
from mailstack.letter.mime.structure import Kind, PartStructure, structure_of
from mailstack.letter.transfer_encoding import decoded, decoded_size

_PARTING = re.compile(r"[/\\\x00-\x1f\x7f]")
"""Separators of a path, and control characters."""
_MAX_NAME = 255


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


def tree_of(letter: bytes, max_parts: int) -> tuple[Part, str]:
    """Parts of a letter, and the reason why some were not parsed or ""."""
    structure, trouble = structure_of(letter, max_parts)
    return _part(structure, letter, "0" if structure.kind is Kind.MULTIPART else "1"), trouble


def _part(part: PartStructure, letter: bytes, number: str) -> Part:
    bodies = part.described.bodies
    kind, parameters = value_and_parameters(bodies.get(TYPE, b""))
    disposition, more = value_and_parameters(bodies.get(DISPOSITION, b""))
    encoding = part.described.encoding
    default = "message/rfc822" if part.kind is Kind.MESSAGE else "text/plain"
    return Part(
        number=number,
        type=part.described.type or (kind if kind.count("/") == 1 else "") or default,
        charset=parameters.get("charset", ""),
        name=_file_name(more.get("filename") or parameters.get("name", "")),
        disposition=disposition,
        content_id=text_of(bodies.get(CONTENT_ID, b"")).strip().removeprefix("<").removesuffix(">"),
        encoding=encoding,
        is_letter=part.is_letter,
        head=part.head,
        start=part.start,
        end=part.end,
        size=decoded_size(letter, "" if part.parts else encoding, part.start, part.end),
        parts=tuple([_part(each, letter, _number(number, part, index)) for index, each in enumerate(part.parts, 1)]),
    )


def _number(outer: str, part: PartStructure, index: int) -> str:
    """Number of a part in the part `outer`."""
    prefix = outer.removesuffix("0") if outer == "0" or outer.endswith(".0") else outer + "."
    if part.kind is Kind.MESSAGE:
        return prefix + ("0" if part.parts[0].kind is Kind.MULTIPART else "1")
    return f"{prefix}{index}"


def _file_name(name: str) -> str:
    """Last name of a path, safe as a file name."""
    return _PARTING.split(name.strip())[-1].strip(". ")[:_MAX_NAME]
