"""Original message in a DSN: its header section or all of it (RFC 6522)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.letter import header as header_section
from mailstack.letter.mime.composition import Composed, has_plain_lines, lines_part


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

    def part(self, *, eight_bit: bool, international: bool) -> Composed:
        """The body part; `international` says that the original came with SMTPUTF8 (RFC 6533 §4)."""
        if self.whole is not None and is_returnable(self.whole, eight_bit=eight_bit):
            utf8 = international and not self.header.isascii()
            kind = b"message/global" if utf8 else b"message/rfc822"
            encoding = b"" if self.whole.isascii() else b"Content-Transfer-Encoding: 8bit\r\n"
            return Composed(b"Content-Type: %b\r\n%b" % (kind, encoding), (self.whole,))
        fields = b"".join([field for _, field in header_section.fields(self.header) if field != b"\r\n"])
        kind_of_header = "message/global-headers" if international and _is_utf8(fields) else "text/rfc822-headers"
        lines = fields.removesuffix(b"\r\n") + b"\r\n"
        return lines_part(kind_of_header, lines, eight_bit=eight_bit and international)


def is_returnable(letter: bytes, *, eight_bit: bool) -> bool:
    """Whether a whole letter can stand in a report: message/rfc822 may not be encoded (RFC 2046 §5.2.1)."""
    return (letter.isascii() or eight_bit) and has_plain_lines(letter)


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return False
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
