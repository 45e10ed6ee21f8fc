"""Ports that take lines ended by LF alone: what they make of them, and that nothing is smuggled by it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mailstack.protocols.smtp.commands import Chunk, EndOfData
from mailstack.protocols.smtp.extensions.size import too_large
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.cuts import one_at_a_time
from tests.protocols.smtp.dialogue import Dialogue, started

LOOSE = Capabilities("mx.home.test", max_size=60, max_line=20, bare_newlines="accept")
NORMALIZING = replace(LOOSE, bare_newlines="normalize")
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
@pytest.mark.parametrize("capabilities", [LOOSE, NORMALIZING])
def test_lines_get_the_ends_that_mail_has(
    sent: bytes, content: bytes, is_bare: bool, capabilities: Capabilities
) -> None:
    for pieces in ([sent], one_at_a_time(sent)):
        octets, end, _ = content_of(*pieces, capabilities=capabilities)
        assert (octets, end) == (content, EndOfData(len(content), None, is_bare))


raw = st.lists(
    st.sampled_from([b"\n", b"\r\n", b".", b"..", b"a", b"\n.", b"\r\n.", b"\n.\n", b"\n.\r\n", b"\r\n.\n"]),
    max_size=12,
).map(b"".join)


@given(raw, st.integers(0, 60), st.integers(0, 60))
def test_what_becomes_of_lines_does_not_depend_on_the_cut(octets: bytes, first: int, second: int) -> None:
    """And has nothing but CRLF, whatever came; only CRLF . CRLF ends it (SMUG-01, SMUG-02)."""
    capabilities = Capabilities("mx.home.test", bare_newlines="normalize")
    first, second = sorted((first, second))
    sent = b"\r\n" + octets + b"\r\n"
    while b"\r\n.\r\n" in sent:
        sent = sent.replace(b"\r\n.\r\n", b"\r\n..\r\n")
    sent = sent[2:] + b".\r\n"
    content, end, answers = content_of(sent, capabilities=capabilities)
    assert end is not None
    assert end.fault is None
    assert answers.count(b"\r\n") == 1
    unpaired = content.replace(b"\r\n", b"")
    assert b"\r" not in unpaired
    assert b"\n" not in unpaired
    for pieces in (one_at_a_time(sent), [sent[:first], sent[first:second], sent[second:]]):
        assert content_of(*pieces, capabilities=capabilities)[:2] == (content, end)


@given(
    st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"."]), max_size=12).map(b"".join),
    st.integers(0, 20),
    st.booleans(),
)
def test_chunks_get_crlf_and_keep_their_dots(octets: bytes, cut: int, in_each: bool) -> None:
    """BDAT content is not stuffed (RFC 3030 §2)."""
    session = started(*BEGIN[:3], capabilities=Capabilities("mx.home.test", bare_newlines="normalize"))
    session.events.clear()
    sent = b"".join(
        b"BDAT %d%b\r\n%b" % (len(part), last, part) for part, last in ((octets[:cut], b""), (octets[cut:], b" LAST"))
    )
    for piece in one_at_a_time(sent) if in_each else [sent]:
        session.hear(piece)
    wanted = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if wanted and not wanted.endswith(b"\r\n"):
        wanted += b"\r\n"
    assert b"".join(event.octets for event in session.events if isinstance(event, Chunk)) == wanted
    *_, end = [event for event in session.events if isinstance(event, EndOfData)]
    assert end == EndOfData(len(wanted), None, bare_newlines=re.search(rb"(?<!\r)\n", octets) is not None)


@pytest.mark.parametrize("parts", [(b"\n" * 31,), (b"\n" * 20, b"\n" * 11), (b"\n" * 31, b"")])
def test_chunks_that_grow_beyond_the_limit_are_too_large(parts: tuple[bytes, ...]) -> None:
    """CRLF for each LF counts: as with DATA, whose limit holds for what is kept (RFC 1870 §6.3)."""
    session = started(*BEGIN[:3], capabilities=NORMALIZING)
    for number, part in enumerate(parts, 1):
        session.hear(b"BDAT %d%b\r\n%b" % (len(part), b" LAST" if number == len(parts) else b"", part))
    ends = [event for event in session.events if isinstance(event, EndOfData)]
    refused = [end.fault for end in ends if end.fault is not None]
    assert refused == [too_large(60)]


@pytest.mark.parametrize(
    ("sent", "content"),
    [(b".\n", b""), (b"a\n..b\n.\n", b"a\r\n.b\r\n"), (b"a\nb\r\n.\r\n", b"a\r\nb\r\n"), (b"a\r\n.\n", b"a\r\n")],
)
def test_client_with_lf_commands_may_end_the_content_with_lf(sent: bytes, content: bytes) -> None:
    """Bare LF as sent by `printf … | nc`."""
    for pieces in ([sent], one_at_a_time(sent)):
        octets, end, answers = content_of(*pieces, newline=b"\n")
        assert octets == content
        assert end.fault is None
        assert answers.startswith(b"250")


@pytest.mark.parametrize("inside", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n\n.\n\n", b"\r\n\n.\r\n"])
@pytest.mark.parametrize("capabilities", [LOOSE, NORMALIZING])
def test_no_lf_ends_the_content_of_a_client_that_speaks_crlf(inside: bytes, capabilities: Capabilities) -> None:
    """SMUG-01: what a host passes on of strangers never becomes commands."""
    for pieces in ([b"a" + inside + b"RSET\r\n.\r\n"], one_at_a_time(b"a" + inside + b"RSET\r\n.\r\n")):
        octets, end, answers = content_of(*pieces, capabilities=capabilities)
        assert b"RSET\r\n" in octets
        assert end.bare_newlines
        assert answers.count(b"\r\n") == 1, "one answer, to the content"


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"a\rb\r\n.\r\n", "550"), (b"x" * 21 + b"\n\r\n.\r\n", "554"), (b"a\n" * 30 + b"\r\n.\r\n", "552")],
)
@pytest.mark.parametrize("capabilities", [LOOSE, NORMALIZING])
def test_all_else_is_refused_as_everywhere(sent: bytes, code: str, capabilities: Capabilities) -> None:
    for pieces in ([sent], one_at_a_time(sent)):
        _, end, _ = content_of(*pieces, capabilities=capabilities)
        assert str(end.fault.code) == code


def test_commands_of_a_client_that_is_logged_in_end_in_crlf() -> None:
    """SMUG-03: a program that lets LF into an address gives nobody a command."""
    session = Dialogue(NORMALIZING)
    session.hear(b"EHLO c.test\r\n")
    (event,) = session.hear(b"MAIL FROM:<a@b.test>\nRCPT TO:<c@d.test>\r\n")
    assert (event.reply.code, event.reply.closes) == (500, True)


def test_bare_newlines_are_refused_by_default() -> None:
    """SMUG-02, SMUG-03: neither in a content nor as the end of a command."""
    strict = Capabilities("mx.home.test")
    for fault in (b"\n", b"\r"):
        _, end, answers = content_of(b"a" + fault + b"b\r\n.\r\nNOOP\r\n", capabilities=strict)
        assert end.fault.code == 550
        assert answers.count(b"\r\n") == 1, "the connection ends, and what follows is not obeyed"
    session = Dialogue(strict)
    assert session.hear(b"NOOP\nNOOP\r\n")[0].reply.code == 500
    assert session.octets.count(b"\r\n") == 2


@given(st.lists(st.sampled_from([b"a", b".", b"..", b"\n", b"\r\n", b""])))
def test_what_smtplib_sends_comes_as_it_was_meant(words: list[bytes]) -> None:
    """It stuffs behind LF and CRLF alike, and completes the last line."""
    text = b"".join(words)
    sent = re.sub(rb"(?m)^\.", b"..", text)
    sent += b"" if sent.endswith(b"\r\n") else b"\r\n"
    capabilities = Capabilities("mx.home.test", bare_newlines="accept")
    octets, end, _ = content_of(sent + b".\r\n", capabilities=capabilities)
    wanted = text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if not text.endswith(b"\r\n"):
        wanted += b"\r\n"
    assert end is not None
    assert octets == wanted
