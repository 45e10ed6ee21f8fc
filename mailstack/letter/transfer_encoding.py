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
_LINE_BLANKS = re.compile(rb"(?<![ \t])[ \t]+(?=\r?\n)")
"""Blanks before a line end, found in linear time."""
_FEW_BLANKS = 4
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


class Decoder(Protocol):
    """Decoder of one body, fed with its octets in any pieces; damaged text is decoded as far as possible."""

    def feed(self, octets: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Base64Decoder:
    """Decoder of base64 up to its padding; mailing lists append text. A single digit in the last group is ignored."""

    def __init__(self) -> None:
        self._remainder = b""
        self._is_padded = False

    def feed(self, octets: bytes) -> bytes:
        if self._is_padded:
            return b""
        digits, self._is_padded = _digits(octets)
        digits = self._remainder + digits
        whole = len(digits) - len(digits) % 4
        self._remainder = digits[whole:]
        return binascii.a2b_base64(digits[:whole])

    def finish(self) -> bytes:
        digits, self._remainder = self._remainder, b""
        return binascii.a2b_base64(digits + b"=" * (4 - len(digits))) if len(digits) > 1 else b""


class QuotedPrintableDecoder:
    """Decoder of quoted-printable. It holds back a line until it is complete, or a part of a long one."""

    def __init__(self) -> None:
        self._line = b""

    def feed(self, octets: bytes) -> bytes:
        octets = self._line + octets
        whole = octets.rfind(b"\n") + 1
        if not whole and len(octets) > AT_ONCE:
            escape = octets.rfind(b"=", len(octets) - 2)
            whole = escape if escape >= 0 else len(octets)
        self._line = octets[whole:]
        # Blanks at the end of a line were added on its way (RFC 2045 §6.7, rule 3), also behind a soft break.
        return binascii.a2b_qp(_without_line_blanks(octets[:whole])) if whole else b""

    def finish(self) -> bytes:
        line, self._line = self._line, b""
        return binascii.a2b_qp(line.rstrip(b" \t"))


def _without_line_blanks(octets: bytes) -> bytes:
    """The lines without blanks at their ends; a few blanks are replaced faster than matched."""
    for _ in range(_FEW_BLANKS):
        shorter = octets.replace(b" \r\n", b"\r\n").replace(b"\t\r\n", b"\r\n")
        if len(shorter) == len(octets):
            break
        octets = shorter
    return _LINE_BLANKS.sub(b"", octets)


class _Identity:
    """Octets without an encoding, or in an unknown one."""

    def feed(self, octets: bytes) -> bytes:
        return octets

    def finish(self) -> bytes:
        return b""


_DECODERS: dict[str, type[Base64Decoder | QuotedPrintableDecoder]] = {
    "base64": Base64Decoder,
    "quoted-printable": QuotedPrintableDecoder,
}


def decoder(encoding: str) -> Decoder:
    """A new decoder; that of an unknown encoding changes nothing."""
    return _DECODERS.get(encoding, _Identity)()


def decoded(octets: bytes, encoding: str, start: int = 0, end: int | None = None) -> bytes:
    """Decoded octets from `start` to `end`; unchanged for an unknown encoding."""
    whole = BytesIO()
    for piece in _decoded_pieces(octets, encoding, start, len(octets) if end is None else end):
        whole.write(piece)
    return whole.getvalue()


def decoded_size(octets: bytes, encoding: str, start: int = 0, end: int | None = None) -> int:
    """Number of octets of `decoded`, in a fraction of its time."""
    end = len(octets) if end is None else end
    if encoding == "base64":
        size = 0
        for at in range(start, end, AT_ONCE):
            digits, is_padded = _digits(octets[at : min(at + AT_ONCE, end)])
            size += len(digits)
            if is_padded:
                break
        return size * 3 // 4
    if encoding == "quoted-printable":
        return sum(map(len, _decoded_pieces(octets, encoding, start, end)))
    return max(0, end - start)


def _decoded_pieces(octets: bytes, encoding: str, start: int, end: int) -> Iterator[bytes]:
    made = decoder(encoding)
    for at in range(start, end, AT_ONCE):
        yield made.feed(octets[at : min(at + AT_ONCE, end)])
    yield made.finish()


def _digits(octets: bytes) -> tuple[bytes, bool]:
    """Base64 digits, and whether padding ends them."""
    digits, padding, _ = octets.translate(None, _NOT_BASE64).partition(b"=")
    return digits, bool(padding)
