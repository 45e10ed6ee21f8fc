"""How much of a letter is read for people."""

from __future__ import annotations

from msgspec import Struct


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
    """Tags of the HTML, opening and closing, whose words, links and codes are read."""
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
