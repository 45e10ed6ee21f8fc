"""Dot-stuffing of multi-line texts (RFC 5321 §4.5.2, RFC 1939 §3)."""

from __future__ import annotations


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
