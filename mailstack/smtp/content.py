"""Takes the content of DATA out of the stream: finds its end, unstuffs dots, looks for faults (RFC 5321 §4.5.2).

Nothing here goes line by line. Each piece that comes is searched, counted and copied as a whole, which is what makes
a letter cheap. What is found doesn't depend on how the network cut the octets: a few at the end of a piece, which
could be the beginning of the end mark, stay in the buffer until more is known.
"""

from __future__ import annotations

import re

from mailstack.lines import LineBuffer
from mailstack.smtp.commands import Chunk, EndOfData
from mailstack.smtp.extensions.size import too_large
from mailstack.smtp.replies import Reply, reply
from mailstack.wire import NEED_DATA, Signal

_END = b"\r\n.\r\n"
_BEGINNINGS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
# Used once for a content, to say where its first bare CR or LF stands.
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


class DottedContent:
    """One content, from the answer 354 to the final dot. Only CRLF.CRLF ends it (SMTP smuggling, 2023)."""

    __slots__ = (
        "_bare_line",
        "_ended",
        "_first",
        "_line_is_long",
        "_line_so_far",
        "_lines",
        "_lines_before",
        "_max_line",
        "_max_size",
        "_size",
    )

    def __init__(self, lines: LineBuffer, *, max_size: int, max_line: int) -> None:
        """Reads from `lines`. Limits in octets, see Capabilities; 0 is none."""
        # §4.1.1.4: the first CRLF of the end mark may be the one that ended the DATA line, so it belongs to the stream.
        lines.unread(b"\r\n")
        self._first = True
        self._lines = lines
        self._max_size = max_size
        self._max_line = max_line
        self._size = 0
        self._ended = False
        self._bare_line = 0
        self._lines_before = 0
        self._line_is_long = False
        self._line_so_far = 0

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end, or NEED_DATA. Pieces stop at the first fault; octets are counted on."""
        while not self._ended:
            raw = self._next_piece()
            if not raw:
                break
            octets = raw.replace(b"\r\n.", b"\r\n")
            if self._first:
                raw, octets = raw[2:], octets[2:]
                self._first = False
            self._check(raw, octets)
            if octets and not self._is_faulty:
                return Chunk(octets)
        return EndOfData(self._size, self._fault()) if self._ended else NEED_DATA

    def _next_piece(self) -> bytes:
        """Octets that are content for sure, still stuffed; empty when there are none now."""
        lines = self._lines
        end = lines.find(_END)
        if end >= 0:
            self._ended = True
            raw = lines.take(end + 2)
            lines.take(3)
            return raw
        for beginning in _BEGINNINGS_OF_END:
            if lines.endswith(beginning):
                return lines.take(len(lines) - len(beginning))
        return lines.take(len(lines))

    @property
    def _is_faulty(self) -> bool:
        return self._is_too_large or self._bare_line > 0 or self._line_is_long

    @property
    def _is_too_large(self) -> bool:
        return 0 < self._max_size < self._size

    def _check(self, raw: bytes, octets: bytes) -> None:
        # The kinds of fault are looked for apart from each other, and ranked at the end: so the verdict is the same
        # for every cut. What a higher rank makes idle is left out.
        self._size += len(octets)
        if self._bare_line or self._is_too_large:
            return
        newlines = raw.count(b"\n")
        # A piece never parts a CR from its LF, so the counts of each piece are exact.
        if not newlines == raw.count(b"\r") == raw.count(b"\r\n"):
            self._bare_line = self._number_of_bare_line(raw)
        elif self._max_line and not self._line_is_long:
            self._measure_lines(octets)
        self._lines_before += newlines

    def _number_of_bare_line(self, raw: bytes) -> int:
        bare = _BARE.search(raw)
        assert bare is not None
        return self._lines_before + raw.count(b"\n", 0, bare.start()) + 1

    def _measure_lines(self, octets: bytes) -> None:
        # Leap from line end to line end as far as the limit allows: every line in between is short enough.
        limit = self._max_line
        start, room = 0, limit - self._line_so_far
        while True:
            end = octets.rfind(b"\r\n", start, start + room + 2)
            if end < 0:
                break
            start, room, self._line_so_far = end + 2, limit, 0
        self._line_so_far += len(octets) - start
        self._line_is_long = self._line_so_far > limit

    def _fault(self) -> Reply | None:
        if self._is_too_large:
            return too_large(self._max_size)
        if self._bare_line:
            return reply(550, "5.5.2", f"line {self._bare_line} has a CR or LF alone: only CRLF ends a line")
        if self._line_is_long:
            return reply(554, "5.6.0", f"a line is longer than {self._max_line} octets")
        return None
