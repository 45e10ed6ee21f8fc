"""What a transfer encoding hides: base64 and quoted-printable undone (RFC 2045 §6), whatever became of them on the way."""

from __future__ import annotations

import binascii

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OTHERS = bytes(sorted(set(range(256)) - set(_ALPHABET) - set(b"=")))


def decoded(octets: bytes, encoding: str) -> bytes:
    """The octets that were encoded; as they are when the encoding is none, or unknown."""
    match encoding:
        case "base64":
            return _base64(octets)
        case "quoted-printable":
            return binascii.a2b_qp(octets)
        case _:
            return octets


def decoded_size(octets: bytes, encoding: str) -> int:
    """How many octets `decoded` gives, in a fraction of its time."""
    if encoding == "base64":
        return len(_digits(octets)) * 3 // 4
    return len(decoded(octets, encoding))


def _base64(octets: bytes) -> bytes:
    digits = _digits(octets)
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def _digits(octets: bytes) -> bytes:
    """Those before the padding: mailing lists put text behind it. One that is alone in its group says nothing."""
    digits = octets.translate(None, _OTHERS).partition(b"=")[0]
    return digits[:-1] if len(digits) % 4 == 1 else digits
