"""mbox files with mboxrd quoting (RFC 4155), and line endings of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO


def with_crlf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same lines, each ended by CRLF, the last one too; a CR or LF that is alone ends a line as well."""
    held, last = b"", b"\r\n"
    for piece in pieces:
        octets = held + piece
        held = b"\r" if octets.endswith(b"\r") else b""
        octets = octets[: len(octets) - len(held)]
        if octets:
            last = _plain(octets).replace(b"\n", b"\r\n")
            yield last
    if held or not last.endswith(b"\r\n"):
        yield b"\r\n"


def with_lf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The other way: as files of this system have them."""
    for piece in with_crlf(pieces):
        yield piece.replace(b"\r\n", b"\n")


def _plain(octets: bytes) -> bytes:
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


FROM = b"From "
"""Beginning of a line between two letters; the line before it is empty."""
_DATED = re.compile(rb"From .*(?:\d:\d\d.*\d{4}|\d{4}.*\d:\d\d)")
"""Time of arrival in such a line, in any form (RFC 4155, Appendix A)."""
_DATE_WITHIN = 200
"""Octets of the line."""
PIECE = 65536
"""Octets that are read at a time of a line without an end."""

_QUOTED = re.compile(rb"\A>(?=>*From )")
_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)


def spans(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Offsets of the beginning and end of each letter, without its "From " line; the file is read once.

    Where the first line has a date, an unquoted line of text that begins with "From " is no beginning.
    """
    start: int | None = None
    at = blank = 0
    fresh, dated = True, False
    while line := file.readline(PIECE):
        ends = line.endswith(b"\n")
        if fresh and ends and line.startswith(FROM) and (blank or not at) and (_is_dated(line) or not dated):
            if start is None:
                dated = _is_dated(line)
            else:
                yield start, at - blank
            start = at + len(line)
        at += len(line)
        blank = len(line) if fresh and line in {b"\n", b"\r\n"} else 0
        fresh = ends
    if start is not None:
        yield start, max(start, at - blank)


def _is_dated(line: bytes) -> bool:
    return _DATED.match(line[:_DATE_WITHIN]) is not None


def letter(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """The octets of a span, in the file's own lines, one quote less before each "From " that has some."""
    file.seek(start)
    fresh = True
    while start < end and (line := file.readline(min(PIECE, end - start))):
        start += len(line)
        yield _QUOTED.sub(b"", line) if fresh else line
        fresh = line.endswith(b"\n")


def entry(sender: str, date: str, octets: Iterable[bytes]) -> Iterator[bytes]:
    """A letter as it stands in the file: its line, itself with "From " quoted, an empty line. `date` is asctime's."""
    yield b"From %b %b\n" % (sender.encode() or b"MAILER-DAEMON", date.encode())
    held, fresh = b"", True
    for piece in with_lf(octets):
        text = held + piece
        cut = text.rfind(b"\n") + 1 or len(text)
        if not text.endswith(b"\n") and cut == len(text) < PIECE:
            held = text  # the beginning of a line, which may become a From
            continue
        yield _quoted(text[:cut], fresh=fresh)
        held, fresh = text[cut:], text[:cut].endswith(b"\n")
    yield b"\n"


def _quoted(text: bytes, *, fresh: bool) -> bytes:
    """`fresh`: a line begins where this does."""
    if fresh:
        return _TO_QUOTE.sub(b">", text)
    first, newline, rest = text.partition(b"\n")
    return first + newline + _TO_QUOTE.sub(b">", rest)
