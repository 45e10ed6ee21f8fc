"""A Letter: the thing that travels, under one id from acceptance to the end of its history."""

from __future__ import annotations

import secrets
from typing import NewType

from msgspec import Struct

from mailstack.letter.content import Content
from mailstack.letter.envelope import Arrival, Envelope

LetterId = NewType("LetterId", str)
"""15 characters of 0-9 and a-z without i, l, o, u; ids made later sort later (to the millisecond)."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS, _RANDOM_DIGITS = 9, 6
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def new_letter_id(now: float) -> LetterId:
    """A fresh id for a letter accepted at `now` (seconds since 1970): 45 bits of milliseconds, 30 random ones."""
    number = int(now * 1000) << (5 * _RANDOM_DIGITS) | secrets.randbits(5 * _RANDOM_DIGITS)
    digits = _TIME_DIGITS + _RANDOM_DIGITS
    return LetterId("".join([_PAIRS[number >> shift & 1023] for shift in range(5 * digits - 5, -1, -10)])[1:])


class Letter(Struct, frozen=True):
    """Envelope, content and arrival under one id."""

    id: LetterId
    envelope: Envelope
    content: Content
    arrival: Arrival
