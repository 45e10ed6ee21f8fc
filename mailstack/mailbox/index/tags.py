"""Tags of a new letter: from its header fields, its addresses, and filters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.parsed import ParsedLetter
from mailstack.mailbox.index.query import Term

MOST_TAGS = 20
"""Maximum number of tags that a letter brings."""
LONGEST_TAG = 100
_WORD = re.compile(r"(?:^|(?<=[\s@/-]))\w")


class TagFilter(Struct, frozen=True):
    """Letters that a query finds, or in which a text stands, get these tags."""

    tags: tuple[str, ...]
    terms: tuple[Term, ...] = ()
    """All of which must hold; none: no letter is found by them."""
    text: bytes = b""
    """Text in lower case, searched in the raw octets; empty: no letter has it."""


class Tagging(Struct, frozen=True):
    """Where tags come from."""

    filters: tuple[TagFilter, ...] = ()
    x_tags: bool = True
    """Whether the field X-Tags gives tags."""
    plus_addresses: bool = True
    """Whether the part behind the plus of a recipient's address is a tag."""
    account: bool = False
    """Whether the account that submitted the letter is a tag."""
    title_case: bool = False
    """Whether words of what a letter brings begin with a capital."""


def tag_of(text: str) -> str:
    """Return a tag as stored; "" for an empty or long text, or one with invisible characters."""
    tag = " ".join(text.split())
    return tag if len(tag) <= LONGEST_TAG and tag.isprintable() and "," not in tag else ""


def tags_of(tagging: Tagging, letter: Letter, reading: ParsedLetter, octets: bytes) -> tuple[str, ...]:
    """Each once, whatever its case; takes time in proportion to the letter's size."""
    brought = _brought(tagging, reading, [str(each.address) for each in letter.envelope.recipients])
    if tagging.account and letter.arrival.account:
        brought = (*brought, letter.arrival.account)
    texts = [each for each in tagging.filters if each.text]
    lower = octets.lower() if texts else b""
    return _once((*brought, *(tag for each in texts if each.text in lower for tag in each.tags)))


def _brought(tagging: Tagging, reading: ParsedLetter, recipients: Sequence[str]) -> tuple[str, ...]:
    found = reading.first("X-Tags").split(",") if tagging.x_tags else []
    if tagging.plus_addresses:
        for address in (*[one.address for one in reading.to], *recipients):
            found += address.rpartition("@")[0].split("+")[1:]
    if tagging.title_case:
        found = [_WORD.sub(lambda first: first[0].upper(), each) for each in found]
    return _once(found)[:MOST_TAGS]


def _once(found: Iterable[str]) -> tuple[str, ...]:
    tags: dict[str, str] = {}
    for each in found:
        if tag := tag_of(each):
            tags.setdefault(tag.casefold(), tag)
    return tuple(tags.values())
