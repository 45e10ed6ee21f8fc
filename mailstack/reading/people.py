"""The people in From, To and their like: names with addresses (RFC 5322 §3.4), as far as anything can be made of a field."""

from __future__ import annotations

import re

from msgspec import Struct

from mailstack.reading.words import plain

# A quoted string, what stands in angle brackets, a comment without another in it, a special, blanks, other text. Each is
# possessive and bounded, so that no input takes long; a quote or bracket without its end is text.
_PIECE = re.compile(
    r'"(?:[^"\\]|\\.){0,400}+"|<[^<>]*+>|\((?:[^()\\]|\\.){0,400}+\)|[,;:]|\s++|[^",;:<(\s]++|.', re.DOTALL
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"\s+")
_AT_DOMAIN = re.compile(r'^(?:[^\s@"]++|"(?:[^"\\]|\\.)*+")@\S+$')


class Correspondent(Struct, frozen=True):
    """One mailbox as a field names it."""

    name: str
    """Decoded; "" when it has none."""
    address: str
    """As it is written; it may be no address at all."""


def correspondents(text: str, most: int) -> tuple[Correspondent, ...]:
    """Those of a field's body, in order; the name of a group is left out, and its members are not."""
    found: list[Correspondent] = []
    words: list[str] = []
    comment, bracketed = "", None
    for piece in [*_PIECE.findall(text), ","]:
        if piece in {",", ";"}:
            one = _one("".join(words), comment, bracketed)
            if one and len(found) < most:
                found.append(one)
            words, comment, bracketed = [], "", None
        elif piece == ":" and bracketed is None:
            words = []  # what stood before it names a group (§3.4)
        elif piece.startswith("<") and len(piece) > 1:
            bracketed = piece[1:-1].strip()
        elif piece.startswith("(") and len(piece) > 1:
            comment = piece[1:-1]
        else:
            words.append(piece)
    return tuple(found)


def _one(phrase: str, comment: str, bracketed: str | None) -> Correspondent | None:
    phrase = _BLANKS.sub(" ", phrase).strip()
    if bracketed is not None:
        if not bracketed and not phrase:
            return None
        # RFC 5322 §4.4: a route before the address.
        address = bracketed.rpartition(":")[2] if bracketed.startswith("@") else bracketed
        return Correspondent(_name(phrase or comment), address)
    if not phrase:
        return None
    if not _AT_DOMAIN.match(phrase) and "@" in phrase:
        *before, last = phrase.split(" ")
        if before and "@" in last:
            return Correspondent(_name(" ".join(before)), last)
    return Correspondent(_name(comment), phrase)


def _name(phrase: str) -> str:
    """A display name without its quotes. Encoded words stand in quotes against RFC 2047 §5, and often."""
    if len(phrase) > 1 and phrase.startswith('"') and phrase.endswith('"'):
        phrase = phrase[1:-1]
    return _BLANKS.sub(" ", plain(_ESCAPE.sub(r"\1", phrase))).strip()
