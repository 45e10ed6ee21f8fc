"""PREVIEW of a message: its first words without quotes of older messages (RFC 8970)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mailstack.letter.charsets import text_of
from mailstack.letter.mime.fields import DISPOSITION, TYPE, value_and_parameters
from mailstack.letter.mime.structure import PartStructure
from mailstack.letter.parsed import html as hypertext
from mailstack.letter.parsed.snippet import snippet_of
from mailstack.letter.transfer_encoding import decoded
from mailstack.protocols.imap.sections import OctetRange

MAX_CHARACTERS = 200
"""Maximum characters of a preview (RFC 8970 §3.2)."""
MAX_OCTETS = 32_768
"""Maximum octets of the part that are read."""

_MAX_TAGS, _MAX_REFERENCES = 1000, 1000
_QUOTE = re.compile(r"^[ \t]*>.*$\n?", re.MULTILINE)
_INTRODUCTION = re.compile(r"^[^\n>]{1,200}:[ \t]*\n(?=(?:[ \t]*\n)?[ \t]*>)", re.MULTILINE)
"""Line before a quote, such as "On Monday Jane wrote:"."""
_OLDER = re.compile(r"^(?:-- ?$|-{2,}[ \t]*(?:Original Message|Forwarded message)\b)", re.MULTILINE | re.IGNORECASE)
"""Start of a signature or an older message."""


def preview_part(message: PartStructure) -> PartStructure | None:
    """Part that a preview is made of: the first plain text, or else the first HTML; None without either."""
    texts = list(_texts(message))
    return next((part for part in texts if _type(part) != "text/html"), texts[0] if texts else None)


def preview_range(part: PartStructure) -> OctetRange:
    """Octets of the part that are read for the preview."""
    return OctetRange(part.start, min(part.end, part.start + MAX_OCTETS))


def preview(part: PartStructure, octets: bytes) -> str:
    """The preview from the octets of `preview_range`; "" without any words."""
    _, parameters = value_and_parameters(part.described.bodies.get(TYPE, b""))
    text = text_of(decoded(octets, part.described.encoding), parameters.get("charset", ""))
    if _type(part) == "text/html":
        text = hypertext.words(hypertext.beginning(text, _MAX_TAGS, _MAX_REFERENCES), hidden=True)
    text = text.replace("\r\n", "\n")
    own = _QUOTE.sub("", _INTRODUCTION.sub("", text))
    if older := _OLDER.search(own):
        own = own[: older.start()]
    return snippet_of(own, MAX_CHARACTERS) or snippet_of(text, MAX_CHARACTERS)


def _texts(message: PartStructure) -> Iterator[PartStructure]:
    """Texts of a message that are no attachments, and not in an attached message."""
    if message.parts and message.described.type.startswith("multipart/"):
        for part in message.parts:
            yield from _texts(part)
    elif _type(message) in {"text/plain", "text/html"}:
        disposition, _ = value_and_parameters(message.described.bodies.get(DISPOSITION, b""))
        if disposition != "attachment":
            yield message


def _type(part: PartStructure) -> str:
    """Media type; a multipart without parts is a plain text, as in `body_structure`."""
    of_type = part.described.type or ("message/rfc822" if part.is_digested else "text/plain")
    return "text/plain" if of_type.startswith("multipart/") else of_type
