"""DATA readers: end, dots and line checks of a content (RFC 5321 §4.5.2).

Nothing here goes line by line. Each piece that comes is searched, counted and copied as a whole, which is what makes
a letter cheap. What is found doesn't depend on how the network cut the octets: a few at the end of a piece, which
could be the beginning of the end mark, stay in the buffer until more is known.
"""

from __future__ import annotations

import re

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.bdat_reader import LineChecker, normalized, without_pairs
from mailstack.protocols.smtp.commands import Chunk, EndOfData
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.replies import Reply

_END = b"\r\n.\r\n"
_BEGINNINGS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_BEGINNINGS_OF_LINE = (b"\n.", b"\n")
"""Octets that may begin a stuffed line, where a bare LF ends one."""


class DataReader:
    """One content, from the answer 354 to the final dot. Only CRLF.CRLF ends it (SMTP smuggling, 2023)."""

    __slots__ = (
        "_ended",
        "_faults",
        "_first",
        "_is_bare",
        "_lines",
        "_max_size",
        "_normalizes",
        "_open_ends",
        "_size",
    )

    def __init__(self, lines: LineBuffer, *, max_size: int, max_line: int, normalizes: bool = False) -> None:
        """Reads from `lines`. Limits in octets, see Capabilities; 0 is none.

        `normalizes` makes CRLF of each bare LF, as Postfix's `smtpd_forbid_bare_newline = normalize`; else it is a fault.
        """
        # §4.1.1.4: the first CRLF of the end mark may be the one that ended the DATA line, so it belongs to the stream.
        lines.unread(b"\r\n")
        self._first = True
        self._lines = lines
        self._max_size = max_size
        self._faults = LineChecker(max_line)
        self._size = 0
        self._ended = False
        self._is_bare = False
        self._normalizes = normalizes
        self._open_ends = (*_BEGINNINGS_OF_END, *_BEGINNINGS_OF_LINE) if normalizes else _BEGINNINGS_OF_END

    @classmethod
    def for_content(cls, lines: LineBuffer, capabilities: Capabilities) -> DataReader:
        """The reader of a content that begins."""
        return cls(
            lines,
            max_size=capabilities.max_size,
            max_line=capabilities.max_line,
            normalizes=capabilities.bare_newlines != "reject",
        )

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end, or NEED_DATA. Pieces stop at the first fault; octets are counted on."""
        while not self._ended:
            raw = self._next_piece()
            if not raw:
                break
            octets = raw.replace(b"\r\n.", b"\r\n") if b"." in raw else raw
            if self._first:
                raw, octets = raw[2:], octets[2:]
                self._first = False
            unpaired = None
            if self._normalizes and b"\n" in (unpaired := without_pairs(raw)):
                raw = octets = normalized(octets)
                unpaired, self._is_bare = None, True
            self._size += len(octets)
            if self._is_too_large:
                continue
            # A piece never parts a CR from its LF.
            self._faults.check(raw, octets, last=self._ended, unpaired=unpaired)
            if octets and not self._faults.any:
                return Chunk(octets)
        return EndOfData(self._size, self._fault(), bare_newlines=self._is_bare) if self._ended else NEED_DATA

    def _next_piece(self) -> bytes:
        """Octets that are content for sure, still stuffed; empty when there are none now."""
        lines = self._lines
        # Base64 has no dot, so this search for one octet, by far the fastest, is mostly the only one.
        end = lines.find(_END) if lines.find(b".") >= 0 else -1
        if end >= 0:
            self._ended = True
            raw = lines.take(end + 2)
            lines.take(3)
            return raw
        for beginning in self._open_ends:
            if lines.endswith(beginning):
                return lines.take(len(lines) - len(beginning))
        return lines.take(len(lines))

    @property
    def _is_too_large(self) -> bool:
        return 0 < self._max_size < self._size

    def _fault(self) -> Reply | None:
        return too_large(self._max_size) if self._is_too_large else self._faults.reply()


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
    def for_content(cls, lines: LineBuffer, capabilities: Capabilities) -> BareLfDataReader:
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
