"""TOP filter: header, blank line and first body lines (RFC 1939 §7)."""

from __future__ import annotations

_BLANK_LINE = b"\r\n\r\n"


class TopFilter:
    """Cuts a content as it comes in chunks, so that no more of it is read than is shown."""

    __slots__ = ("_in_body", "_lines", "_tail", "done")

    def __init__(self, lines: int) -> None:
        """`lines` of the body are shown; more than it has means all of it."""
        self._lines = lines
        self._in_body = False
        # What stands before the chunk: a blank line may be cut anywhere, or be the very first line.
        self._tail = b"\r\n"
        self.done = False
        """Whether nothing more will be shown."""

    def feed(self, chunk: bytes) -> bytes:
        """What of the next octets is shown."""
        if self.done:
            return b""
        if self._in_body:
            return chunk[: self._body(chunk, 0)]
        tail = self._tail
        joined = tail + chunk
        end = joined.find(_BLANK_LINE)
        if end < 0:
            self._tail = joined[-3:]
            return chunk
        self._in_body = True
        return chunk[: self._body(chunk, end + len(_BLANK_LINE) - len(tail))]

    def _body(self, chunk: bytes, start: int) -> int:
        """Where in the chunk the last line to be shown ends; the body goes on at `start`."""
        there = chunk.count(b"\n", start)
        if there < self._lines:
            self._lines -= there
            return len(chunk)
        for _ in range(self._lines):
            start = chunk.index(b"\n", start) + 1
        self.done = True
        return start
