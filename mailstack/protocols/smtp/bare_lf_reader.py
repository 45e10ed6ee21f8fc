"""DATA reader for clients with LF line endings, on capture ports only.

For the capture port of one's own machine, and never for hosts elsewhere: `printf … | nc` ends its content by LF . LF. The
client's own DATA line tells it apart: a client that ends its commands in CRLF is read by DataReader, so that no content
which is not its own ends early (SMTP smuggling, 2023). All else is refused as everywhere: a bare CR, a line that is too long.
"""

from __future__ import annotations

import re

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.commands import Chunk, EndOfData
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.line_checks import LineChecker

_BARE_LF_END = re.compile(rb"(?P<line>\n)\.\r?\n")
"""`line` ends the last line of the content."""
_UNSETTLED = re.compile(rb"\r?(?:\n(?:\.(?:\.|\r)?)?)?\Z")
"""Last octets that may begin an end mark, or a line that was stuffed."""


class BareLfDataReader:
    """One content, from the answer 354 to the final dot: as DataReader, which is for all other clients."""

    __slots__ = ("_ended", "_faults", "_first", "_is_bare", "_lines", "_max_size", "_size")

    def __init__(self, lines: LineBuffer, *, max_size: int, max_line: int) -> None:
        """Reads from `lines`. Limits in octets, see Capabilities."""
        lines.unread(b"\r\n")
        self._lines = lines
        self._max_size = max_size
        self._faults = LineChecker(max_line)
        self._first = True
        self._ended = False
        self._is_bare = False
        self._size = 0

    @classmethod
    def of(cls, lines: LineBuffer, capabilities: Capabilities) -> BareLfDataReader:
        """The reader of a content that begins."""
        return cls(lines, max_size=capabilities.max_size, max_line=capabilities.max_line)

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end, or NEED_DATA. Pieces stop at the first fault; octets are counted on."""
        while not self._ended:
            raw = self._next_piece()
            if not raw:
                break
            octets = self._mended(raw)
            if self._first:
                octets, self._first = octets[2:], False
            self._size += len(octets)
            if 0 < self._max_size < self._size:
                continue
            self._faults.check(octets, octets, last=self._ended)
            if octets and not self._faults.any:
                return Chunk(octets)
        if not self._ended:
            return NEED_DATA
        fault = too_large(self._max_size) if 0 < self._max_size < self._size else self._faults.reply()
        return EndOfData(self._size, fault, bare_newlines=self._is_bare)

    def _next_piece(self) -> bytes:
        """Octets that are content for sure, still stuffed; empty when there are none now."""
        lines = self._lines
        if (end := lines.search(_BARE_LF_END)) is not None:
            self._ended = True
            first, behind = end.end("line"), end.end() - end.end("line")
            raw = lines.take(first)
            lines.take(behind)
            return raw
        unsettled = lines.search(_UNSETTLED)
        return lines.take(len(lines) if unsettled is None else unsettled.start())

    def _mended(self, raw: bytes) -> bytes:
        """With the ends that lines have, and without the dots that were put before some."""
        pairs = raw.replace(b"\r\n", b"\n")
        self._is_bare = self._is_bare or len(raw) - len(pairs) != raw.count(b"\n")
        return pairs.replace(b"\n.", b"\n").replace(b"\n", b"\r\n")
