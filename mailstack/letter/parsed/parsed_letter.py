"""Parsed letter: decoded fields, texts, attachments, links."""

from __future__ import annotations

import re
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
from mailstack.letter.parsed.links import Link, Unsubscribe, codes_in, links_of, unsubscribe
from mailstack.letter.parsed.mime_tree import Part, tree_of
from mailstack.letter.transfer_encoding import AT_ONCE

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u206a-\u206f\ufeff]+"
)
_MAX_DATE = 100
_ADDRESSED = ("from", "to", "cc", "bcc", "reply-to", "sender")


class Limits(Struct, frozen=True):
    """What is beyond is left out; the letter's octets are never touched."""

    parts: int = 1000
    """MIME parts; those behind them are not shown."""
    header: int = 262_144
    """Octets of the header section: more than comes in by SMTP (`[limits] header_size`)."""
    fields: int = 1000
    """Header fields of the letter, and stray lines among them."""
    field: int = 65_536
    """Octets of one field."""
    text: int = 2_097_152
    """Octets of the text, and of the HTML, that are decoded."""
    tags: int = 20_000
    """Maximum tags of the HTML, opening and closing, that are parsed for words, links and codes."""
    references: int = 100_000
    """References of the HTML, as `&amp;`, that are read as characters."""
    people: int = 1000
    """Addresses of one kind, as To."""
    links: int = 1000
    addresses: int = 10_000
    """Addresses that are looked at for links: the same one again counts, too."""
    searched_for_codes: int = 20_000
    """Characters of the text."""
    codes: int = 10
    snippet: int = 250
    """Characters."""


class ParsedLetter(Struct, frozen=True):
    """One letter, read. What costs time is worked out when asked for, anew each time."""

    octets: bytes
    """The letter, with an empty line before it if it has no header section."""
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
    """Date with the writer's offset; None when there is none, or it can't be read."""
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
    """Parts that the HTML shows: with a Content-ID beside it, or with disposition inline."""
    trouble: str
    """Reason why some of it was not parsed; mostly ""."""
    limits: Limits

    def first(self, name: str) -> str:
        """The first field of this name, in whatever case; "" when there is none."""
        return next((body for each, body in self.headers if each.lower() == name.lower()), "")

    def part(self, number: str) -> Part | None:
        return next((part for part in self.tree.walk() if part.number == number), None)

    def content_of(self, part: Part) -> bytes:
        """The decoded octets of a part."""
        return part.octets(self.octets)

    @property
    def fields(self) -> Iterator[tuple[str, str]]:
        """As `headers`, but with encoded words as they were sent."""
        for name, field in _fields(self.octets, self.limits):
            yield name, text_of(unfolded(field))

    @property
    def readable(self) -> str:
        """The text, or the words of the HTML when there is no text."""
        return self.text if self.text.strip() else hypertext.words(self._read_html)

    @property
    def snippet(self) -> str:
        """The beginning in one line, as lists of letters show it: of HTML with the line that is hidden there for this."""
        text = self.text if self.text.strip() else hypertext.words(self._read_html, hidden=True)
        text = _INVISIBLE.sub("", text[: self.limits.snippet * 40])
        return " ".join(text.split())[: self.limits.snippet].rstrip()

    @property
    def links(self) -> tuple[Link, ...]:
        return links_of(self.text, self._read_html, self.limits.links, looked_at=self.limits.addresses)

    @property
    def codes(self) -> tuple[str, ...]:
        """One-time codes, the likeliest first."""
        limits = self.limits
        return codes_in(self.subject, self.readable, searched=limits.searched_for_codes, most=limits.codes)

    @property
    def _read_html(self) -> str:
        return hypertext.beginning(self.html, self.limits.tags, self.limits.references)

    @property
    def unsubscribe(self) -> Unsubscribe | None:
        field = self.first("List-Unsubscribe")
        return unsubscribe(field, self.first("List-Unsubscribe-Post")) if field else None


def parse(octets: bytes, limits: Limits = Limits()) -> ParsedLetter:
    """Read a letter. Never raises; a letter of many octets takes time (10 MB/s), so not where others wait."""
    octets = _in_lines(octets)
    fields = list(_fields(octets, limits))
    headers = tuple([(name, text_of_field(field)) for name, field in fields])
    people = {name: _people(fields, name, limits) for name in _ADDRESSED}
    tree, trouble = tree_of(octets, limits.parts)
    shown = tuple(_shown(tree))
    found = {name.lower(): body for name, body in reversed(headers)}
    return ParsedLetter(
        octets=octets,
        headers=headers,
        subject=found.get("subject", ""),
        authors=people["from"],
        sender=next(iter(people["sender"]), None),
        to=people["to"],
        cc=people["cc"],
        bcc=people["bcc"],
        reply_to=people["reply-to"],
        date=_date(found.get("date", "")),
        message_id=found.get("message-id", "").strip().removeprefix("<").removesuffix(">"),
        tree=tree,
        text=_text(octets, shown, "text/plain", limits),
        text_truncated=sum(part.size for part in _texts(shown, "text/plain")) > limits.text,
        html=_text(octets, shown, "text/html", limits),
        attachments=tuple(part for part, place in shown if place == "attachment"),
        inline=tuple(part for part, place in shown if place == "inline"),
        trouble=trouble,
        limits=limits,
    )


def _in_lines(octets: bytes) -> bytes:
    """With CRLF at the ends of lines where there is none, and with a header section."""
    # Piece by piece, as all that is long: no other thread runs meanwhile.
    starts = range(0, len(octets), AT_ONCE)
    if b"\n" in octets and all(octets.find(b"\r\n", at, at + AT_ONCE + 1) < 0 for at in starts):
        lines = BytesIO()
        for at in starts:
            lines.write(octets[at : at + AT_ONCE].replace(b"\n", b"\r\n"))
        octets = lines.getvalue()
    return octets if header.split(octets) else b"\r\n" + octets


def _fields(octets: bytes, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """The name of each field as it is written, and its octets."""
    section = octets[: min(header.split(octets), limits.header)]
    for name, field in islice(header.fields(section), limits.fields):
        if name:
            yield field.partition(b":")[0].strip().decode("ascii"), field[: limits.field]


def _people(fields: Sequence[tuple[str, bytes]], name: str, limits: Limits) -> tuple[Correspondent, ...]:
    """Those of all fields of the name: To stands more than once in some letters, against RFC 5322 §3.6."""
    found: list[Correspondent] = []
    left = limits.field
    for each, field in fields:
        if each.lower() == name and len(found) < limits.people and left > 0:
            body = field[:left].partition(b":")[2]
            found += correspondents(body, limits.people - len(found), are_authors=name == "from")
            left -= len(field)
    return tuple(found)


def _shown(part: Part, *, related: bool = False) -> Iterator[tuple[Part, str]]:
    """Each leaf, and each letter within this one, with its place: "body", "inline" or "attachment"."""
    if part.is_multipart:
        for each in part.parts:
            yield from _shown(each, related=related or part.type == "multipart/related")
    elif part.disposition != "attachment" and not part.name and _is_text(part):
        yield part, "body"
    elif part.disposition != "attachment" and part.content_id and (related or part.disposition == "inline"):
        yield part, "inline"
    else:
        yield part, "inline" if part.disposition == "inline" else "attachment"


def _is_text(part: Part) -> bool:
    # A multipart without a boundary, or of nothing, is shown as the text that it is (RFC 2046 §5.1.7).
    return part.type in {"text/plain", "text/html"} or part.type.startswith("multipart/")


def _texts(shown: Sequence[tuple[Part, str]], kind: str) -> Iterator[Part]:
    """Parts that are shown as text of this kind; what is neither plain nor HTML is shown as plain."""
    for part, place in shown:
        if place == "body" and (part.type == kind or (kind == "text/plain" and part.type != "text/html")):
            yield part


def _text(octets: bytes, shown: tuple[tuple[Part, str], ...], kind: str, limits: Limits) -> str:
    texts: list[str] = []
    left = limits.text
    for part in _texts(shown, kind):
        if left > 0:
            content = part.beginning(octets, left)
            left -= len(content)
            texts.append(text_of(content, part.charset).replace("\r\n", "\n"))
    return "\n".join(texts)


def _date(text: str) -> datetime | None:
    """RFC 5322 §3.3, and much that isn't."""
    try:
        date = parsedate_to_datetime(text[:_MAX_DATE])
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
