"""Replies as octets (RFC 5321 §4.2, RFC 2034), with registered status codes (ENH-03, RFC 5248 §2.4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mailstack
from mailstack.letter import Status
from mailstack.protocols.smtp.client import ClientEngine, Received
from mailstack.protocols.smtp.replies import MAX_LINE, Reply, clean, render, reply


@pytest.mark.parametrize(
    ("answer", "octets"),
    [
        (reply(250, "2.0.0", "OK"), b"250 2.0.0 OK\r\n"),
        (reply(550, "5.7.1", "no\nnever"), b"550-5.7.1 no\r\n550 5.7.1 never\r\n"),
        (reply(451, None, "later"), b"451 4.0.0 later\r\n"),
        (reply(451, "5.1.1", "later"), b"451 4.0.0 later\r\n"),
        (reply(354, None, "go on"), b"354 go on\r\n"),
    ],
    ids=["one line", "two lines", "without status", "status of another class", "3xx"],
)
def test_enhanced_replies(answer, octets):
    """SMTP-02, ENH-01, ENH-02."""
    assert render(answer, enhanced=True) == octets


def test_a_reply_without_status_codes():
    assert render(reply(250, "2.0.0", "OK"), enhanced=False) == b"250 OK\r\n"


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


REGISTERED = [range(count) for count in (1, 11, 5, 7, 8, 7, 11, 31)]
"""Details of each subject in IANA's SMTP Enhanced Status Codes."""

GIVEN = re.compile(r'"([245])\.([0-9]{1,3})\.([0-9]{1,3})"|Status\(([245]), ([0-9]{1,3}), ([0-9]{1,3})\)')


def test_every_status_in_the_program_is_registered() -> None:
    found = set()
    for file in Path(mailstack.__file__).parent.rglob("*.py"):
        for groups in GIVEN.findall(file.read_text()):
            _, subject, detail = [int(group) for group in groups if group]
            found.add((subject, detail))
    assert len(found) > 20
    assert [status for status in sorted(found) if status[1] not in REGISTERED[status[0]]] == []
