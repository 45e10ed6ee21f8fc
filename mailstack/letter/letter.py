"""Letter, its id and its content: immutable octets, read in chunks (RFC 5321 §2.3.9)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NewType, Protocol, runtime_checkable

from msgspec import Struct

from mailstack.letter.envelope import Arrival, Envelope

CHUNK = 65536
"""Octets read and sent at a time."""


class Content(Protocol):
    """Octets with a known number, read from the start as often as one likes.

    Every line ends in CRLF. Only a letter with BODY=BINARYMIME has no lines.
    """

    @property
    def size(self) -> int:
        """Octets in all."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The octets in order, about CHUNK at a time."""


class Octets(Struct, frozen=True):
    """A content small enough to be held in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.octets), CHUNK):
            yield self.octets[start : start + CHUNK]


class Prefixed(Struct, frozen=True):
    """A content with trace fields put above it, as final delivery does (RFC 5321 §4.4)."""

    prefix: bytes
    content: Content

    @property
    def size(self) -> int:
        return len(self.prefix) + self.content.size

    async def chunks(self) -> AsyncIterator[bytes]:
        prefix = self.prefix
        async for chunk in self.content.chunks():
            yield prefix + chunk if prefix else chunk
            prefix = b""
        if prefix:
            yield prefix


def held(content: Content) -> bytes | None:
    """All octets of a small content that is in memory; None: they have to be waited for, or are many."""
    if isinstance(content, Octets):
        return content.octets if content.size <= CHUNK else None
    if isinstance(content, Prefixed) and (octets := held(content.content)) is not None:
        return content.prefix + octets
    return None


@runtime_checkable
class Verifiable(Protocol):
    """A content that may be damaged where it is kept."""

    async def verify(self) -> None:
        """Raises, as `chunks` would, where the damage can be seen without sending for all octets."""


async def verify(content: Content) -> None:
    """Raises before the first octet is given to a reader, for a damaged content of which the last would never come."""
    while isinstance(content, Prefixed):
        content = content.content
    if isinstance(content, Verifiable):
        await content.verify()


async def read_all(content: Content) -> bytes:
    """All octets at once; only for contents known to be small."""
    return b"".join([chunk async for chunk in content.chunks()])


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
