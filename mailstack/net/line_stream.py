"""A stream that several processes write lines to, none of them within another's."""

from __future__ import annotations

import os
import select

_WHOLE = max(select.PIPE_BUF, 512)
"""Octets that the system writes to a pipe in one piece (POSIX)."""


class LineStream:
    """A net.log.Stream on a file descriptor. A line that is longer than what can be written at once may be cut."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str, /) -> None:
        """Whole lines, as many as fit in one piece at a time. Raises OSError."""
        octets = text.encode(errors="backslashreplace")
        start = 0
        while start < len(octets):
            end = len(octets)
            if end - start > _WHOLE:
                end = octets.rfind(b"\n", start, start + _WHOLE) + 1 or start + _WHOLE
            start += os.write(self._descriptor, octets[start:end])

    def flush(self) -> None:
        """Nothing is held back."""
