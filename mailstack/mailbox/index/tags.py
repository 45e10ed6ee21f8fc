"""Tags of a new letter, from its X-Tags field and its recipients' plus addresses."""

from __future__ import annotations

from mailstack.letter import Letter
from mailstack.letter.parsed import ParsedLetter

MAX_TAGS = 20
"""Maximum tags that a letter brings with it."""
MAX_TAG = 100
"""Maximum characters of a tag."""


def tag_of(text: str) -> str:
    """Tag in its stored form; "" for text that can't be a tag."""
    tag = " ".join(text.split())
    return tag if len(tag) <= MAX_TAG and tag.isprintable() and "," not in tag else ""


def tags_of(letter: Letter, reading: ParsedLetter) -> tuple[str, ...]:
    """Tags of a new letter, each once in any case; takes time in proportion to its header."""
    found = reading.first("X-Tags").split(",")
    recipients = (str(each.address) for each in letter.envelope.recipients)
    for address in (*(to.address for to in reading.to), *recipients):
        found += address.rpartition("@")[0].split("+")[1:]
    tags: dict[str, str] = {}
    for each in found:
        if tag := tag_of(each):
            tags.setdefault(tag.casefold(), tag)
    return tuple(tags.values())[:MAX_TAGS]
