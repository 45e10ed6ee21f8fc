"""Correspondents: the mailboxes of From, To and their like, with names that people can read (RFC 5322 §3.4)."""

from __future__ import annotations

import re

from msgspec import Struct

from mailstack.letter.mailboxes import read_address_list
from mailstack.reading.charsets import text_of
from mailstack.reading.words import plain

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"\s+")


class Correspondent(Struct, frozen=True):
    """One mailbox as a field names it."""

    name: str
    """Decoded; "" when it has none."""
    address: str
    """As it is written; it may be no address at all."""


def correspondents(body: bytes, most: int, *, are_authors: bool = False) -> tuple[Correspondent, ...]:
    """Those of a field's body, in order; the name of a group is left out, and its members are not.

    Authors are read as the checks of a letter read them.
    """
    found = read_address_list(body, most, names_have_commas=are_authors).mailboxes
    return tuple(
        [Correspondent(_name(text_of(each.name)), text_of(each.text)) for each in found if each.name or each.text]
    )


def _name(phrase: str) -> str:
    """A display name without its quotes. Encoded words stand in quotes against RFC 2047 §5, and often."""
    if len(phrase) > 1 and phrase.startswith('"') and phrase.endswith('"'):
        phrase = phrase[1:-1]
    return _BLANKS.sub(" ", plain(_ESCAPE.sub(r"\1", phrase))).strip()
