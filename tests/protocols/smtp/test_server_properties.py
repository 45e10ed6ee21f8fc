"""Whatever octets come, in whatever cut: events, the same ones, and never an exception."""

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.protocols.smtp.grammar import LineLimits
from mailstack.protocols.smtp.replies import MAX_LINE
from mailstack.protocols.smtp.server import Capabilities
from tests.aid import examples
from tests.protocols.smtp.dialogue import Dialogue, merged

CAPABILITIES = Capabilities("mx.home.test", max_size=200, mechanisms=("PLAIN", "LOGIN"), max_line=60)
LIMITS = LineLimits(command_line=100, auth_line=200)

words = st.sampled_from(
    [
        *(
            b"EHLO c.test\r\n",
            b"HELO c.test\r\n",
            b"MAIL FROM:<a@b.test>\r\n",
            b"MAIL FROM:<> SIZE=10 BODY=8BITMIME\r\n",
            b"MAIL FROM:<> BODY=BINARYMIME\r\n",
        ),
        *(b"RCPT TO:<c@d.test>\r\n", b"RCPT TO:<no@d.test>\r\n", b"DATA\r\n", b"RSET\r\n", b"NOOP x\r\n", b"QUIT\r\n"),
        *(b"VRFY a\r\n", b"EXPN a\r\n", b"HELP\r\n", b"STARTTLS\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH LOGIN\r\n"),
        *(
            b".\r\n",
            b"\r\n.\r\n",
            b"Subject: x\r\n",
            b"\r\n",
            b"\r",
            b"\n",
            b".",
            b" ",
            b"x" * 90,
            b"GET / HTTP/1.1\r\n",
            b"BDAT 7\r\n",
            b"BDAT 0 LAST\r\n",
            b"bdat 12 last\r\n",
            b"BDAT 500\r\n",
            b"BDAT 99999999999999999999\r\n",
            b"BDAT\r\n",
        ),
        *(b"MAIL FROM:<", b'"', b"@", b">", b"=", b"AUTH ", b"RCPT TO:", b"*\r\n", b"QUFB" * 40),
    ]
)
streams = st.lists(words | st.binary(max_size=12), max_size=25).map(b"".join)


def play(pieces):
    """What was understood, and what was answered; without the pieces of contents that were at fault."""
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
    single = play([stream[at : at + 1] for at in range(len(stream))])
    assert essence(single.events) == essence(whole.events)
    assert single.octets == whole.octets
    assert single.engine.state is whole.engine.state


@given(streams, st.lists(st.integers(0, 300), max_size=5))
def test_any_cut_tells_the_same(stream, cuts):
    bounds = [0, *sorted(cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(bounds)]
    assert play(pieces).octets == play([stream]).octets


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
