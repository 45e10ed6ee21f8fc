"""BDAT reader, and line checks of a content (RFC 3030 §2, RFC 5321 §2.3.8)."""

from __future__ import annotations

import re

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.commands import Chunk, EndOfData, Mail
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.replies import Reply, reply

# Used once a content, for the position of its first bare CR or LF.
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_BARE_LF = re.compile(rb"(?<!\r)\n")
# A client that ends lines with a bare LF has stuffed the next line; other dots stay.
_STUFFED_BARE_LF = re.compile(rb"(?<!\r)\n(?:\.(?=\.))?")


def strip_crlf_pairs(octets: bytes) -> bytes:
    """The octets with CRLF replaced by blanks; any CR or LF in the result is a bare one."""
    # Counting single octets would be half as fast.
    return octets.replace(b"\r\n", b"  ")


def normalized(octets: bytes, *, stuffed: bool = True) -> bytes:
    """The octets with CRLF for each bare LF. `stuffed` removes one of two dots after a bare LF (RFC 5321 §4.5.2)."""
    return (_STUFFED_BARE_LF if stuffed else _BARE_LF).sub(b"\r\n", octets)


class LineChecker:
    """Check of a content in pieces. Pieces never split CRLF, so the result is the same for any cut."""

    __slots__ = ("_bare_line", "_line_is_long", "_line_so_far", "_lines_before", "_max_line")

    def __init__(self, max_line: int) -> None:
        """`max_line` is in octets without CRLF; 0 is no limit."""
        self._max_line = max_line
        self._bare_line = 0
        self._lines_before = 0
        self._line_is_long = False
        self._line_so_far = 0

    @property
    def any(self) -> bool:
        return self._bare_line > 0 or self._line_is_long

    def check(self, raw: bytes, octets: bytes, *, last: bool = False, unpaired: bytes | None = None) -> None:
        """Check the next piece, as sent (`raw`) and with dots unstuffed; `unpaired` is `without_pairs(raw)` if known."""
        # Each kind of fault is checked separately and ranked at the end, so that the verdict does not depend on the
        # cut. Checks below a rank that was reached are skipped.
        if self._bare_line:
            return
        unpaired = strip_crlf_pairs(raw) if unpaired is None else unpaired
        if b"\n" in unpaired or b"\r" in unpaired:
            self._bare_line = self._number_of_bare_line(raw)
        elif self._max_line and not self._line_is_long:
            self._measure_lines(octets)
        if not last:
            self._lines_before += raw.count(b"\r\n")

    def reply(self) -> Reply | None:
        """The refusal, if there is a fault."""
        if self._bare_line:
            # What follows may be commands that another host accepted as content, so the connection ends.
            text = f"line {self._bare_line} has a bare <CR> or <LF>, closing"
            return reply(550, "5.5.2", text, closes=True)
        if self._line_is_long:
            return reply(554, "5.6.0", f"a line is longer than {self._max_line} octets")
        return None

    def _number_of_bare_line(self, raw: bytes) -> int:
        bare = _BARE.search(raw)
        assert bare is not None
        return self._lines_before + raw.count(b"\n", 0, bare.start()) + 1

    def _measure_lines(self, octets: bytes) -> None:
        # Skip from line end to line end within the limit: every line in between is short enough. Every LF has its CR here.
        limit = self._max_line
        start, capacity = 0, limit - self._line_so_far
        while True:
            end = octets.rfind(b"\n", start, start + capacity + 2)
            if end < 0:
                break
            start, capacity, self._line_so_far = end + 1, limit, 0
        self._line_so_far += len(octets) - start
        self._line_is_long = self._line_so_far > limit


class BdatReader:
    """One content, from its first BDAT to the last; dots and commands in it have no meaning.

    Content other than BINARYMIME may be relayed by DATA, so the same line rules apply, and a last line without CRLF is
    completed. Binary content passes unchanged.
    """

    __slots__ = (
        "_at_line_start",
        "_faults",
        "_is_bare",
        "_last",
        "_lines",
        "_max_size",
        "_normalizes",
        "_pending",
        "_remaining",
        "size",
    )

    def __init__(
        self, lines: LineBuffer, *, max_line: int, binary: bool, normalizes: bool = False, max_size: int = 0
    ) -> None:
        """Read from `lines`. Limits are in octets, see Capabilities; 0 is no limit.

        `normalizes` converts bare LF to CRLF. `max_size` is checked for that growth only; chunks are checked before.
        """
        self.size = 0
        """Octets received so far."""
        self._lines = lines
        self._faults = None if binary else LineChecker(max_line)
        self._remaining = 0
        self._last = False
        self._at_line_start = True
        # A final CR; its LF may be the first octet of the next piece or chunk.
        self._pending = b""
        self._is_bare = False
        self._normalizes = normalizes
        self._max_size = max_size if normalizes else 0

    @classmethod
    def for_content(cls, lines: LineBuffer, mail: Mail | None, capabilities: Capabilities) -> BdatReader:
        """Reader of a new content in the transaction of `mail`."""
        binary = mail is not None and mail.body == "BINARYMIME"
        return cls(
            lines,
            max_line=0 if binary else capabilities.max_line,
            binary=binary,
            normalizes=capabilities.bare_newlines != "reject",
            max_size=capabilities.max_size,
        )

    def start_chunk(self, size: int, *, last: bool) -> None:
        """Read the next `size` octets of the stream as content."""
        self._remaining, self._last = size, last

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end of the chunk, or NEED_DATA. Pieces stop at the first fault."""
        while self._remaining:
            octets = self._lines.read(self._remaining)
            if not octets:
                return NEED_DATA
            self._remaining -= len(octets)
            self.size += len(octets)
            if (piece := self._checked(octets)) is not None:
                return piece
        if self._last and (piece := self._last_piece()) is not None:
            return piece
        return EndOfData(self.size, self._fault(), bare_newlines=self._is_bare)

    @property
    def _is_too_large(self) -> bool:
        return self._is_bare and 0 < self._max_size < self.size

    def _fault(self) -> Reply | None:
        if self._is_too_large:
            return too_large(self._max_size)
        return self._faults.reply() if self._faults else None

    def _checked(self, octets: bytes) -> Chunk | None:
        faults = self._faults
        if faults is None:
            return Chunk(octets)
        octets = self._pending + octets
        self._pending = b"\r" if octets.endswith(b"\r") and (self._remaining or not self._last) else b""
        if self._pending:
            octets = octets[:-1]
        if not octets:
            return None
        unpaired = None
        if self._normalizes and b"\n" in (unpaired := strip_crlf_pairs(octets)):
            before, octets, unpaired, self._is_bare = len(octets), normalized(octets, stuffed=False), None, True
            self.size += len(octets) - before
        faults.check(octets, octets, unpaired=unpaired)
        self._at_line_start = octets.endswith(b"\r\n")
        return None if faults.any or self._is_too_large else Chunk(octets)

    def _last_piece(self) -> Chunk | None:
        """CRLF for an unfinished last line; checks a held CR as a bare one."""
        faults = self._faults
        if faults is None or faults.any:
            return None
        if self._pending:
            faults.check(self._pending, self._pending)
            return None
        if self._at_line_start:
            return None
        self._at_line_start = True
        self.size += 2
        return Chunk(b"\r\n")
