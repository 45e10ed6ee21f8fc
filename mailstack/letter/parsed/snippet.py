"""Snippet of a text: its first words in one line."""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u206a-\u206f\ufeff]+"
)
_FACTOR = 40
"""Characters of the text that are read for each of the snippet; the others may be blank or invisible."""


def snippet_of(text: str, max_characters: int) -> str:
    """The first characters of a text, with one blank in place of several and without invisible ones."""
    text = _INVISIBLE.sub("", text[: max_characters * _FACTOR])
    return " ".join(text.split())[:max_characters].rstrip()
