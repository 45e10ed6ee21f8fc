"""Dot-stuffing is exact for every cut of the text (RFC 5321 §4.5.2)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.line_buffer import DotStuffer

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
    assert stuff(text) == stuff(*[text[at : at + 1] for at in range(len(text))])


@given(texts, st.integers(0, 20), st.integers(0, 20))
def test_any_two_cuts_are_as_good_as_the_whole(text, first, second):
    first, second = sorted((first, second))
    assert stuff(text) == stuff(text[:first], text[first:second], text[second:])


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
