"""The octets that BDAT announces (RFC 3030 §2, §3)."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailstack.protocols.smtp.commands import Bdat, Chunk, EndOfData, Noop, Rejected
from mailstack.protocols.smtp.order import State
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.cuts import cut_at, one_at_a_time
from tests.protocols.smtp.dialogue import Dialogue, merged, started

BEGIN = (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>")
BINARY = (b"EHLO c.test", b"MAIL FROM:<a@b.test> BODY=BINARYMIME", b"RCPT TO:<c@d.test>")
KEPT = Capabilities("mx.home.test")
NARROW = Capabilities("mx.home.test", max_size=40, max_line=10)


def bdat(*chunks, last=True):
    """The octets of these chunks, the last of them with LAST."""
    return b"".join(
        b"BDAT %d%b\r\n%b" % (len(chunk), b" LAST" if last and number == len(chunks) else b"", chunk)
        for number, chunk in enumerate(chunks, 1)
    )


def session_of(*pieces, capabilities=KEPT, begin=BEGIN):
    session = started(*begin, capabilities=capabilities)
    session.events.clear()
    session.octets = b""
    for piece in pieces:
        session.hear(piece)
    return session


def content_of(session):
    """The octets that came, and what was said of each chunk's end."""
    octets = b"".join(event.octets for event in session.events if isinstance(event, Chunk))
    return octets, [event for event in session.events if isinstance(event, EndOfData)]


def codes_of(session):
    return [int(line[:3]) for line in session.octets.splitlines()]


def test_both_keywords_are_offered():
    """BDAT-01, BDAT-09."""
    session = Dialogue()
    assert {b"250-CHUNKING", b"250 BINARYMIME"} <= set(session.say(b"EHLO c.test").splitlines())


def test_binarymime_is_never_offered_without_chunking():
    """BDAT-09: RFC 3030 §3."""
    session = Dialogue(Capabilities("mx.home.test", withheld=frozenset({"CHUNKING"})))
    assert b"BINARYMIME" not in session.say(b"EHLO c.test")
    assert session.codes(b"MAIL FROM:<> BODY=BINARYMIME") == [("501", "5.5.4")]
    session.say(*BEGIN)
    assert session.codes(b"BDAT 6\r\nNOOP", b"NOOP") == [("502", "5.5.1"), ("250", "2.0.0")]


chunks = st.lists(st.binary(max_size=9), max_size=6)


@given(chunks, st.lists(st.integers(0, 150), max_size=4))
def test_binary_chunks_come_out_as_they_are_for_every_cut(parts, cuts):
    """BDAT-01, BDAT-02, BDAT-09."""
    parts = [*parts, b""]
    sent = bdat(*parts) + b"NOOP\r\n"
    session = session_of(*cut_at(sent, cuts), begin=BINARY)
    octets, ends = content_of(session)
    assert octets == b"".join(parts)
    assert [end.fault for end in ends] == [None] * len(parts)
    assert ends[-1].size == len(octets)
    assert codes_of(session) == [250] * (len(parts) + 1)


lines = st.lists(st.sampled_from([b".", b"..", b"a", b"\xff\0", b"0123456789", b"\r\n"]), max_size=12).map(b"".join)


@given(lines, st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_lines_come_out_as_they_are_for_every_chunk_and_cut(text, cuts, in_each):
    """BDAT-01, BDAT-08: what has no CRLF at its end gets one, since no line is without."""
    sent = bdat(*cut_at(text, cuts))
    session = session_of(*(one_at_a_time(sent) if in_each else [sent]))
    whole = text if not text or text.endswith(b"\r\n") else text + b"\r\n"
    octets, ends = content_of(session)
    assert octets == whole
    assert ends[-1] == EndOfData(len(whole), None)


raw = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"0123456789", b"\n.\n"]), max_size=12).map(b"".join)


@given(raw, st.integers(0, 60), st.integers(0, 60), st.booleans())
@example(b"a\r", 2, 2, False)
@example(b"\r\n", 1, 1, False)
def test_what_data_would_refuse_is_refused(text, first, second, in_each):
    """SMUG-02: else a bare CR or LF could go on to a host by DATA."""
    sent = bdat(*cut_at(text, (first, second)))
    session = session_of(
        *(one_at_a_time(sent) if in_each else [sent]), capabilities=Capabilities("mx.home.test", max_line=10)
    )
    faults = [end.fault.code for end in content_of(session)[1] if end.fault]
    if re.search(rb"\r(?!\n)|(?<!\r)\n", text):
        assert set(faults) <= {550, 554}
        assert faults
    elif max(len(line) for line in text.split(b"\r\n")) > 10:
        assert faults == [554]
    else:
        assert not faults


def test_nothing_in_a_chunk_is_a_command():
    """BDAT-07, SMUG-01."""
    text = b"a\r\n.\r\nMAIL FROM:<evil@evil.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
    for pieces in ([bdat(text) + b"NOOP\r\n"], one_at_a_time(bdat(text) + b"NOOP\r\n")):
        session = session_of(*pieces)
        assert merged(session.events) == [Bdat(len(text), last=True), Chunk(text), EndOfData(len(text), None), Noop()]


REFUSED = [
    ((), [503]),
    (BEGIN[:1], [503]),
    (BEGIN[:2], [503]),
    ((*BEGIN[:2], b"RCPT TO:<no@d.test>"), [554]),
    ((*BEGIN, b"BDAT 41\r\n" + b"x" * 39), [503]),
]


@pytest.mark.parametrize(("begin", "codes"), REFUSED)
def test_the_octets_of_a_refused_chunk_are_thrown_away(begin, codes):
    """BDAT-03."""
    sent = b"BDAT 12\r\nQUIT\r\nQUIT\r\nNOOP\r\n"
    for pieces in ([sent], one_at_a_time(sent)):
        session = session_of(*pieces, begin=begin, capabilities=NARROW)
        assert codes_of(session) == [*codes, 250]
        assert session.engine.buffered == 0


def test_a_chunk_without_an_end_is_never_held():
    """BDAT-03, SIZE-04."""
    session = session_of(b"BDAT 99999999999999999999 LAST\r\n", capabilities=NARROW)
    assert codes_of(session) == [552]
    for _ in range(100):
        session.hear(b"NOOP\r\n" * 1000)
    assert codes_of(session) == [552]
    assert session.engine.buffered == 0


@pytest.mark.parametrize(
    "argument", [b"", b" ", b" x", b" -5", b" +5", b" 0x5", b" 5 FIRST", b" 5 LAST LAST", b" 5LAST", b" " + b"9" * 21]
)
def test_a_bad_length_ends_the_connection(argument):
    """BDAT-04: where the next command would begin is anybody's guess."""
    session = session_of(b"BDAT" + argument + b"\r\nNOOP\r\n")
    assert session.octets.startswith(b"501 5.5.4 ")
    assert codes_of(session) == [501]
    assert session.engine.state is State.CLOSED


def test_the_limit_holds_for_all_chunks_together():
    """CODE-06, SIZE-04: and it is told before the octets come."""
    session = session_of(bdat(b"x\r\n" * 7, b"y\r\n" * 7), capabilities=NARROW)
    assert [line[:9] for line in session.octets.splitlines()] == [b"250 2.0.0", b"552 5.3.4"]


def test_after_a_refused_chunk_only_rset_helps():
    """BDAT-05."""
    sent = bdat(b"x" * 11, b"more\r\n") + b"DATA\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n"
    assert codes_of(session_of(sent, capabilities=NARROW)) == [554, 503, 503, 503, 250, 250]


def test_no_data_and_no_recipient_behind_a_chunk():
    """BDAT-05."""
    sent = b"BDAT 2\r\nabDATA\r\nRCPT TO:<e@f.test>\r\nMAIL FROM:<>\r\nBDAT 0 LAST\r\nBDAT 0 LAST\r\n"
    assert codes_of(session_of(sent)) == [250, 503, 503, 503, 250, 503]


def test_rset_begins_a_new_letter():
    """BDAT-06."""
    session = session_of(b"BDAT 4\r\nold\rRSET\r\n")
    session.say(*BEGIN[1:])
    session.events.clear()
    session.hear(bdat(b"new\r\n"))
    assert content_of(session) == (b"new\r\n", [EndOfData(5, None)])


def test_a_refused_last_chunk_ends_the_transaction():
    session = session_of(bdat(b"x" * 11) + b"MAIL FROM:<>\r\n", capabilities=NARROW)
    assert codes_of(session) == [554, 250]


@pytest.mark.parametrize("octets", [b"bare\n", b"bare\rCR\r\n"])
def test_a_bare_cr_or_lf_ends_the_connection(octets):
    """SMUG-02: as in DATA, though what follows a chunk is known."""
    assert codes_of(session_of(bdat(octets) + b"NOOP\r\n")) == [550]


def test_a_bad_length_is_no_event_with_octets():
    session = session_of(b"BDAT 5 FIRST\r\n12345NOOP\r\n")
    assert [type(event) for event in session.events] == [Rejected]
