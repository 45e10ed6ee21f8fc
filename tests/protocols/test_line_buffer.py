"""Lines come out the same, however the octets were cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.line_buffer import BareLF, LineBuffer, LineTooLong

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
    assert lines_of([text]) == lines_of([text[at : at + 1] for at in range(len(text))])


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
