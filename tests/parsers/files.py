"""Readers of files that other programs wrote: mailboxes."""

from __future__ import annotations

import io

from mailstack.letter import mbox
from mailstack.letter.mail_files import detect
from mailstack.letter.mbox import with_crlf
from tests.parsers.parser import Parser, scratch


def _mbox(octets: bytes) -> None:
    """Letters stand behind each other, within the file, and have the line ends of mail."""
    file = io.BytesIO(octets)
    before = 0
    for start, end in list(mbox.spans(file)):
        assert before <= start <= end <= len(octets)
        before = end
        letter = b"".join(with_crlf(mbox.letter(file, start, end)))
        assert b"\n" not in letter.replace(b"\r\n", b"")


def _look(octets: bytes) -> None:
    file = scratch("letter.files") / "found"
    file.write_bytes(octets)
    for found in detect([file]).letters:
        assert found.size <= len(octets)
        letter = b"".join(found.chunks())
        assert letter.endswith(b"\r\n") or not letter


_MBOX = b"From a b\nA: b\n\nx\n>From y\n\nFrom c\r\nA: b\r\n\r\nx\r\n"

PARSERS = (
    Parser("mbox", ("letter.mbox", "letter.mbox"), _mbox, (_MBOX, b"From a\n\nFrom b\n", b"From ")),
    Parser("letter.files", ("letter.mail_files",), _look, (_MBOX, b"A: b\n\nx", b"\r\n", b"A: b\r\rx")),
)
