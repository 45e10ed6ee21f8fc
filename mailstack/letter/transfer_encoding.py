"""Base64 and quoted-printable, encoded and decoded in pieces (RFC 2045 §6).

Decoding takes whatever became of the text on its way. It goes piece by piece, since no other thread runs meanwhile, and a
part may have many megabytes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Protocol

_LINE = 57
"""Octets that make a line of 76 characters in base64."""
_TOO_LONG = re.compile(rb"^[^\r\n]{77,}", re.MULTILINE)
AT_ONCE = 262_144
"""Encoded octets of a piece, about."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(sorted(set(range(256)) - set(_ALPHABET) - set(b"=")))


class Encoder(Protocol):
    """Encodes one body. The last line has no CRLF: in a multipart, that of the delimiter follows."""

    def feed(self, octets: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Base64:
    """Any octets (§6.8)."""

    def __init__(self) -> None:
        self._rest = b""
        self._between = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._rest + octets
        whole = len(octets) - len(octets) % _LINE
        self._rest = octets[whole:]
        return self._lines(octets[:whole])

    def finish(self) -> bytes:
        return self._lines(self._rest)

    def _lines(self, octets: bytes) -> bytes:
        if not octets:
            return b""
        lines = [
            binascii.b2a_base64(octets[start : start + _LINE], newline=False) for start in range(0, len(octets), _LINE)
        ]
        between, self._between = self._between, b"\r\n"
        return between + b"\r\n".join(lines)


class QuotedPrintable:
    """Text: every CR has its LF, and lines are not long, since each is held until it is whole (§6.7)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._rest + octets
        whole = octets.rfind(b"\r\n") + 2 if b"\r\n" in octets else 0
        self._rest = octets[whole:]
        return quoted(octets[:whole])

    def finish(self) -> bytes:
        # b2a_qp tells by the first line's end whether its own are CRLF.
        return quoted(self._rest + b"\r\n")[:-2] if self._rest else b""


def quoted(octets: bytes, *, is_text: bool = True) -> bytes:
    """Lines of at most 76 characters; CR and LF are encoded too where it is no text."""
    # b2a_qp makes some lines an octet or two longer, as those that end in a blank.
    return _TOO_LONG.sub(_broken, binascii.b2a_qp(octets, istext=is_text))


def _broken(found: re.Match[bytes]) -> bytes:
    """The line in two, by a soft break that is in the midst of no `=XX` (§6.7, rule 5)."""
    line = found[0]
    escape = line.find(b"=", 73, 75)
    cut = 75 if escape < 0 else escape
    return line[:cut] + b"=\r\n" + line[cut:]


def decoded(octets: bytes, encoding: str, start: int = 0, end: int | None = None) -> bytes:
    """The octets that were encoded, of those from `start` to `end`; as they are when the encoding is none, or unknown."""
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
    """How many octets `decoded` gives, in a fraction of its time."""
    end = len(octets) if end is None else end
    match encoding:
        case "base64":
            return sum(len(digits) for digits in _digits(octets, start, end)) * 3 // 4
        case "quoted-printable":
            return sum(len(piece) for piece in _quoted_printable(octets, start, end))
        case _:
            return max(0, end - start)


def _base64(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """A digit that is alone in the last group says nothing."""
    rest = b""
    for each in _digits(octets, start, end):
        digits = rest + each
        whole = len(digits) - len(digits) % 4
        rest = digits[whole:]
        yield binascii.a2b_base64(digits[:whole])
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _digits(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """Those before the padding: mailing lists put text behind it."""
    for at in range(start, end, AT_ONCE):
        digits, padding, _ = octets[at : min(at + AT_ONCE, end)].translate(None, _OTHERS).partition(b"=")
        yield digits
        if padding:
            return


def _quoted_printable(octets: bytes, start: int, end: int) -> Iterator[bytes]:
    """Cut between lines, or else in no `=XX`."""
    while start < end:
        stop = min(start + AT_ONCE, end)
        if stop < end:
            line = octets.rfind(b"\n", start, stop) + 1
            escape = octets.rfind(b"=", max(start + 1, stop - 2), stop)
            stop = line or (escape if escape > 0 else stop)
        yield binascii.a2b_qp(octets[start:stop])
        start = stop
