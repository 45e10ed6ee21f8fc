"""Text of HTML for searches, without tags."""

from __future__ import annotations

import re

from mailstack.letter.parsed.html import beginning, unescaped

_MAX_TAGS, _MAX_REFERENCES = 100_000, 10_000
_INLINE = re.compile(
    r"</?(?:a|abbr|b|big|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr)(?![\w-])[^<>]*+>", re.IGNORECASE
)
"""Tag within a word or between words."""
_TAG = re.compile(r"<[^<>]*+>")


def searched_words(html: str) -> str:
    """The text with single blanks. Contents of styles and scripts are part of it."""
    pieces = _TAG.split(_INLINE.sub("", beginning(html, _MAX_TAGS, _MAX_REFERENCES)))
    return " ".join(" ".join([unescaped(piece) for piece in pieces]).split())
