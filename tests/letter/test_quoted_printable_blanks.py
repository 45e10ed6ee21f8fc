"""Blanks at the ends of quoted-printable lines (RFC 2045 §6.7, rule 3)."""

from __future__ import annotations

from time import process_time

import pytest

from mailstack.letter.transfer_encoding import decoded, decoder


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (b"hello  \r\nbar", b"hello\r\nbar"),
        (b"foo=  \t\r\nbar", b"foobar"),
        (b"foo =\r\nbar", b"foo bar"),
        (b"a\t=20 \r\n", b"a\t \r\n"),
        (b"last line \t", b"last line"),
    ],
)
def test_blanks_at_the_end_of_a_line_are_dropped(encoded: bytes, text: bytes) -> None:
    """IMAP-87"""
    assert decoded(encoded, "quoted-printable") == text
    made = decoder("quoted-printable")
    assert b"".join([*[made.feed(bytes([octet])) for octet in encoded], made.finish()]) == text


def test_long_runs_of_blanks_take_linear_time() -> None:
    """IMAP-87"""
    start = process_time()
    decoded((b" " * 100_000 + b"x\r\n") * 2, "quoted-printable")
    assert process_time() - start < 2
