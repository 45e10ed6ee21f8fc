"""Contents of the store: writers of arriving contents, and contents by letter."""

from __future__ import annotations

from typing import Protocol

from mailstack.letter import Content, LetterId


class ContentWriter(Protocol):
    """Receives a content in pieces: in memory while it is small, else in the store for large contents."""

    size: int
    """Octets written so far."""

    async def write(self, octets: bytes) -> None:
        """Append; raises StoreFull or StoreError."""

    async def finish(self) -> Content:
        """The whole content. It becomes durable with the `accept` of its letter."""

    def discard(self) -> None:
        """Delete the content; harmless after `finish` unless the letter was accepted."""


class ContentStore(Protocol):
    """Part `contents` of `mailstack.store.Store`."""

    def new(self) -> ContentWriter:
        """Writer of an arriving content."""

    async def get(self, letter: LetterId) -> Content:
        """Content as accepted. Raises KeyError if no open delivery and no mailbox needs it."""

    async def sweep(self) -> int:
        """Delete old large contents without a letter, as a crash leaves them; returns the number. Raises StoreError."""
