"""Serializes letters as MailHog's messages, with everything still encoded."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct, field

from mailstack.letter.header import fields
from mailstack.letter.header_text import unfolded
from mailstack.letter.parsed import Part, parse
from mailstack.mailbox.index.items import Item

_MAX_DEPTH = 3
"""Maximum depth of multiparts that have a whole body."""


class MailHogPath(Struct, frozen=True, rename="pascal"):
    """Forward-path or reverse-path."""

    relays: tuple[str, ...] | None
    mailbox: str
    domain: str
    params: str


class MailHogContent(Struct, frozen=True, rename="pascal"):
    """Letter or part, with its body as it was sent."""

    headers: dict[str, list[str]]
    body: str
    size: int
    mime: MailHogMime | None = field(name="MIME", default=None)


class MailHogMime(Struct, frozen=True, rename="pascal"):
    """Parts of a multipart."""

    parts: tuple[MailHogContent, ...]


class MailHogRaw(Struct, frozen=True, rename="pascal"):
    """Envelope and content of the SMTP session."""

    from_: str = field(name="From")
    to: tuple[str, ...]
    data: str
    helo: str


class MailHogMessage(Struct, frozen=True, rename="pascal"):
    """One letter."""

    id: str = field(name="ID")
    from_: MailHogPath = field(name="From")
    to: tuple[MailHogPath, ...]
    content: MailHogContent
    created: str
    mime: MailHogMime | None = field(name="MIME")
    raw: MailHogRaw


def message(item: Item, octets: bytes, helo: str) -> MailHogMessage:
    """Takes time in proportion to the letter's size."""
    reading = parse(octets)
    tree = reading.tree
    mime = _mime(tree, reading.octets)
    return MailHogMessage(
        id=item.id,
        from_=_path(item.sender),
        to=tuple(_path(each) for each in item.recipients),
        content=MailHogContent(
            _headers(reading.octets[: tree.start]), _text(reading.octets[tree.start :]), len(octets), None
        ),
        created=datetime.fromtimestamp(item.arrived, UTC).isoformat().replace("+00:00", "Z"),
        mime=mime,
        raw=MailHogRaw(item.sender, item.recipients, _text(octets), helo),
    )


def _mime(part: Part, letter: bytes, depth: int = 0) -> MailHogMime | None:
    """The parts of a multipart."""
    if not part.is_multipart:
        return None
    return MailHogMime(tuple(_content(each, letter, depth + 1) for each in part.parts))


def _content(part: Part, letter: bytes, depth: int) -> MailHogContent:
    """Part with its body; a deep multipart has only its parts, which its body would repeat."""
    mime = _mime(part, letter, depth)
    body = letter[part.start : part.end] if mime is None or depth <= _MAX_DEPTH else b""
    return MailHogContent(_headers(letter[part.head : part.start]), _text(body), part.end - part.start, mime)


def _headers(section: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, line in fields(section):
        if name:
            found.setdefault(_text(line.partition(b":")[0].strip()), []).append(_text(unfolded(line)))
    return found


def _path(address: str) -> MailHogPath:
    mailbox, _, domain = address.rpartition("@")
    return MailHogPath(None, mailbox, domain, "")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
