"""The octets between 354 and the final dot (RFC 5321 §4.5.2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.line_buffer import DotStuffer
from mailstack.protocols.smtp.commands import Chunk, EndOfData, Mail, Noop
from mailstack.protocols.smtp.server import Capabilities
from tests.protocols.cuts import cut_at, one_at_a_time
from tests.protocols.smtp.dialogue import Dialogue, merged, started

BEGIN = (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>", b"DATA")
KEPT = Capabilities("mx.home.test")
NARROW = Capabilities("mx.home.test", max_size=40, max_line=10)


def content_of(*pieces, capabilities=KEPT):
    """The content, and its end (None: it didn't come)."""
    session = started(*BEGIN, capabilities=capabilities)
    heard = [event for piece in pieces for event in session.hear(piece)]
    octets = b"".join(event.octets for event in heard if isinstance(event, Chunk))
    ends = [event for event in heard if isinstance(event, EndOfData)]
    assert len(ends) <= 1
    assert all(event.octets for event in heard if isinstance(event, Chunk))
    return octets, ends[0] if ends else None


def stuffed(text):
    stuffer = DotStuffer()
    return stuffer.feed(text) + stuffer.finish()


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\r\n", b""),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n..b\r\n.\r\n", b"a\r\n.b\r\n"),
        (b"\r\n\r\n.\r\n", b"\r\n\r\n"),
        (b"a\r\n. \r\n.\r\n", b"a\r\n \r\n"),
        (b"a\0b\xff\r\n.\r\n", b"a\0b\xff\r\n"),
    ],
)
def test_dots_and_ends(sent, content):
    """SMTP-23, SMTP-30, SMTP-31, SIZE-04, 8BIT-02."""
    for pieces in ([sent], one_at_a_time(sent)):
        assert content_of(*pieces) == (content, EndOfData(len(content), None))


lines = st.lists(
    st.lists(st.sampled_from([b".", b"..", b"a", b"\xff\0", b"0123456789"]), max_size=3).map(b"".join), max_size=8
)
texts = lines.map(lambda each: b"".join(line + b"\r\n" for line in each))


@given(texts, st.lists(st.integers(0, 200), max_size=4))
def test_what_is_stuffed_comes_out_again_for_every_cut(text, cuts):
    sent = stuffed(text)
    assert content_of(*cut_at(sent, cuts)) == (text, EndOfData(len(text), None))


raw = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"0123456789", b"\r\n.", b"\n.\n", b"\r\n.\r"]), max_size=12
).map(b"".join)


@given(raw, st.sampled_from([KEPT, NARROW]), st.integers(0, 60), st.integers(0, 60))
def test_the_verdict_does_not_depend_on_the_cut(octets, capabilities, first, second):
    """SMTP-27."""
    first, second = sorted((first, second))
    sent = octets + b"\r\n.\r\n"
    text, end = content_of(sent, capabilities=capabilities)
    for pieces in (one_at_a_time(sent), [sent[:first], sent[first:second], sent[second:]]):
        other, its_end = content_of(*pieces, capabilities=capabilities)
        assert its_end == end
        assert end.fault or other == text


@given(raw, st.integers(0, 12), st.integers(0, 45))
def test_faults_are_what_a_slow_reader_would_find(octets, max_line, max_size):
    sent = octets + b"\r\n.\r\n"
    raw_text = (b"\r\n" + sent).split(b"\r\n.\r\n")[0][2:] + b"\r\n" if not sent.startswith(b".\r\n") else b""
    text = re.sub(rb"(\A|\r\n)\.", rb"\1", raw_text)
    _, end = content_of(sent, capabilities=Capabilities("mx.home.test", max_size=max_size, max_line=max_line))
    assert end.size == len(text)
    if 0 < max_size < len(text):
        assert end.fault.code == 552
    elif bare := re.search(rb"\r(?!\n)|(?<!\r)\n", raw_text):
        assert end.fault.code == 550
        number = raw_text.count(b"\n", 0, bare.start()) + 1
        assert f"line {number} " in end.fault.text
    elif max_line and max(len(line) for line in text.split(b"\r\n")) > max_line:
        assert end.fault.code == 554
    else:
        assert end.fault is None


SMUGGLED = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
    b"\r\r\n.\r\r\n", b"\r\n. \r\n", b"\n\n.\r\n", b"\r\n..\r\n",
]  # fmt: skip


@pytest.mark.parametrize("sequence", SMUGGLED)
def test_only_crlf_dot_crlf_ends_the_content(sequence):
    """SMUG-01, SMUG-02."""
    text = b"first" + sequence + b"MAIL FROM:<evil@evil.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nsecond\r\n.\r\nNOOP\r\n"
    for pieces in ([text], one_at_a_time(text)):
        session = started(*BEGIN)
        heard = merged(event for piece in pieces for event in session.hear(piece))
        bare = re.search(rb"\r(?!\n)|(?<!\r)\n", sequence + b"M")
        behind = [] if bare else [Noop]
        assert [type(event) for event in heard if not isinstance(event, Chunk)] == [EndOfData, *behind]
        end = next(event for event in heard if isinstance(event, EndOfData))
        assert (end.fault.code if end.fault else 250) == (550 if bare else 250)


@pytest.mark.parametrize(
    ("text", "line"), [(b"a\nb\r\n", 1), (b"a\r\nb\rc\r\n", 2), (b"a\r\n\r\n\n\r\n", 3), (b"a\r\r\n", 1), (b"\n", 1)]
)
def test_a_bare_cr_or_lf_is_named_by_its_line(text, line):
    """SMUG-02."""
    for pieces in ([text + b"\r\n.\r\n"], one_at_a_time(text + b"\r\n.\r\n")):
        _, end = content_of(*pieces)
        assert (end.fault.code, str(end.fault.status)) == (550, "5.5.2")
        assert f"line {line} " in end.fault.text


def test_beyond_the_limit_octets_are_counted_but_not_given():
    """SIZE-04, CODE-06: read on to the dot, then 552, and the session goes on."""
    session = started(*BEGIN, capabilities=Capabilities("mx.home.test", max_size=1000))
    given_out = 0
    for _ in range(1000):
        given_out += sum(len(event.octets) for event in session.hear(b"x" * 98 + b"\r\n"))
        assert session.engine.buffered < 8
    assert given_out <= 1000
    (end,) = session.hear(b".\r\n")
    assert end.size == 100_000
    assert (end.fault.code, str(end.fault.status)) == (552, "5.3.4")
    assert session.codes(b"MAIL FROM:<>") == [("250", "2.0.0")]


def test_exactly_the_limit_is_taken():
    assert content_of(b"12345678\r\n.\r\n", capabilities=Capabilities("x", max_size=10))[1].fault is None
    assert content_of(b"123456789\r\n.\r\n", capabilities=Capabilities("x", max_size=10))[1].fault.code == 552


@pytest.mark.parametrize("length", [998, 999])
def test_lines_up_to_the_limit_are_taken_and_longer_ones_refused(length):
    """SMTP-20, CODE-15."""
    text = b"short\r\n" * 300 + b"x" * length + b"\r\n" + b".short\r\n" * 300
    octets, end = content_of(stuffed(text), capabilities=Capabilities("x", max_line=998))
    if length <= 998:
        assert (octets, end.fault) == (text, None)
    else:
        assert (end.fault.code, str(end.fault.status)) == (554, "5.6.0")


def test_without_a_limit_a_long_line_is_kept_whole():
    """SMTP-20."""
    text = b"x" * 100_000 + b"\r\nnext\r\n"
    assert content_of(stuffed(text)) == (text, EndOfData(len(text), None))


def test_what_was_received_together_is_given_together():
    session = started(*BEGIN)
    assert session.hear(b"a" * 60_000) == [Chunk(b"a" * 60_000)]
    assert session.hear(b"\r\n" + b"b" * 60_000 + b"\r\n.") == [Chunk(b"\r\n" + b"b" * 60_000)]


def test_the_next_letter_may_come_with_the_final_dot():
    """PIPE-06."""
    session = started(*BEGIN)
    heard = session.hear(b"a\r\n.\r\nMAIL FROM:<>\r\nNOOP\r\n")
    assert heard == [Chunk(b"a\r\n"), EndOfData(3, None), Mail(None, (), None), Noop()]


def test_data_before_354_is_one_letter_at_most():
    """PIPE-07."""
    session = Dialogue()
    session.hear(b"\r\n".join(BEGIN) + b"\r\nSubject: early\r\n\r\n.\r\nNOOP\r\n")
    assert sum(isinstance(event, EndOfData) for event in session.events) == 1


def test_the_size_limit_of_the_moment_counts():
    """A session may raise its limit when a client authenticates."""
    session = started(*BEGIN[:-1], capabilities=Capabilities("x", max_size=5))
    session.engine.capabilities = Capabilities("x", max_size=50)
    session.say(BEGIN[-1])
    assert session.hear(b"0123456789\r\n.\r\n")[-1] == EndOfData(12, None)
