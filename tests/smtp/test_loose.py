"""A capture port that takes lines ended by LF alone: what it makes of them, and that nobody smuggles by it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.smtp.commands import Chunk, EndOfData
from mailstack.smtp.server import Capabilities
from tests.smtp.dialogue import Dialogue

LOOSE = Capabilities("mx.home.test", max_size=60, max_line=20, bare_newlines=True)
BEGIN = (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA")


def content_of(
    *pieces: bytes, newline: bytes = b"\r\n", capabilities: Capabilities = LOOSE
) -> tuple[bytes, Any, bytes]:
    """The content, its end (None: it didn't come), and all that was answered behind 354."""
    session = Dialogue(capabilities)
    session.hear(b"".join(line + newline for line in BEGIN))
    assert session.octets.endswith(b"\r\n"), session.octets
    before = len(session.octets)
    heard = [event for piece in pieces for event in session.hear(piece)]
    octets = b"".join(event.octets for event in heard if isinstance(event, Chunk))
    ends = [event for event in heard if isinstance(event, EndOfData)]
    assert len(ends) <= 1
    return octets, ends[0] if ends else None, session.octets[before:]


def each(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


@pytest.mark.parametrize(
    ("sent", "content", "is_bare"),
    [
        (b".\r\n", b"", False),
        (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n", False),
        (b"a\nb\r\n.\r\n", b"a\r\nb\r\n", True),
        (b"a\n\r\n.\r\n", b"a\r\n\r\n", True),
        # Python's smtplib stuffs behind each LF; another client doesn't, and its dots stay.
        (b"a\n..b\n\r\n.\r\n", b"a\r\n.b\r\n\r\n", True),
        (b"a\n.b\n\r\n.\r\n", b"a\r\n.b\r\n\r\n", True),
    ],
)
def test_lines_get_the_ends_that_mail_has(sent: bytes, content: bytes, is_bare: bool) -> None:
    for pieces in ([sent], each(sent)):
        octets, end, _ = content_of(*pieces)
        assert (octets, end) == (content, EndOfData(len(content), None, is_bare))


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\n", b""),
        (b"a\n..b\n.\n", b"a\r\n.b\r\n"),
        (b"a\nb\r\n.\r\n", b"a\r\nb\r\n"),
        (b"a\r\n.\n", b"a\r\n"),
    ],
)
def test_who_ends_commands_with_lf_ends_the_content_so_too(sent: bytes, content: bytes) -> None:
    """As `printf … | nc` does."""
    for pieces in ([sent], each(sent)):
        octets, end, answers = content_of(*pieces, newline=b"\n")
        assert octets == content
        assert end.fault is None
        assert answers.startswith(b"250")


@pytest.mark.parametrize("inside", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n\n.\n\n", b"\r\n\n.\r\n"])
def test_no_lf_ends_the_content_of_a_client_that_speaks_crlf(inside: bytes) -> None:
    """SMUG-01: what a host passes on of strangers never becomes commands."""
    for pieces in ([b"a" + inside + b"RSET\r\n.\r\n"], each(b"a" + inside + b"RSET\r\n.\r\n")):
        octets, end, answers = content_of(*pieces)
        assert b"RSET\r\n" in octets
        assert end.bare_newlines
        assert answers.count(b"\r\n") == 1, "one answer, to the content"


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"a\rb\r\n.\r\n", "550"), (b"x" * 21 + b"\n\r\n.\r\n", "554"), (b"a\n" * 30 + b"\r\n.\r\n", "552")],
)
def test_all_else_is_refused_as_everywhere(sent: bytes, code: str) -> None:
    for pieces in ([sent], each(sent)):
        _, end, _ = content_of(*pieces)
        assert str(end.fault.code) == code


def test_nobody_else_takes_them() -> None:
    """SMUG-02, SMUG-03: neither in a content nor as the end of a command."""
    strict = Capabilities("mx.home.test")
    _, end, _ = content_of(b"a\nb\r\n.\r\n", capabilities=strict)
    assert end.fault.code == 550
    assert Dialogue(strict).hear(b"NOOP\n")[0].reply.code == 500


@given(st.lists(st.sampled_from([b"a", b".", b"..", b"\n", b"\r\n", b""])))
def test_what_smtplib_sends_comes_as_it_was_meant(words: list[bytes]) -> None:
    """It stuffs behind LF and CRLF alike, and completes the last line."""
    text = b"".join(words)
    sent = re.sub(rb"(?m)^\.", b"..", text)
    sent += b"" if sent.endswith(b"\r\n") else b"\r\n"
    capabilities = Capabilities("mx.home.test", bare_newlines=True)
    octets, end, _ = content_of(sent + b".\r\n", capabilities=capabilities)
    wanted = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if not text.endswith(b"\r\n"):
        wanted += b"\r\n"
    assert end is not None
    assert octets == wanted
