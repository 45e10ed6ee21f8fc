"""Base64 and quoted-printable, encoded and decoded in pieces (RFC 2045 §6).

Decoding accepts damaged text. It works in pieces, because each piece blocks other threads and a part may be large.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

_LINE = 57
"""Octets of a base64 line of 76 characters."""
_TOO_LONG = re.compile(rb"^[^\r\n]{77,}", re.MULTILINE)
AT_ONCE = 262_144
"""Approximate encoded octets of a piece."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_ALPHABET) - set(b"=")))


class Encoder(Protocol):
    """Encoder of one body. The last line has no CRLF: in a multipart, that of the delimiter follows."""

    def feed(self, octets: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Base64:
    """Base64 of any octets (§6.8)."""

    def __init__(self) -> None:
        self._unfinished = b""
        self._between = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._unfinished + octets
        whole = len(octets) - len(octets) % _LINE
        self._unfinished = octets[whole:]
        return self._lines(octets[:whole])

    def finish(self) -> bytes:
        return self._lines(self._unfinished)

    def _lines(self, octets: bytes) -> bytes:
        if not octets:
            return b""
        lines = [
            binascii.b2a_base64(octets[start : start + _LINE], newline=False) for start in range(0, len(octets), _LINE)
        ]
        between, self._between = self._between, b"\r\n"
        return between + b"\r\n".join(lines)


class QuotedPrintable:
    """Quoted-printable of text with CRLF line ends (§6.7). A line is held until it is complete."""

    def __init__(self) -> None:
        self._unfinished = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._unfinished + octets
        whole = octets.rfind(b"\r\n") + 2 if b"\r\n" in octets else 0
        self._unfinished = octets[whole:]
        return quoted(octets[:whole])

    def finish(self) -> bytes:
        # b2a_qp uses the line end of the first line.
        return quoted(self._unfinished + b"\r\n")[:-2] if self._unfinished else b""


def quoted(octets: bytes, *, is_text: bool = True) -> bytes:
    """Quoted-printable lines of at most 76 characters; CR and LF are encoded too unless `is_text`."""
    # b2a_qp makes some lines up to two octets too long, for example if they end in a blank.
    return _TOO_LONG.sub(_soft_break, binascii.b2a_qp(octets, istext=is_text))


def _soft_break(match: re.Match[bytes]) -> bytes:
    """The line with a soft break outside any `=XX` (§6.7, rule 5)."""
    line = match[0]
    escape = line.find(b"=", 73, 75)
    cut = 75 if escape < 0 else escape
    return line[:cut] + b"=\r\n" + line[cut:]


def decoded(octets: bytes, encoding: str, start: int = 0, end: int | None = None) -> bytes:
    """Decoded octets from `start` to `end`; unchanged for an unknown encoding."""
    end = len(octets) if end is None else end
    match encoding:
        case "base64":
            pieces = _base64(octets, start, end)
        case "quoted-printable":
            pieces = _quoted_printable(octets, start, end)
        case _:
            pieces = (octets[at : min(at + AT_ONCE, end)] for at in range(start, end, AT_ONCE))
    whole = BytesIO()
    for piece in pieces:
        whole.write(piece)
    return whole.getvalue()


def decoded_size(octets: bytes, encoding: str, start: int = 0, end: int | None = None) -> int:
    """Number of octets of `decoded`, in a fraction of its time."""
    end = len(octets) if end is None else end
    match encoding:
        case "base64":
            return sum(len(digits) for digits in _digits(octets, start, end)) * 3 // 4
        case "quoted-printable":
            return sum(len(piece) for piece in _quoted_printable(octets, start, end))
        case _:
            return max(0, end - start)


def _base64(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """Decode base64; a single digit in the last group is ignored."""
    remainder = b""
    for piece in _digits(octets, start, end):
        digits = remainder + piece
        whole = len(digits) - len(digits) % 4
        remainder = digits[whole:]
        yield binascii.a2b_base64(digits[:whole])
    if len(remainder) > 1:
        yield binascii.a2b_base64(remainder + b"=" * (4 - len(remainder)))


def _digits(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """Base64 digits before the padding; mailing lists append text."""
    for at in range(start, end, AT_ONCE):
        digits, padding, _ = octets[at : min(at + AT_ONCE, end)].translate(None, _NOT_BASE64).partition(b"=")
        yield digits
        if padding:
            return


def _quoted_printable(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """Decode quoted-printable in pieces, cut between lines or at least outside any `=XX`."""
    while start < end:
        stop = min(start + AT_ONCE, end)
        if stop < end:
            line = octets.rfind(b"\n", start, stop) + 1
            escape = octets.rfind(b"=", max(start + 1, stop - 2), stop)
            stop = line or (escape if escape > 0 else stop)
        yield binascii.a2b_qp(octets[start:stop])
        start = stop
