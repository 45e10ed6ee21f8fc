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
    """Octets of known size that can be read repeatedly.

    Every line ends in CRLF, except in a letter with BODY=BINARYMIME.
    """

    @property
    def size(self) -> int:
        """Octets in all."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The octets in order, about CHUNK at a time."""


class Octets(Struct, frozen=True):
    """A small content in memory."""

    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.octets), CHUNK):
            yield self.octets[start : start + CHUNK]


class Prefixed(Struct, frozen=True):
    """A content below further trace fields (RFC 5321 §4.4)."""

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


def octets_in_memory(content: Content) -> bytes | None:
    """Octets of a small content in memory; None for any other content."""
    if isinstance(content, Octets):
        return content.octets if content.size <= CHUNK else None
    if isinstance(content, Prefixed) and (octets := octets_in_memory(content.content)) is not None:
        return content.prefix + octets
    return None


@runtime_checkable
class Verifiable(Protocol):
    """A content in storage that may be damaged."""

    async def verify(self) -> None:
        """Raise the error of `chunks` for damage that is detectable without reading all octets."""


async def verify(content: Content) -> None:
    """Raise for a damaged content, before its first octet is sent to a reader."""
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
_MAX_DRAWN = 8192
"""Maximum number of stored random parts of a thread; half a megabyte."""
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


class _DistinctRandom:
    """Random numbers without repetition among the last thousands.

    Otherwise one in 2,000 batches of a thousand letters in a millisecond would have two equal ids.
    """

    def __init__(self) -> None:
        self._drawn: set[int] = set()

    def __call__(self, bits: int) -> int:
        if len(self._drawn) >= _MAX_DRAWN:
            self._drawn.clear()
        while (number := secrets.randbits(bits)) in self._drawn:
            pass
        self._drawn.add(number)
        return number


class _RandomSource(threading.local):
    """Source of the random part of new ids, by thread."""

    def __init__(self) -> None:
        self.draw: Callable[[int], int] = _DistinctRandom()


_source = _RandomSource()


@contextmanager
def seeded_ids(draw: Callable[[int], int]) -> Iterator[None]:
    """Context in which `draw(bits)` is the random part of new ids in this thread, for simulations."""
    before, _source.draw = _source.draw, draw
    try:
        yield
    finally:
        _source.draw = before


def new_letter_id(now: float) -> LetterId:
    """A new id for a letter accepted at `now` (seconds since 1970): 45 bits of milliseconds, 30 random bits."""
    number = _source.draw(5 * _RANDOM_DIGITS)
    millisecond = int(now * 1000)
    time = f"{_time_part(millisecond >> 10)}{_PAIRS[millisecond & 1023]}"
    return LetterId(f"{time}{_PAIRS[number >> 20]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}")


@lru_cache(maxsize=16)  # many letters arrive in one second
def _time_part(second: int) -> str:
    """Digits of the time in units of 1,024 milliseconds."""
    digits = range(5 * _TIME_DIGITS - 15, -1, -5)
    return "".join([_ALPHABET[second >> shift & 31] for shift in digits])


class Letter(Struct, frozen=True):
    """Envelope, content and arrival under one id."""

    id: LetterId
    envelope: Envelope
    content: Content
    arrival: Arrival
