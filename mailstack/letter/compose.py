"""Composer of new letters: header section and MIME parts (RFC 5322 §3.6, RFC 2045)."""

from __future__ import annotations

import binascii
import secrets
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from mailstack.letter.header import folded, mailbox_field, parameter, text_field
from mailstack.letter.transfer_encoding import Base64, quoted

AT_ONCE = 65_536
"""Characters of a text, or octets of a file, encoded in one piece."""
_HIGH = bytes(range(128, 256)) + b"\0"
"""Octets that need an encoding: non-ASCII ones, and NUL (RFC 5321 §4.5.2)."""
_MAX_LINE = 998
"""Maximum octets of a line without encoding (RFC 5322 §2.1.1)."""


class Composed(Struct, frozen=True):
    """A part: header section without the empty line, and content in pieces."""

    fields: bytes
    content: tuple[bytes, ...]

    @property
    def octets(self) -> list[bytes]:
        """The part in pieces, with the empty line between fields and content."""
        return [self.fields, b"\r\n", *self.content]


def text_part(subtype: str, text: str) -> Composed:
    """A text with a final CRLF, encoded in base64 or quoted-printable if needed."""
    pieces = list(_in_lines(text))
    max_line = max(max(map(len, piece.split(b"\r\n"))) for piece in pieces)
    high = sum(len(piece) - len(piece.translate(None, _HIGH)) for piece in pieces)
    content: Iterable[bytes] = pieces
    encoding = "7bit"
    if high or max_line > _MAX_LINE:
        # Quoted-printable triples non-ASCII octets, and needs lines.
        is_readable = max_line < AT_ONCE and 6 * high <= sum(map(len, pieces))
        encoding = "quoted-printable" if is_readable else "base64"
        content = map(quoted, pieces) if is_readable else _in_base64(pieces)
    return Composed(_described([f"text/{subtype};", 'charset="utf-8"'], encoding), tuple(content))


def file_part(main: str, sub: str, octets: Iterable[bytes], fields: bytes) -> Composed:
    """A file in base64. `fields` are further ones, such as Content-Disposition."""
    return Composed(_described([f"{main}/{sub}"], "base64") + fields, tuple(_in_base64(octets)))


def lines_part(kind: str, text: bytes, *, eight_bit: bool) -> Composed:
    """Part of a type, with unchanged lines if possible, else in quoted-printable.

    `eight_bit` permits octets above 127 (RFC 6152).
    """
    encoding = ""
    if not has_plain_lines(text) or not (eight_bit or text.isascii()):
        encoding = "quoted-printable"
        # A bare CR or LF is no line end, and is encoded too.
        lines = [quoted(line, is_text=False).replace(b"=\n", b"=\r\n") for line in text.split(b"\r\n")]
        text = b"\r\n".join(lines)
    elif not text.isascii():
        encoding = "8bit"
    fields = folded("Content-Type", [kind])
    return Composed(fields + folded("Content-Transfer-Encoding", [encoding]) if encoding else fields, (text,))


def has_plain_lines(text: bytes) -> bool:
    """Whether all lines end in CRLF and are short enough, without NUL (RFC 5321 §4.5.3.1.6, RFC 2045 §2.7)."""
    if b"\0" in text or not text.count(b"\r\n") == text.count(b"\n") == text.count(b"\r"):
        return False
    return max(map(len, text.split(b"\r\n"))) <= _MAX_LINE


def multipart(
    subtype: str, parts: Sequence[Composed], *, boundary: str = "", parameters: Sequence[str] = ()
) -> Composed:
    """A multipart. `parameters` are further parameters of Content-Type. The boundary is random by default."""
    boundary = boundary or f"=_{secrets.token_hex(16)}"
    delimiter = f"--{boundary}\r\n".encode()
    content: list[bytes] = []
    for part in parts:
        content += [delimiter, *part.octets, b"\r\n"]
    kind = [f"multipart/{subtype};", *(f"{word};" for word in parameters), *parameter("boundary", boundary)]
    return Composed(folded("Content-Type", kind), (*content, f"--{boundary}--\r\n".encode()))


def disposition(kind: str, file_name: str) -> bytes:
    """Content-Disposition (RFC 2183)."""
    words = parameter("filename", file_name)
    return folded("Content-Disposition", [f"{kind};", *(f"{word};" for word in words[:-1]), words[-1]])


def _described(kind: Sequence[str], encoding: str) -> bytes:
    return folded("Content-Type", kind) + folded("Content-Transfer-Encoding", [encoding])


def _in_lines(text: str) -> Iterator[bytes]:
    """The text in UTF-8 with CRLF, in pieces that end with a line if possible."""
    at = 0
    while at < len(text):
        end = min(at + AT_ONCE, len(text))
        if end < len(text):
            # A final CR may be half of a CRLF.
            end = text.rfind("\n", at, end) + 1 or end + (text[end - 1] == "\r")
        piece = text[at:end].replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
        yield piece.encode("utf-8", "replace")
        at = end
    if not text.endswith(("\r", "\n")):
        yield b"\r\n"


def _in_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    encoder = Base64()
    for piece in pieces:
        yield encoder.feed(piece)
    yield encoder.finish() + b"\r\n"


def base64_of(digits: str) -> Iterator[bytes]:
    """The octets of base64 with white space in it (RFC 4648 §4). Raises binascii.Error, a ValueError."""
    remainder = ""
    for at in range(0, len(digits), AT_ONCE):
        piece = remainder + "".join(digits[at : at + AT_ONCE].split())
        # The last group is held, because padding is valid at the end only.
        whole = max(0, len(piece) - 1) // 4 * 4
        remainder = piece[whole:]
        if "=" in piece[:whole]:
            raise binascii.Error("Excess data after padding")
        yield binascii.a2b_base64(piece[:whole], strict_mode=True)
    yield binascii.a2b_base64(remainder, strict_mode=True)


NamedMailbox = tuple[str, str]
"""Display name, which may be empty, and address."""


class Heading(Struct, frozen=True):
    """Header fields of a new letter."""

    author: NamedMailbox
    """Mailbox of From."""
    to: Sequence[NamedMailbox]
    subject: str
    date: str
    """Date and time in the form of RFC 5322 §3.3."""
    message_id: str
    """Message-ID without its angle brackets."""
    cc: Sequence[NamedMailbox] = ()
    reply_to: Sequence[NamedMailbox] = ()
    more: Sequence[bytes] = ()
    """Further complete fields; each replaces a field above of the same name."""

    @property
    def octets(self) -> bytes:
        """Returns the fields in order, without the body's fields and the empty line."""
        lists = (("From", (self.author,)), ("To", self.to), ("Cc", self.cc), ("Reply-To", self.reply_to))
        fields = [mailbox_field(name, mailboxes) for name, mailboxes in lists if mailboxes]
        fields += [
            text_field("Subject", self.subject),
            folded("Date", [self.date]),
            folded("Message-ID", [f"<{self.message_id}>"]),
            b"MIME-Version: 1.0\r\n",
        ]
        replaced = {_name(field) for field in self.more}
        return b"".join([*(field for field in fields if _name(field) not in replaced), *self.more])


def compose(heading: Heading, body: Composed) -> bytes:
    """The octets of a letter, each line ended by CRLF."""
    return b"".join([heading.octets, *body.octets])


def body_of(text: str, html: str = "", inline: Sequence[Composed] = (), attached: Sequence[Composed] = ()) -> Composed:
    """MIME body of a text, its HTML with inline files, and attachments (RFC 2046 §5.1)."""
    body = text_part("plain", text)
    if html:
        html_part = text_part("html", html)
        body = multipart("alternative", [body, multipart("related", [html_part, *inline]) if inline else html_part])
    return multipart("mixed", [body, *attached]) if attached else body


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].lower()
