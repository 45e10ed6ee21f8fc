"""Line buffer and dot-stuffing, for every cut of the octets (RFC 5321 §4.5.2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.line_buffer import BareLF, DotStuffer, LineBuffer, LineTooLong
from tests.protocols.cuts import cut_at, one_at_a_time

LIMIT = 12
octets = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", b"0123456789", b"." * 30])).map(b"".join)


def lines_of(pieces):
    """Every line, or the name of what was wrong with it."""
    buffer, seen = LineBuffer(), []
    for piece in pieces:
        buffer.receive(piece)
        while True:
            try:
                line = buffer.line(LIMIT)
            except (LineTooLong, BareLF) as error:
                seen.append(type(error))
                continue
            if line is None:
                break
            seen.append(line)
        assert len(buffer) <= LIMIT
    return seen


@given(octets)
def test_the_cut_makes_no_difference(text):
    """SMTP-27."""
    assert lines_of([text]) == lines_of(one_at_a_time(text))


@given(octets, st.integers(0, 100))
def test_two_pieces_are_as_good_as_one(text, at):
    assert lines_of([text]) == lines_of([text[:at], text[at:]])


def test_a_line_of_exactly_the_limit_is_taken():
    assert lines_of([b"0123456789\r\n"]) == [b"0123456789"]
    assert lines_of([b"0123456789x\r\n", b"NOOP\r\n"]) == [LineTooLong, b"NOOP"]


def test_an_endless_line_is_reported_once_and_not_kept():
    buffer = LineBuffer()
    buffer.receive(b"AUTH PLAIN " + b"x" * 50)
    with pytest.raises(LineTooLong) as error:
        buffer.line(LIMIT)
    assert error.value.start == b"AUTH PLAIN xxxxx"
    for _ in range(100):
        buffer.receive(b"x" * 1000)
        assert buffer.line(LIMIT) is None
        assert len(buffer) == 0
    buffer.receive(b"\r\nNOOP\r\n")
    assert buffer.line(LIMIT) == b"NOOP"


def test_a_bare_newline_gives_its_line():
    buffer = LineBuffer()
    buffer.receive(b"NOOP\nRSET\r\n")
    with pytest.raises(BareLF) as error:
        buffer.line(LIMIT)
    assert error.value.line == b"NOOP"
    assert buffer.line(LIMIT) == b"RSET"


def test_what_is_unread_comes_first_again():
    buffer = LineBuffer()
    buffer.receive(b"OP\r\n")
    assert buffer.line(LIMIT) == b"OP"
    buffer.receive(b"OP")
    assert buffer.line(LIMIT) is None
    buffer.unread(b"NO")
    assert buffer.find(b"OP") == 2
    assert buffer.startswith(b"NO")
    assert buffer.endswith((b"X", b"OP"))
    buffer.receive(b"\r\n")
    assert buffer.line(LIMIT) == b"NOOP"


def test_clear_forgets_an_over_long_line_too():
    buffer = LineBuffer()
    buffer.receive(b"x" * 50)
    with pytest.raises(LineTooLong):
        buffer.line(LIMIT)
    buffer.clear()
    buffer.receive(b"NOOP\r\n")
    assert buffer.line(LIMIT) == b"NOOP"


texts = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a"]), max_size=20).map(b"".join)


def stuff(*pieces):
    stuffer = DotStuffer()
    return b"".join([stuffer.feed(piece) for piece in pieces]) + stuffer.finish()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (b"", b".\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n..", b"a\r\n...\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
    ],
)
def test_leading_dots_are_doubled_and_the_end_is_marked(text, sent):
    """SMUG-04."""
    assert stuff(text) == sent


@given(texts)
def test_one_octet_at_a_time_is_as_good_as_the_whole(text):
    assert stuff(text) == stuff(*one_at_a_time(text))


@given(texts, st.integers(0, 20), st.integers(0, 20))
def test_any_two_cuts_are_as_good_as_the_whole(text, first, second):
    assert stuff(text) == stuff(*cut_at(text, (first, second)))


@given(texts)
def test_the_end_mark_stands_at_the_end_alone(text):
    sent = b"\r\n" + stuff(text)
    assert sent.index(b"\r\n.\r\n") == len(sent) - 5


@given(texts)
def test_taking_the_dots_away_gives_the_text_back(text):
    sent = stuff(text)
    assert sent.endswith(b".\r\n")
    back = re.sub(rb"(\A|\r\n)\.", rb"\1", sent[:-3])
    assert back in (text, text + b"\r\n")
