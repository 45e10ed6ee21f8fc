"""Server engine: the same events for every cut of any octets, and bounded memory (§7.8)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.smtp.commands import Auth, Chunk
from mailstack.protocols.smtp.grammar import LineLimits
from mailstack.protocols.smtp.replies import MAX_LINE
from mailstack.protocols.smtp.server import Capabilities, ServerEngine
from tests.aid import examples
from tests.protocols.cuts import cut_at, one_at_a_time
from tests.protocols.smtp.dialogue import Dialogue, merged

CAPABILITIES = Capabilities("mx.home.test", max_size=200, mechanisms=("PLAIN", "LOGIN"), max_line=60)
LIMITS = LineLimits(command_line=100, auth_line=200)

words = st.sampled_from(
    [
        b"EHLO c.test\r\n", b"HELO c.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
        b"MAIL FROM:<> BODY=BINARYMIME\r\n", b"RCPT TO:<c@d.test>\r\n", b"RCPT TO:<no@d.test>\r\n", b"DATA\r\n",
        b"RSET\r\n", b"NOOP x\r\n", b"QUIT\r\n", b"VRFY a\r\n", b"EXPN a\r\n", b"HELP\r\n", b"STARTTLS\r\n",
        b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n", b".\r\n", b"\r\n.\r\n", b"Subject: x\r\n", b"\r\n", b"\r", b"\n",
        b".", b" ", b"x" * 90, b"GET / HTTP/1.1\r\n", b"BDAT 7\r\n", b"BDAT 0 LAST\r\n", b"bdat 12 last\r\n",
        b"BDAT 500\r\n", b"BDAT 99999999999999999999\r\n", b"BDAT\r\n", b"MAIL FROM:<", b'"', b"@", b">", b"=",
        b"AUTH ", b"RCPT TO:", b"*\r\n", b"QUFB" * 40,
    ]
)  # fmt: skip
streams = st.lists(words | st.binary(max_size=12), max_size=25).map(b"".join)


def play(pieces):
    """Events and replies, without the pieces of refused contents."""
    session = Dialogue(CAPABILITIES, limits=LIMITS)
    for piece in pieces:
        session.hear(piece)
        assert session.engine.buffered <= LIMITS.auth_line
    return session


def essence(events):
    return [event for event in merged(events) if not hasattr(event, "octets")]


@settings(max_examples=examples(300))
@given(streams)
def test_every_cut_tells_the_same(stream):
    """SMTP-27."""
    whole = play([stream])
    single = play(one_at_a_time(stream))
    assert essence(single.events) == essence(whole.events)
    assert single.octets == whole.octets
    assert single.engine.state is whole.engine.state


@given(streams, st.lists(st.integers(0, 300), max_size=5))
def test_any_cut_tells_the_same(stream, cuts):
    assert play(cut_at(stream, cuts)).octets == play([stream]).octets


@given(streams)
def test_every_answer_is_well_formed(stream):
    """SMTP-02."""
    octets = play([stream]).octets
    assert octets.endswith(b"\r\n")
    for line in octets[:-2].split(b"\r\n"):
        assert re.fullmatch(rb"[2-5][0-9]{2}[ -][ -~]*", line)
        assert len(line) + 2 <= MAX_LINE


@given(st.binary(max_size=400))
def test_random_octets_never_raise(stream):
    play([stream])
    play([b"EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n", stream, b"\r\n.\r\nQUIT\r\n"])


PIECE = b"x" * 65536
"""About what one read of the network gives."""
TRANSACTION = [b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>"]
BEFORE = {
    "at the start": [],
    "in a transaction": TRANSACTION,
    "in AUTH": [b"EHLO c.test", b"AUTH LOGIN"],
    "in a content": [*TRANSACTION, b"DATA"],
    "in a chunk": [*TRANSACTION, b"BDAT 100000000000"],
}


@pytest.mark.parametrize("lines", BEFORE.values(), ids=BEFORE)
@pytest.mark.parametrize("octet", [b"x", b"\0", b"\r", b"."])
def test_octets_without_a_line_end_are_not_kept(lines: list[bytes], octet: bytes) -> None:
    """SMTP-20, SMTP-26: 64 MB here; gigabytes are the same."""
    session = Dialogue(Capabilities("mx.home.test", max_size=1_000_000, mechanisms=("LOGIN",)))
    for line in lines:
        session.engine.receive(line + b"\r\n")
        event = session.engine.next_event()
        if isinstance(event, Auth):
            session.engine.challenge(b"Username:")
        else:
            session.engine.answer(session.answers(event))
    piece = octet * len(PIECE)
    for _ in range(1000):
        session.engine.receive(piece)
        while (event := session.engine.next_event()) is not NEED_DATA:
            if not isinstance(event, Chunk):
                session.engine.answer(session.answers(event))
        assert session.engine.buffered <= LineLimits().auth_line


def test_what_is_sent_ahead_waits_outside() -> None:
    """SMTP-26: while an answer is owed an engine reads nothing, and says how much waits, so that reading can stop."""
    engine = ServerEngine(Capabilities("mx.home.test"))
    engine.receive(PIECE)
    assert engine.buffered == len(PIECE)
