"""BDAT reader: counts octets, checks lines (RFC 3030 §2)."""

from __future__ import annotations

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import LineBuffer
from mailstack.protocols.smtp.commands import Chunk, EndOfData, Mail
from mailstack.protocols.smtp.extensions.extension import Capabilities
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.line_checks import LineChecker, normalized, without_pairs
from mailstack.protocols.smtp.replies import Reply


class BdatReader:
    """One content, from its first BDAT to the last. Nothing in it has a meaning here, a dot or a command least of all.

    What is not binary consists of lines, and may go on to a host by DATA: so it is held to the same rules as there, and
    a last line without CRLF is completed. What is binary passes octet for octet.
    """

    __slots__ = (
        "_at_line_start",
        "_faults",
        "_held",
        "_is_bare",
        "_last",
        "_left",
        "_lines",
        "_max_size",
        "_normalizes",
        "size",
    )

    def __init__(
        self, lines: LineBuffer, *, max_line: int, binary: bool, normalizes: bool = False, max_size: int = 0
    ) -> None:
        """Reads from `lines`. Limits in octets, see Capabilities; 0 is none.

        `normalizes` makes CRLF of each bare LF. Only what grows by that is compared with `max_size`: chunks are before.
        """
        self.size = 0
        """Octets that came so far."""
        self._lines = lines
        self._faults = None if binary else LineChecker(max_line)
        self._left = 0
        self._last = False
        self._at_line_start = True
        # A CR at the end: its LF may be the first octet of the next piece, or of the next chunk.
        self._held = b""
        self._is_bare = False
        self._normalizes = normalizes
        self._max_size = max_size if normalizes else 0

    @classmethod
    def for_content(cls, lines: LineBuffer, mail: Mail | None, capabilities: Capabilities) -> BdatReader:
        """The reader of a content that begins, for the MAIL of its transaction."""
        binary = mail is not None and mail.body == "BINARYMIME"
        return cls(
            lines,
            max_line=0 if binary else capabilities.max_line,
            binary=binary,
            normalizes=capabilities.bare_newlines != "reject",
            max_size=capabilities.max_size,
        )

    def start_chunk(self, size: int, *, last: bool) -> None:
        """The next `size` octets of the stream are content."""
        self._left, self._last = size, last

    def next_event(self) -> Chunk | EndOfData | Signal:
        """The next piece, the end of the chunk, or NEED_DATA. Pieces stop at the first fault."""
        while self._left:
            octets = self._lines.take(self._left)
            if not octets:
                return NEED_DATA
            self._left -= len(octets)
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
        octets = self._held + octets
        self._held = b"\r" if octets.endswith(b"\r") and (self._left or not self._last) else b""
        if self._held:
            octets = octets[:-1]
        if not octets:
            return None
        unpaired = None
        if self._normalizes and b"\n" in (unpaired := without_pairs(octets)):
            before, octets, unpaired, self._is_bare = len(octets), normalized(octets, stuffed=False), None, True
            self.size += len(octets) - before
        faults.check(octets, octets, unpaired=unpaired)
        self._at_line_start = octets.endswith(b"\r\n")
        return None if faults.any or self._is_too_large else Chunk(octets)

    def _last_piece(self) -> Chunk | None:
        """What is still to come when no more octets are: a CR that had no LF, or the CRLF that the last line has not."""
        faults = self._faults
        if faults is None or faults.any:
            return None
        if self._held:
            faults.check(self._held, self._held)
            return None
        if self._at_line_start:
            return None
        self._at_line_start = True
        self.size += 2
        return Chunk(b"\r\n")
