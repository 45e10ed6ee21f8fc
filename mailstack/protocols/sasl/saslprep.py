"""SASLprep: normal form of names and passwords before hashing (RFC 4013)."""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str, *, stored: bool = False) -> str:
    """The prepared text; `stored` refuses what Unicode 3.2 does not assign (RFC 3454 §7). Raises ValueError."""
    if text.isascii() and text.isprintable():
        return text
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for character in prepared:
        if any(prohibited(character) for prohibited in _PROHIBITED):
            raise ValueError(f"U+{ord(character):04X} has no place in a name or password")
        if stored and stringprep.in_table_a1(character):
            raise ValueError(f"U+{ord(character):04X} is not known to every client")
    _check_direction(prepared)
    return prepared


def _check_direction(text: str) -> None:
    """RFC 3454 §6: right-to-left text is all right-to-left, and begins and ends so."""
    if any(map(stringprep.in_table_d1, text)) and (
        any(map(stringprep.in_table_d2, text))
        or not stringprep.in_table_d1(text[0])
        or not stringprep.in_table_d1(text[-1])
    ):
        raise ValueError("the directions of writing are mixed")
