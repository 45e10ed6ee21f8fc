"""Replies as octets (RFC 5321 §4.2, RFC 2034)."""

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Status
from mailstack.protocols.smtp.client import ClientEngine, Received
from mailstack.protocols.smtp.replies import MAX_LINE, Reply, clean, render, reply


def test_one_line():
    assert render(reply(250, "2.0.0", "OK"), enhanced=True) == b"250 2.0.0 OK\r\n"
    assert render(reply(250, "2.0.0", "OK"), enhanced=False) == b"250 OK\r\n"


def test_every_line_carries_code_and_status():
    """SMTP-02."""
    assert render(reply(550, "5.7.1", "no\nnever"), enhanced=True) == b"550-5.7.1 no\r\n550 5.7.1 never\r\n"


def test_a_status_that_is_missing_or_of_another_class_is_made_good():
    """ENH-01, SMTP-02."""
    assert render(reply(451, None, "later"), enhanced=True) == b"451 4.0.0 later\r\n"
    assert render(reply(451, "5.1.1", "later"), enhanced=True) == b"451 4.0.0 later\r\n"


def test_3xx_has_no_status():
    """ENH-02."""
    assert render(reply(354, None, "go on"), enhanced=True) == b"354 go on\r\n"


codes = st.integers(2, 5).flatmap(lambda first: st.integers(first * 100, first * 100 + 99))
statuses = st.none() | st.builds(Status, st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999))


@given(st.builds(Reply, codes, st.text(max_size=700), statuses), st.booleans())
def test_any_reply_is_readable_by_our_own_client(answer, enhanced):
    """SMTP-02."""
    octets = render(answer, enhanced=enhanced)
    assert all(len(line) + 2 <= MAX_LINE for line in octets.split(b"\r\n"))
    client = ClientEngine()
    client.receive(octets)
    received = client.next_event()
    assert isinstance(received, Received)
    assert received.reply.code == answer.code
    assert client.buffered == 0


@given(st.text())
def test_clean_text_is_printable_ascii_of_the_same_length(text):
    assert len(clean(text)) == len(text)
    assert clean(text).isascii()
    assert clean(text).isprintable()
