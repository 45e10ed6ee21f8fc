"""Parsed letter: decoded fields, texts, attachments, links."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from itertools import islice

from msgspec import Struct

from mailstack.letter import header
from mailstack.letter.address_lists import Correspondent, correspondents
from mailstack.letter.charsets import text_of
from mailstack.letter.header import text_of_field, unfolded
from mailstack.letter.parsed import html as hypertext
from mailstack.letter.parsed.calendar import MAX_CALENDAR, CalendarEvent, parse_calendar
from mailstack.letter.parsed.links import Link, Unsubscribe, codes_in, links_of, unsubscribe
from mailstack.letter.parsed.mime_tree import Part, tree_of
from mailstack.letter.parsed.snippet import snippet_of
from mailstack.letter.transfer_encoding import AT_ONCE

_MAX_DATE = 100
_CALENDARS = frozenset({"text/calendar", "application/ics"})
_ADDRESSED = ("from", "to", "cc", "bcc", "reply-to", "sender")


class Limits(Struct, frozen=True):
    """Limits of parsing; content beyond them is omitted."""

    parts: int = 1000
    """Maximum number of MIME parts."""
    header: int = 262_144
    """Maximum octets of the header section (more than `[limits] header_size`)."""
    fields: int = 1000
    """Maximum number of header fields, with invalid lines."""
    field: int = 65_536
    """Maximum octets of one field."""
    text: int = 2_097_152
    """Maximum octets of the text, and of the HTML."""
    tags: int = 20_000
    """Maximum tags of the HTML, opening and closing, that are parsed for words, links and codes."""
    references: int = 100_000
    """Maximum character references of the HTML, such as `&amp;`."""
    people: int = 1000
    """Maximum addresses of one kind, such as To."""
    links: int = 1000
    addresses: int = 10_000
    """Maximum addresses examined for links, with repetitions."""
    searched_for_codes: int = 20_000
    """Maximum characters of the text."""
    codes: int = 10
    calendars: int = 5
    """Maximum parts with a calendar."""
    snippet: int = 250
    """Maximum characters."""


class ParsedLetter(Struct, frozen=True):
    """A parsed letter. Expensive properties are computed on each access."""

    octets: bytes
    """Octets of the letter, after an empty line if it has no header section."""
    headers: tuple[tuple[str, str], ...]
    """Names as written, and bodies unfolded and decoded, from the top."""
    subject: str
    authors: tuple[Correspondent, ...]
    """Mailboxes of From (RFC 5322 §3.6.2)."""
    sender: Correspondent | None
    to: tuple[Correspondent, ...]
    cc: tuple[Correspondent, ...]
    bcc: tuple[Correspondent, ...]
    reply_to: tuple[Correspondent, ...]
    date: datetime | None
    """Date with the sender's offset; None without a valid one."""
    message_id: str
    """Message-ID without its angle brackets."""
    tree: Part
    text: str
    """Text of text/plain, without attachments; lines end in LF."""
    text_truncated: bool
    """Whether the letter has more text than `Limits.text` allows."""
    html: str
    attachments: tuple[Part, ...]
    inline: tuple[Part, ...]
    """Parts shown in the HTML: with a Content-ID in multipart/related, or with disposition inline."""
    trouble: str
    """Reason why some of it was not parsed; mostly ""."""
    limits: Limits

    def first(self, name: str) -> str:
        """First field of this name, in any case; "" without one."""
        return next((body for field_name, body in self.headers if field_name.lower() == name.lower()), "")

    def part(self, number: str) -> Part | None:
        return next((part for part in self.tree.walk() if part.number == number), None)

    def content_of(self, part: Part) -> bytes:
        """The decoded octets of a part."""
        return part.octets(self.octets)

    @property
    def fields(self) -> Iterator[tuple[str, str]]:
        """Fields like `headers`, with encoded words still encoded."""
        for name, field in _fields(self.octets, self.limits):
            yield name, text_of(unfolded(field))

    @property
    def readable(self) -> str:
        """The text, or the words of the HTML without a text."""
        return self._words(sys.maxsize)

    @property
    def snippet(self) -> str:
        """Start of the letter in one line, with the hidden preview text of HTML."""
        return snippet_of(self._words(self.limits.snippet * 40, hidden=True), self.limits.snippet)

    @property
    def links(self) -> tuple[Link, ...]:
        return links_of(self.text, self._read_html, self.limits.links, max_addresses=self.limits.addresses)

    @property
    def codes(self) -> tuple[str, ...]:
        """One-time codes, the likeliest first."""
        return codes_in(self.subject, self._words(self.limits.searched_for_codes), max_codes=self.limits.codes)

    @property
    def events(self) -> tuple[CalendarEvent, ...]:
        """Events of the calendars in the letter, each once: many invitations have two copies of the same calendar."""
        calendars = (part for part in self.tree.walk() if part.type in _CALENDARS and not part.parts)
        found: dict[CalendarEvent, None] = {}
        for part in islice(calendars, self.limits.calendars):
            events = parse_calendar(part.beginning(self.octets, MAX_CALENDAR), part.charset)
            found.update(dict.fromkeys(events))
        return tuple(found)

    def _words(self, max_characters: int, *, hidden: bool = False) -> str:
        """Start of the text, or of the words of the HTML without a text."""
        if self.text.strip():
            return self.text[:max_characters]
        return hypertext.words(self._read_html, hidden=hidden, max_characters=max_characters)[:max_characters]

    @property
    def _read_html(self) -> str:
        return hypertext.beginning(self.html, self.limits.tags, self.limits.references)

    @property
    def unsubscribe(self) -> Unsubscribe | None:
        field = self.first("List-Unsubscribe")
        return unsubscribe(field, self.first("List-Unsubscribe-Post")) if field else None


def parse(octets: bytes, limits: Limits = Limits()) -> ParsedLetter:
    """Parse a letter. Never raises. It is too slow (10 MB/s) for the reactor thread."""
    octets = _in_lines(octets)
    fields = list(_fields(octets, limits))
    headers = tuple([(name, text_of_field(field)) for name, field in fields])
    people = {name: _people(fields, name, limits) for name in _ADDRESSED}
    tree, trouble = tree_of(octets, limits.parts)
    leaves = tuple(_leaves(tree))
    first_fields = {name.lower(): body for name, body in reversed(headers)}
    return ParsedLetter(
        octets=octets,
        headers=headers,
        subject=first_fields.get("subject", ""),
        authors=people["from"],
        sender=next(iter(people["sender"]), None),
        to=people["to"],
        cc=people["cc"],
        bcc=people["bcc"],
        reply_to=people["reply-to"],
        date=_date(first_fields.get("date", "")),
        message_id=first_fields.get("message-id", "").strip().removeprefix("<").removesuffix(">"),
        tree=tree,
        text=_text(octets, leaves, "text/plain", limits),
        text_truncated=sum(part.size for part in _texts(leaves, "text/plain")) > limits.text,
        html=_text(octets, leaves, "text/html", limits),
        attachments=tuple(part for part, role in leaves if role == "attachment"),
        inline=tuple(part for part, role in leaves if role == "inline"),
        trouble=trouble,
        limits=limits,
    )


def _in_lines(octets: bytes) -> bytes:
    """The octets with CRLF line ends, and with a header section."""
    # In pieces, because each blocks other threads.
    starts = range(0, len(octets), AT_ONCE)
    if b"\n" in octets and all(octets.find(b"\r\n", at, at + AT_ONCE + 1) < 0 for at in starts):
        lines = BytesIO()
        for at in starts:
            lines.write(octets[at : at + AT_ONCE].replace(b"\n", b"\r\n"))
        octets = lines.getvalue()
    return octets if header.split(octets) else b"\r\n" + octets


def _fields(octets: bytes, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Name of each field as written, and its octets."""
    section = octets[: min(header.split(octets), limits.header)]
    for name, field in islice(header.fields(section), limits.fields):
        if name:
            yield field.partition(b":")[0].strip().decode("ascii"), field[: limits.field]


def _people(fields: Sequence[tuple[str, bytes]], name: str, limits: Limits) -> tuple[Correspondent, ...]:
    """Mailboxes of all fields of a name; some letters repeat To, against RFC 5322 §3.6."""
    mailboxes: list[Correspondent] = []
    remaining = limits.field
    for field_name, field in fields:
        if field_name.lower() == name and len(mailboxes) < limits.people and remaining > 0:
            body = field[:remaining].partition(b":")[2]
            mailboxes += correspondents(body, limits.people - len(mailboxes), are_authors=name == "from")
            remaining -= len(field)
    return tuple(mailboxes)


def _leaves(part: Part, *, related: bool = False) -> Iterator[tuple[Part, str]]:
    """Leaves and attached letters, with their role: "body", "inline" or "attachment"."""
    if part.is_multipart:
        for each in part.parts:
            yield from _leaves(each, related=related or part.type == "multipart/related")
    elif part.disposition != "attachment" and not part.name and _is_text(part):
        yield part, "body"
    elif part.disposition != "attachment" and part.content_id and (related or part.disposition == "inline"):
        yield part, "inline"
    else:
        yield part, "inline" if part.disposition == "inline" else "attachment"


def _is_text(part: Part) -> bool:
    # A multipart without a boundary or parts is shown as text (RFC 2046 §5.1.7).
    return part.type in {"text/plain", "text/html"} or part.type.startswith("multipart/")


def _texts(leaves: Sequence[tuple[Part, str]], kind: str) -> Iterator[Part]:
    """Body parts of a kind; any other than HTML is shown as plain text."""
    for part, role in leaves:
        if role == "body" and (part.type == kind or (kind == "text/plain" and part.type != "text/html")):
            yield part


def _text(octets: bytes, leaves: tuple[tuple[Part, str], ...], kind: str, limits: Limits) -> str:
    texts: list[str] = []
    remaining = limits.text
    for part in _texts(leaves, kind):
        if remaining > 0:
            content = part.beginning(octets, remaining)
            remaining -= len(content)
            texts.append(text_of(content, part.charset).replace("\r\n", "\n"))
    return "\n".join(texts)


def _date(text: str) -> datetime | None:
    """Parse a date of RFC 5322 §3.3, or of similar formats."""
    try:
        date = parsedate_to_datetime(text[:_MAX_DATE])
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
