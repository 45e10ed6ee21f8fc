"""Content of a letter: immutable octets, read in chunks (RFC 5321 §2.3.9)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from msgspec import Struct

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
