"""BINARY decoding in pieces, with the window of a partial fetch (RFC 3516)."""

from __future__ import annotations

from mailstack.letter.transfer_encoding import decoder


class BinaryWindow:
    """Decoded octets of a part, fed with its encoded ones.

    A literal begins with its size, so a part is decoded twice: for the size and NUL, and for the octets.
    """

    def __init__(self, encoding: str, partial: tuple[int, int] | None = None) -> None:
        self.size = 0
        """Decoded octets in the window so far."""
        self.has_nul = False
        """Whether there is NUL among them, which only a binary literal may have (RFC 3516 §4.4)."""
        self._decoder = decoder(encoding)
        self._skipped = partial[0] if partial else 0
        self._limit = partial[1] if partial else None

    @property
    def is_full(self) -> bool:
        """Whether further octets are behind the window."""
        return self._limit is not None and self.size >= self._limit

    def feed(self, octets: bytes) -> bytes:
        """Octets of the window in the next octets of the part."""
        return self._cut(self._decoder.feed(octets))

    def finish(self) -> bytes:
        """The last octets of the window."""
        return self._cut(self._decoder.finish())

    def _cut(self, octets: bytes) -> bytes:
        if self._skipped:
            before = len(octets)
            octets = octets[self._skipped :]
            self._skipped = max(0, self._skipped - before)
        if self._limit is not None:
            octets = octets[: self._limit - self.size]
        self.size += len(octets)
        self.has_nul = self.has_nul or b"\0" in octets
        return octets
