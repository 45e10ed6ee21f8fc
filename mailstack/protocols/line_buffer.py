"""Line buffer of line-based protocols, and dot-stuffing (RFC 5321 §4.5.2, RFC 1939 §3)."""

from __future__ import annotations

import re

_START = 16
"""Octets of an over-long line in its exception."""


class LineTooLong(Exception):
    """A line exceeds its limit; its further octets are discarded on arrival."""

    def __init__(self, start: bytes = b"") -> None:
        super().__init__("the line is too long")
        self.start = start
        """The first octets of the line."""


class BareLF(Exception):
    """A line ended in LF without CR (RFC 5321 §2.3.8: only CRLF ends a line)."""

    def __init__(self, line: bytes = b"") -> None:
        super().__init__("the line ends in LF without CR")
        self.line = line
        """The line without its LF."""


class LineBuffer:
    """Buffer of received octets, consumed as lines or as raw octets.

    Memory is bounded by the caller's line limit plus one network read: an over-long line is discarded as it arrives.
    """

    __slots__ = ("_octets", "_scanned", "_skipping")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._scanned = 0
        self._skipping = False

    def __len__(self) -> int:
        return len(self._octets)

    def receive(self, octets: bytes) -> None:
        """Append octets from the network."""
        self._octets += octets

    def clear(self) -> None:
        """Discard all octets (RFC 3207 §6)."""
        self._octets = bytearray()
        self._scanned = 0
        self._skipping = False

    def line(self, limit: int, *, bare_lf: bool = False) -> bytes | None:
        """The next line without its CRLF; None without a complete line.

        `limit` is in octets with CRLF. Raises LineTooLong once for a longer line, as early as possible, and BareLF for a
        line that ends in LF alone, unless `bare_lf` permits it. Such a line is consumed.
        """
        octets = self._octets
        if not octets:
            return None  # after each command of a client without pipelining
        end = octets.find(b"\n", self._scanned)
        if self._skipping:
            if end < 0:
                octets.clear()
                self._scanned = 0
                return None
            self._consume(end + 1)
            self._skipping = False
            return self.line(limit, bare_lf=bare_lf)
        if end < 0:
            self._scanned = len(octets)
            if self._scanned > limit:
                start = bytes(octets[:_START])
                octets.clear()
                self._scanned = 0
                self._skipping = True
                raise LineTooLong(start)
            return None
        line = bytes(octets[:end])
        self._consume(end + 1)
        if end + 1 > limit:
            raise LineTooLong(line[:_START])
        if line.endswith(b"\r"):
            return line[:-1]
        if bare_lf:
            return line
        raise BareLF(line)

    def read(self, max_octets: int) -> bytes:
        """Consume up to `max_octets` octets."""
        octets = bytes(memoryview(self._octets)[:max_octets])  # a slice of the array itself would be one more copy
        self._consume(len(octets))
        return octets

    def unread(self, octets: bytes) -> None:
        """Put octets back at the front."""
        self._octets[:0] = octets
        self._scanned = 0

    def find(self, octets: bytes, start: int = 0) -> int:
        """Offset of the first `octets` from `start` on; -1 without one."""
        return self._octets.find(octets, start)

    def search(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """First match of a pattern; invalid after octets are consumed."""
        return pattern.search(self._octets)

    def startswith(self, octets: bytes) -> bool:
        return self._octets.startswith(octets)

    def endswith(self, octets: bytes | tuple[bytes, ...]) -> bool:
        return self._octets.endswith(octets)

    def _consume(self, count: int) -> None:
        del self._octets[:count]
        self._scanned = 0


_END = b"\r\n.\r\n"


class DotStuffer:
    """Adds a dot to every line that starts with one, and the end mark, for any cut of the octets."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, octets: bytes) -> bytes:
        """The next octets of the text, stuffed."""
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        if self._tail == b"\r\n" and octets.startswith(b"."):
            stuffed = b"." + stuffed
        elif self._tail.endswith(b"\r") and octets.startswith(b"\n."):
            stuffed = b"\n.." + stuffed[2:]
        self._tail = (self._tail + octets[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end mark, after CRLF for a last line without it."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


class DotUnstuffer:
    """Removes a dot from every line that starts with one, and detects the end mark."""

    __slots__ = ("_pending", "ended", "remainder")

    def __init__(self) -> None:
        # The first two octets of `_pending` were returned before; they show whether a line starts after them.
        self._pending = b"\r\n"
        self.ended = False
        """Whether the end mark was received."""
        self.remainder = b""
        """Octets after the end mark."""

    def feed(self, octets: bytes) -> bytes:
        """The next octets of the text."""
        pending = self._pending + octets
        end = pending.find(_END)
        if end >= 0:
            self.ended, self.remainder, self._pending = True, pending[end + len(_END) :], b""
            return _unstuff(pending[: end + 2])
        # Octets that may be the start of the end mark are held.
        cut = max(2, len(pending) - len(_END) + 1)
        self._pending = pending[cut - 2 :]
        return _unstuff(pending[:cut])


def _unstuff(context_and_text: bytes) -> bytes:
    """The text without stuffed dots; the first two octets are its context."""
    return context_and_text.replace(b"\r\n.", b"\r\n")[2:]
