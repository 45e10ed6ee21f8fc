"""Letters as MailHog shows messages: everything in them as it was sent, still encoded."""

from __future__ import annotations

from datetime import UTC, datetime

from mailstack.letter.header import fields
from mailstack.letter.header_text import unfolded
from mailstack.letter.parsed import Part, parse
from mailstack.mailbox.index.items import Item
from mailstack.sandbox.compat.mailhog.shapes import Content, Message, Mime, Path, Raw

_MAX_DEPTH = 3
"""Multiparts within each other whose bodies are given as a whole."""


def message(item: Item, octets: bytes, helo: str) -> Message:
    """Takes time in proportion to the letter's size."""
    reading = parse(octets)
    tree = reading.tree
    mime = _mime(tree, reading.octets)
    return Message(
        id=item.id,
        from_=_path(item.sender),
        to=tuple(_path(each) for each in item.recipients),
        content=Content(_headers(reading.octets[: tree.start]), _text(reading.octets[tree.start :]), len(octets), None),
        created=datetime.fromtimestamp(item.arrived, UTC).isoformat().replace("+00:00", "Z"),
        mime=mime,
        raw=Raw(item.sender, item.recipients, _text(octets), helo),
    )


def _mime(part: Part, letter: bytes, depth: int = 0) -> Mime | None:
    """The parts of a multipart."""
    if not part.is_multipart:
        return None
    return Mime(tuple(_content(each, letter, depth + 1) for each in part.parts))


def _content(part: Part, letter: bytes, depth: int) -> Content:
    """A part. The body of a multipart has those of its parts in it again: far within, only these are given."""
    mime = _mime(part, letter, depth)
    body = letter[part.start : part.end] if mime is None or depth <= _MAX_DEPTH else b""
    return Content(_headers(letter[part.head : part.start]), _text(body), part.end - part.start, mime)


def _headers(section: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, field in fields(section):
        if name:
            found.setdefault(_text(field.partition(b":")[0].strip()), []).append(_text(unfolded(field)))
    return found


def _path(address: str) -> Path:
    mailbox, _, domain = address.rpartition("@")
    return Path(None, mailbox, domain, "")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
