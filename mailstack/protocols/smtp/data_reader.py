"""DATA readers: end, dots and line checks of a content (RFC 5321 §4.5.2).

For speed, each piece of the network is searched, counted and copied as a whole, never line by line.
Results do not depend on the cut: octets that may be the start of the end mark stay in the buffer until more arrive.
"""

from __future__ import annotations

import re

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.bdat_reader import LineChecker, normalized, strip_crlf_pairs
from mailstack.protocols.smtp.commands import Chunk, EndOfData
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.replies import Reply

_END = b"\r\n.\r\n"
_END_PREFIXES = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_STUFFED_PREFIXES = (b"\n.", b"\n")
"""Octets that may be the start of a stuffed line after a bare LF."""


class DataReader:
    """One content from 354 to the final dot. Only CRLF.CRLF ends it (SMTP smuggling, 2023)."""

    __slots__ = ("_ended", "_faults", "_first", "_is_bare", "_lines", "_max_size", "_normalizes", "_open_ends", "_size")

    def __init__(self, lines: LineBuffer, *, max_size: int, max_line: int, normalizes: bool = False) -> None:
        """Read from `lines`. Limits are in octets, see Capabilities; 0 is no limit.

        `normalizes` converts bare LF to CRLF (Postfix: `smtpd_forbid_bare_newline = normalize`); else it is a fault.
        """
        # §4.1.1.4: the CRLF of the DATA line may begin the end mark, so it belongs to the stream.
        lines.unread(b"\r\n")
        self._first = True
        self._lines = lines
        self._max_size = max_size
        self._faults = LineChecker(max_line)
        self._size = 0
        self._ended = False
        self._is_bare = False
        self._normalizes = normalizes
        self._open_ends = (*_END_PREFIXES, *_STUFFED_PREFIXES) if normalizes else _END_PREFIXES

    @classmethod
    def for_content(cls, lines: LineBuffer, capabilities: Capabilities) -> DataReader:
        """Reader of a new content."""
        return cls(
            lines,
            max_size=capabilities.max_size,
            max_line=capabilities.max_line,
            normalizes=capabilities.bare_newlines != "reject",
        )

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end, or NEED_DATA. Pieces stop at the first fault, the count of octets does not."""
        while not self._ended:
            raw = self._next_piece()
            if not raw:
                break
            octets = raw.replace(b"\r\n.", b"\r\n") if b"." in raw else raw
            if self._first:
                raw, octets = raw[2:], octets[2:]
                self._first = False
            unpaired = None
            if self._normalizes and b"\n" in (unpaired := strip_crlf_pairs(raw)):
                raw = octets = normalized(octets)
                unpaired, self._is_bare = None, True
            self._size += len(octets)
            if self._is_too_large:
                continue
            # A piece never splits CRLF.
            self._faults.check(raw, octets, last=self._ended, unpaired=unpaired)
            if octets and not self._faults.any:
                return Chunk(octets)
        return EndOfData(self._size, self._fault(), bare_newlines=self._is_bare) if self._ended else NEED_DATA

    def _next_piece(self) -> bytes:
        """Octets that are certainly content, still stuffed; empty if none are available."""
        lines = self._lines
        # Base64 has no dot, so this fast search for one octet is mostly the only one.
        end = lines.find(_END) if lines.find(b".") >= 0 else -1
        if end >= 0:
            self._ended = True
            raw = lines.read(end + 2)
            lines.read(3)
            return raw
        for beginning in self._open_ends:
            if lines.endswith(beginning):
                return lines.read(len(lines) - len(beginning))
        return lines.read(len(lines))

    @property
    def _is_too_large(self) -> bool:
        return 0 < self._max_size < self._size

    def _fault(self) -> Reply | None:
        return too_large(self._max_size) if self._is_too_large else self._faults.reply()


_BARE_LF_END = re.compile(rb"(?P<line>\n)\.\r?\n")
"""End mark; group `line` ends the last line of the content."""
_UNSETTLED = re.compile(rb"\r?(?:\n(?:\.(?:\.|\r)?)?)?\Z")
"""Last octets that may be the start of an end mark or of a stuffed line."""


class BareLfDataReader:
    """DataReader for a client that ends its commands in a bare LF."""

    __slots__ = ("_ended", "_faults", "_first", "_is_bare", "_lines", "_max_size", "_size")

    def __init__(self, lines: LineBuffer, *, max_size: int, max_line: int) -> None:
        """Read from `lines`. Limits are in octets, see Capabilities."""
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
        """Reader of a new content."""
        return cls(lines, max_size=capabilities.max_size, max_line=capabilities.max_line)

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end, or NEED_DATA. Pieces stop at the first fault, the count of octets does not."""
        while not self._ended:
            raw = self._next_piece()
            if not raw:
                break
            octets = self._normalized(raw)
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
        """Octets that are certainly content, still stuffed; empty if none are available."""
        lines = self._lines
        if (end := lines.search(_BARE_LF_END)) is not None:
            self._ended = True
            first, behind = end.end("line"), end.end() - end.end("line")
            raw = lines.read(first)
            lines.read(behind)
            return raw
        unsettled = lines.search(_UNSETTLED)
        return lines.read(len(lines) if unsettled is None else unsettled.start())

    def _normalized(self, raw: bytes) -> bytes:
        """The octets with CRLF line ends and unstuffed dots."""
        pairs = raw.replace(b"\r\n", b"\n")
        self._is_bare = self._is_bare or len(raw) - len(pairs) != raw.count(b"\n")
        return pairs.replace(b"\n.", b"\n").replace(b"\n", b"\r\n")
