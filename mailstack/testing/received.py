"""A letter as it entered an office under test."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import Letter


class ReceivedLetter(Struct, frozen=True):
    """A letter that was handed in."""

    number: int
    """Grows with each."""
    letter: Letter
    octets: bytes
