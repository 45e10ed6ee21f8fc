"""Searched text of a message: decoded fields and bodies (RFC 3501 §6.4.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from email.utils import parsedate
from functools import cached_property

from mailstack.letter import header
from mailstack.letter.address_lists import read_address_list
from mailstack.letter.charsets import text_of
from mailstack.letter.header import text_of_field
from mailstack.letter.mime.fields import TYPE, value_and_parameters
from mailstack.letter.mime.parts import header_end
from mailstack.letter.mime.structure import Kind, PartStructure, structure_of
from mailstack.letter.parsed.html_text import searched_words
from mailstack.letter.transfer_encoding import decoded
from mailstack.mailbox.imap.casemap import folded
from mailstack.protocols.imap.envelope import split_address

MAX_TEXT = 16_777_216
"""Maximum decoded octets of a message's bodies that are searched."""

_MAX_DATE = 100
_ADDRESSES = frozenset(["from", "to", "cc", "bcc", "sender", "reply-to"])


class SearchedText:
    """Text of one message. Everything is decoded once, when it is first needed."""

    def __init__(self, octets: bytes, *, is_whole: bool) -> None:
        """`octets` are the header section, or the whole message."""
        end = header_end(octets)
        self._octets = octets
        self._is_whole = is_whole
        self._section = octets[:end] if end >= 0 else octets

    def has_field(self, name: str) -> bool:
        """Whether a field has this name, in lower case."""
        return bool(self._fields(name))

    def field_contains(self, name: str, text: str) -> bool:
        """Whether a field of this name, in lower case, contains the folded text; "" is in each."""
        fields = self._fields(name)
        if any(text in folded(text_of_field(field)) for field in fields):
            return True
        return name in _ADDRESSES and any(text in address for field in fields for address in _addresses(field))

    def header_contains(self, text: str) -> bool:
        """Whether the header section contains the folded text."""
        return text in self._header

    def body_contains(self, text: str, *, with_part_headers: bool = False) -> bool | None:
        """Whether a body contains the folded text; None if only the header section is there.

        `with_part_headers` also searches the fields of MIME parts, such as names of attachments.
        """
        if not text:
            return True
        if not self._is_whole:
            return None
        headers = self._part_headers if with_part_headers else self._inner_headers
        return any(text in each for searched in (headers, self._texts, self._html_words) for each in searched)

    @cached_property
    def sent_day(self) -> date | None:
        """Day of the Date field in its own zone; None without a valid one."""
        field = next(iter(self._fields("date")), b"")
        try:
            found = parsedate(text_of_field(field)[:_MAX_DATE])
            return date(*found[:3]) if found else None
        except (ValueError, TypeError, IndexError, OverflowError):
            return None

    def _fields(self, name: str) -> list[bytes]:
        return header.fields_of(self._section, name.encode("utf-8", "surrogateescape"))

    @cached_property
    def _header(self) -> str:
        return _header_text(self._section)

    @cached_property
    def _structure(self) -> PartStructure:
        return structure_of(self._octets)[0]

    @cached_property
    def _part_headers(self) -> list[str]:
        """Header sections of inner messages and of MIME parts."""
        parts = [part for part in self._structure.walk() if part is not self._structure]
        return [_header_text(self._octets[part.head : part.start]) for part in parts]

    @cached_property
    def _inner_headers(self) -> list[str]:
        """Header sections of inner messages."""
        parts = [part for part in self._structure.walk() if part.is_letter and part is not self._structure]
        return [_header_text(self._octets[part.head : part.start]) for part in parts]

    @cached_property
    def _texts(self) -> list[str]:
        """Texts as they are."""
        return [folded(text) for text in self._bodies("")]

    @cached_property
    def _html_words(self) -> list[str]:
        """Words of HTML texts, which may be parted by tags."""
        return [folded(searched_words(text)) for text in self._bodies("text/html")]

    def _bodies(self, of_type: str) -> Iterator[str]:
        """Decoded texts of a type, or of all with ""; reports and encoded messages are texts."""
        remaining = MAX_TEXT
        for part in self._structure.walk():
            kind = part.described.type or "text/plain"
            if part.kind is not Kind.LEAF or not kind.startswith(("text/", "multipart/", "message/")):
                continue
            if of_type in {"", kind} and remaining > 0:
                _, parameters = value_and_parameters(part.described.bodies.get(TYPE, b""))
                content = decoded(self._octets, part.described.encoding, part.start, part.end)[:remaining]
                remaining -= len(content)
                yield text_of(content, parameters.get("charset", ""))


def _header_text(section: bytes) -> str:
    """Folded text of a header section, a line for each field."""
    lines = [
        f"{text_of(field.partition(b':')[0])}: {text_of_field(field)}" if name else text_of(field)
        for name, field in header.fields(section)
    ]
    return folded("\n".join(lines))


def _addresses(field: bytes) -> Iterator[str]:
    """Addresses of a field without comments and blanks, folded."""
    for mailbox in read_address_list(field.partition(b":")[2]).mailboxes:
        local, domain = split_address(mailbox.text)
        yield folded(text_of(local + b"@" + domain))
