"""What a transfer encoding hides: base64 and quoted-printable undone (RFC 2045 §6), whatever became of them on the way.

It is done piece by piece: a part may have many megabytes, and no other thread runs while one is decoded.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from io import BytesIO

AT_ONCE = 262_144
"""Encoded octets of a piece, about."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(sorted(set(range(256)) - set(_ALPHABET) - set(b"=")))


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
