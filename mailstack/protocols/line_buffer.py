"""Line buffer of line-based protocols, and dot-stuffing (RFC 5321 §4.5.2, RFC 1939 §3)."""

from __future__ import annotations

import re

_START = 16
"""Octets of an over-long line that are kept, so that one can say what it was."""


class LineTooLong(Exception):
    """A line passed its limit; the rest of it is being thrown away as it comes."""

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
    """Holds what was received and hands out lines, or raw octets, from its front.

    Memory is bounded by the caller's line limit plus one network read: an over-long line is dropped while it comes.
    """

    __slots__ = ("_octets", "_scanned", "_skipping")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._scanned = 0
        self._skipping = False

    def __len__(self) -> int:
        return len(self._octets)

    def receive(self, octets: bytes) -> None:
        """Append what the network gave."""
        self._octets += octets

    def clear(self) -> None:
        """Throw away everything (RFC 3207 §6)."""
        self._octets = bytearray()
        self._scanned = 0
        self._skipping = False

    def line(self, limit: int) -> bytes | None:
        """The next line without its CRLF; None when there is no whole line.

        `limit` is in octets, CRLF included. Raises LineTooLong once for a longer line, as soon as that is known, and
        BareLF for a line that ends in LF alone; the line is consumed by then, so the caller is in step.
        """
        octets = self._octets
        if not octets:
            return None  # as after each command of a client that waits for the reply
        end = octets.find(b"\n", self._scanned)
        if self._skipping:
            if end < 0:
                octets.clear()
                self._scanned = 0
                return None
            self._consume(end + 1)
            self._skipping = False
            return self.line(limit)
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
        if not line.endswith(b"\r"):
            raise BareLF(line)
        return line[:-1]

    def take(self, most: int) -> bytes:
        """Up to `most` octets as they are."""
        taken = bytes(memoryview(self._octets)[:most])  # a slice of the array itself would be one more copy
        self._consume(len(taken))
        return taken

    def unread(self, octets: bytes) -> None:
        """Put octets back at the front."""
        self._octets[:0] = octets
        self._scanned = 0

    def find(self, wanted: bytes, start: int = 0) -> int:
        """Where `wanted` first stands at or behind `start`; -1 when it doesn't."""
        return self._octets.find(wanted, start)

    def search(self, wanted: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Where a pattern is found first. The match is of no use once something was taken."""
        return wanted.search(self._octets)

    def startswith(self, wanted: bytes) -> bool:
        return self._octets.startswith(wanted)

    def endswith(self, wanted: bytes | tuple[bytes, ...]) -> bool:
        return self._octets.endswith(wanted)

    def _consume(self, count: int) -> None:
        del self._octets[:count]
        self._scanned = 0


_END = b"\r\n.\r\n"


class DotStuffer:
    """Adds a dot to every line that begins with one, and the end mark; exact across any cut of the octets."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, octets: bytes) -> bytes:
        """What to send for the next octets of the text."""
        stuffed = octets.replace(b"\r\n.", b"\r\n..")
        if self._tail == b"\r\n" and octets.startswith(b"."):
            stuffed = b"." + stuffed
        elif self._tail.endswith(b"\r") and octets.startswith(b"\n."):
            stuffed = b"\n.." + stuffed[2:]
        self._tail = (self._tail + octets[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end of the text; completes a last line that has no CRLF."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


class DotUnstuffer:
    """Takes a dot from every line that begins with one, and finds the end mark."""

    __slots__ = ("_held", "ended", "rest")

    def __init__(self) -> None:
        # The first two octets of `_held` are given out already; they tell whether what follows begins a line.
        self._held = b"\r\n"
        self.ended = False
        """Whether the end mark has come."""
        self.rest = b""
        """Octets behind the end mark."""

    def feed(self, octets: bytes) -> bytes:
        """The next octets of the text."""
        held = self._held + octets
        end = held.find(_END)
        if end >= 0:
            self.ended, self.rest, self._held = True, held[end + len(_END) :], b""
            return _unstuff(held[: end + 2])
        # What could be the beginning of an end mark stays here.
        cut = max(2, len(held) - len(_END) + 1)
        self._held = held[cut - 2 :]
        return _unstuff(held[:cut])


def _unstuff(context_and_text: bytes) -> bytes:
    """The text without the dots that were stuffed; a dot that is taken out is never one of the two octets before it."""
    return context_and_text.replace(b"\r\n.", b"\r\n")[2:]
