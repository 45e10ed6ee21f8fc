"""What a report returns of the letter it is about: its header section, or all of it (RFC 6522 §3, third part)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import header as header_section
from mailstack.letter.transfer_encoding import quoted

_LONGEST_LINE = 998
"""RFC 5322 §2.1.1: what a line may have without its CRLF where nothing is encoded."""


class Returned(Struct, frozen=True):
    """The original, or the beginning of it."""

    header: bytes
    """The header section, or as much of it as shall be returned."""
    whole: bytes | None = None
    """All of the letter; None where the header section must do (RFC 3461 §4.3)."""

    @property
    def is_eight_bit(self) -> bool:
        """Whether there are octets above 127."""
        return not (self.header if self.whole is None else self.whole).isascii()

    def part(self, *, eight_bit: bool, international: bool) -> bytes:
        """The body part; `international` says that the original came with SMTPUTF8 (RFC 6533 §4)."""
        if self.whole is not None and is_returnable(self.whole, eight_bit=eight_bit):
            utf8 = international and not self.header.isascii()
            kind = b"message/global" if utf8 else b"message/rfc822"
            encoding = b"" if self.whole.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
            return b"Content-Type: %b\r\n%b\r\n%b" % (kind, encoding, self.whole)
        fields = b"".join([field for _, field in header_section.fields(self.header) if field != b"\r\n"])
        kind_of_header = "message/global-headers" if international and _is_utf8(fields) else "text/rfc822-headers"
        lines = fields.removesuffix(b"\r\n") + b"\r\n"
        return encoded(kind_of_header, lines, eight_bit=eight_bit and international)


def is_returnable(letter: bytes, *, eight_bit: bool) -> bool:
    """Whether a whole letter can stand in a report: message/rfc822 may not be encoded (RFC 2046 §5.2.1)."""
    return (letter.isascii() or eight_bit) and _has_plain_lines(letter)


def encoded(kind: str, text: bytes, *, eight_bit: bool) -> bytes:
    """A body part of this type, in quoted-printable where it can't stand as it is."""
    encoding = ""
    if not _has_plain_lines(text) or not (eight_bit or text.isascii()):
        encoding = "Content-Transfer-Encoding: quoted-printable\r\n"
        text = b"\r\n".join([_quoted_printable(line) for line in text.split(b"\r\n")])
    elif not text.isascii():
        encoding = "Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {kind}\r\n{encoding}\r\n".encode() + text


def _has_plain_lines(text: bytes) -> bool:
    """Lines that end in CRLF, none too long, and no NUL (RFC 5321 §4.5.3.1.6, RFC 2045 §2.7)."""
    if b"\0" in text or not text.count(b"\r\n") == text.count(b"\n") == text.count(b"\r"):
        return False
    return max(map(len, text.split(b"\r\n"))) <= _LONGEST_LINE


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _quoted_printable(line: bytes) -> bytes:
    return quoted(line, is_text=False).replace(b"=\n", b"=\r\n")
