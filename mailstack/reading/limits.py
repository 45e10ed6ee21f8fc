"""How much of a letter is read for people."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True):
    """What is beyond is left out; the letter's octets are never touched."""

    parts: int = 1000
    """MIME parts; those behind them are not shown."""
    fields: int = 1000
    """Header fields of the letter."""
    field: int = 65_536
    """Octets of one field."""
    text: int = 2_097_152
    """Octets of the text, and of the HTML, that are decoded."""
    people: int = 1000
    """Addresses of one kind, as To."""
    links: int = 1000
    searched_for_codes: int = 20_000
    """Characters of the text."""
    codes: int = 10
    snippet: int = 250
    """Characters."""
