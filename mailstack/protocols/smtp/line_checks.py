"""Line checks of a content: bare CR or LF, maximum length (RFC 5321 §2.3.8)."""

from __future__ import annotations

import re

from mailstack.protocols.smtp.replies import Reply, reply

# Used once for a content, to say where its first bare CR or LF stands.
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


_BARE_LF = re.compile(rb"(?<!\r)\n")
# A client that takes a bare LF for the end of a line has stuffed the next line; another client's dots stay.
_STUFFED_BARE_LF = re.compile(rb"(?<!\r)\n(?:\.(?=\.))?")


def without_pairs(octets: bytes) -> bytes:
    """The octets with CRLF blanked out; a CR or LF that is left is a bare one."""
    # Of the ways to find one this costs least: counting single octets takes twice as long.
    return octets.replace(b"\r\n", b"  ")


def normalized(octets: bytes, *, stuffed: bool = True) -> bytes:
    """The octets with CRLF for each bare LF. `stuffed`: one of two dots behind a bare LF is removed (RFC 5321 §4.5.2)."""
    return (_STUFFED_BARE_LF if stuffed else _BARE_LF).sub(b"\r\n", octets)


class LineChecker:
    """Looks at a content piece by piece. Pieces never part a CR from its LF, so what is found is the same for any cut."""

    __slots__ = ("_bare_line", "_line_is_long", "_line_so_far", "_lines_before", "_max_line")

    def __init__(self, max_line: int) -> None:
        """`max_line` in octets without CRLF; 0 is no limit."""
        self._max_line = max_line
        self._bare_line = 0
        self._lines_before = 0
        self._line_is_long = False
        self._line_so_far = 0

    @property
    def any(self) -> bool:
        return self._bare_line > 0 or self._line_is_long

    def check(self, raw: bytes, octets: bytes, *, last: bool = False, unpaired: bytes | None = None) -> None:
        """The next piece, as sent and with its dots unstuffed; whether it is the `last`.

        `unpaired` is what `without_pairs` makes of `raw`, where that is known.
        """
        # The kinds of fault are looked for apart from each other, and ranked at the end: so the verdict is the same
        # for every cut. What a higher rank makes idle is left out.
        if self._bare_line:
            return
        unpaired = without_pairs(raw) if unpaired is None else unpaired
        if b"\n" in unpaired or b"\r" in unpaired:
            self._bare_line = self._number_of_bare_line(raw)
        elif self._max_line and not self._line_is_long:
            self._measure_lines(octets)
        if not last:
            self._lines_before += raw.count(b"\r\n")

    def reply(self) -> Reply | None:
        """The refusal, if there is a fault."""
        if self._bare_line:
            # What else comes may be commands that another host took for content: so the connection ends.
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
        # Leap from line end to line end as far as the limit allows: every line in between is short enough. No LF is alone.
        limit = self._max_line
        start, room = 0, limit - self._line_so_far
        while True:
            end = octets.rfind(b"\n", start, start + room + 2)
            if end < 0:
                break
            start, room, self._line_so_far = end + 1, limit, 0
        self._line_so_far += len(octets) - start
        self._line_is_long = self._line_so_far > limit
