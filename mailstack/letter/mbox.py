"""mbox files with mboxrd quoting (RFC 4155), and line endings of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO


def with_crlf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines with CRLF, also after the last one; a bare CR or LF ends a line too."""
    unfinished, last = b"", b"\r\n"
    for piece in pieces:
        octets = unfinished + piece
        unfinished = b"\r" if octets.endswith(b"\r") else b""
        octets = octets[: len(octets) - len(unfinished)]
        if octets:
            last = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
            yield last
    if unfinished or not last.endswith(b"\r\n"):
        yield b"\r\n"


def with_lf(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines with LF, as in local files."""
    for piece in with_crlf(pieces):
        yield piece.replace(b"\r\n", b"\n")


FROM = b"From "
"""Start of the separator line between two letters, after an empty line."""
_DATED = re.compile(rb"From .*(?:\d:\d\d.*\d{4}|\d{4}.*\d:\d\d)")
"""Separator line with a time in any format (RFC 4155, appendix A)."""
_DATE_WITHIN = 200
"""Maximum octets of the line in which the time is searched."""
PIECE = 65536
"""Maximum octets of a line that are read at a time."""

_QUOTED = re.compile(rb"\A>(?=>*From )")
_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)


def spans(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Start and end offsets of each letter, without its "From " line, in one pass.

    If the first separator has a date, a line "From " without a date is text.
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
    """The octets of a span with the line ends of the file, and with "From " lines unquoted once."""
    file.seek(start)
    fresh = True
    while start < end and (line := file.readline(min(PIECE, end - start))):
        start += len(line)
        yield _QUOTED.sub(b"", line) if fresh else line
        fresh = line.endswith(b"\n")


def entry(sender: str, date: str, octets: Iterable[bytes]) -> Iterator[bytes]:
    """A letter in the file: separator with `date` (asctime), quoted lines, and an empty line."""
    yield b"From %b %b\n" % (sender.encode() or b"MAILER-DAEMON", date.encode())
    unfinished, fresh = b"", True
    for piece in with_lf(octets):
        text = unfinished + piece
        cut = text.rfind(b"\n") + 1 or len(text)
        if not text.endswith(b"\n") and cut == len(text) < PIECE:
            unfinished = text  # an unfinished line, which may start with "From "
            continue
        yield _quoted(text[:cut], fresh=fresh)
        unfinished, fresh = text[cut:], text[:cut].endswith(b"\n")
    yield b"\n"


def _quoted(text: bytes, *, fresh: bool) -> bytes:
    """Quote "From " lines; `fresh` is whether the text starts with a line."""
    if fresh:
        return _TO_QUOTE.sub(b">", text)
    first, newline, lines = text.partition(b"\n")
    return first + newline + _TO_QUOTE.sub(b">", lines)
