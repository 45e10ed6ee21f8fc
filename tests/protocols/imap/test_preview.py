"""PREVIEW of messages (IMAP-89)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mailstack.letter.mime.structure import structure_of
from mailstack.protocols.imap.preview import MAX_CHARACTERS, MAX_OCTETS, preview, preview_part, preview_range
from tests.aid import examples
from tests.parsers.mutation import octets_like
from tests.protocols.imap.messages import NESTED, TREE, lines


def preview_of(message: bytes) -> str | None:
    part = preview_part(structure_of(message)[0])
    if part is None:
        return None
    octets = preview_range(part)
    assert octets.size <= MAX_OCTETS
    return preview(part, message[octets.start : octets.end])


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (TREE, "grün"),
        (NESTED, "Hello"),
        (b"Content-Type: text/html\r\n\r\n<style>p{}</style><p>Hi <b>you</b>&nbsp;there</p>", "Hi you there"),
        (b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\n5A==", "ä"),
        (b"\r\nYes.\r\n\r\nOn Monday Jane wrote:\r\n> Shall we?\r\n>> What?\r\nBye\r\n-- \r\nJoe", "Yes. Bye"),
        (b"\r\n> only\r\n> a quote", "> only > a quote"),
        (b"\r\nsee below\r\n-----Original Message-----\r\nFrom: x", "see below"),
        (b"Content-Type: multipart/mixed\r\n\r\nno parts", "no parts"),
        (b"Content-Type: image/png\r\n\r\nx", None),
        (b"Content-Type: message/rfc822\r\n\r\n" + NESTED, None),
        (b"", ""),
        (b"\r\n" + b"word " * 100, "word " * 39 + "word"),
    ],
)
def test_a_preview_is_the_first_words_of_the_author(message: bytes, text: str | None) -> None:
    """IMAP-89: RFC 8970 §3."""
    assert preview_of(message) == text


def test_attachments_are_not_previewed() -> None:
    """IMAP-89."""
    message = lines(
        b"Content-Type: multipart/mixed; boundary=x",
        b"",
        b"--x",
        b"Content-Disposition: attachment",
        b"",
        b"attached",
        b"--x",
        b"Content-Type: text/html",
        b"",
        b"<p>shown</p>",
        b"--x--",
    )
    assert preview_of(message) == "shown"


@settings(max_examples=examples(100))
@given(octets_like((TREE, NESTED)))
def test_any_octets_have_a_short_preview(message: bytes) -> None:
    """IMAP-89, IMAP-130."""
    text = preview_of(message)
    assert text is None or (len(text) <= MAX_CHARACTERS and "\n" not in text and "\0" not in text)
