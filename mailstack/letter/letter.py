"""Letter and its id, from acceptance to the end of its history."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NewType

from msgspec import Struct

from mailstack.letter.content import Content
from mailstack.letter.envelope import Arrival, Envelope

LetterId = NewType("LetterId", str)
"""15 characters of 0-9 and a-z without i, l, o, u; ids made later sort later (to the millisecond)."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_DIGITS, _RANDOM_DIGITS = 9, 6
_REMEMBERED = 8192
"""Maximum number of random parts that are remembered in a thread; half a megabyte."""
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


class _Unlike:
    """Random numbers of 30 bits, none of them twice among the last thousands: of a thousand letters in one millisecond,
    two would be alike once in two thousand times.
    """

    def __init__(self) -> None:
        self._drawn: set[int] = set()

    def __call__(self, bits: int) -> int:
        if len(self._drawn) >= _REMEMBERED:
            self._drawn.clear()
        while (lot := secrets.randbits(bits)) in self._drawn:
            pass
        self._drawn.add(lot)
        return lot


class _Lot(threading.local):
    """Where the random part of new ids comes from, in this thread."""

    def __init__(self) -> None:
        self.draw: Callable[[int], int] = _Unlike()


_lot = _Lot()


@contextmanager
def seeded_ids(draw: Callable[[int], int]) -> Iterator[None]:
    """Within it, in this thread, `draw(bits)` decides the random part of new ids: a simulation's seed does."""
    before, _lot.draw = _lot.draw, draw
    try:
        yield
    finally:
        _lot.draw = before


def new_letter_id(now: float) -> LetterId:
    """A fresh id for a letter accepted at `now` (seconds since 1970): 45 bits of milliseconds, 30 random ones."""
    lot = _lot.draw(5 * _RANDOM_DIGITS)
    millisecond = int(now * 1000)
    time = f"{_time_part(millisecond >> 10)}{_PAIRS[millisecond & 1023]}"
    return LetterId(f"{time}{_PAIRS[lot >> 20]}{_PAIRS[lot >> 10 & 1023]}{_PAIRS[lot & 1023]}")


@lru_cache(maxsize=16)  # many letters arrive in one second
def _time_part(second: int) -> str:
    """The digits of so many times 1,024 milliseconds."""
    digits = range(5 * _TIME_DIGITS - 15, -1, -5)
    return "".join([_ALPHABET[second >> shift & 31] for shift in digits])


class Letter(Struct, frozen=True):
    """Envelope, content and arrival under one id."""

    id: LetterId
    envelope: Envelope
    content: Content
    arrival: Arrival
