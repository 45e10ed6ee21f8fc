"""The two encodings that make lines of ASCII of any octets, as streams: base64 and quoted-printable (RFC 2045 §6)."""

from __future__ import annotations

import binascii
import re
from typing import Protocol

_LINE = 57
"""Octets that make a line of 76 characters in base64."""
_TOO_LONG = re.compile(rb"^[^\r\n]{77,}", re.MULTILINE)


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
