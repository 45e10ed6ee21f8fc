"""Dot-stuffing and unstuffing of multi-line texts (RFC 5321 §4.5.2, RFC 1939 §3)."""

from __future__ import annotations

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
