"""Pipelined commands and literals of IMAP, in any pieces."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aid import examples
from tests.mailbox.imap.sessions import HELLO, ImapServer

CONVERSATION = (
    b'a LOGIN bob {11+}\r\nsecret word\r\nb LIST "" *\r\nc SELECT INBOX\r\n'
    b"d APPEND INBOX (\\Seen) {9+}\r\na: b\r\n\r\nx\r\n"
    b"e FETCH 1:* (FLAGS BODY.PEEK[TEXT])\r\nf STORE 1 +FLAGS (\\Deleted)\r\ng BOGUS\r\nh UID EXPUNGE 1\r\n"
    b"i SEARCH SUBJECT {5+}\r\nhello\r\nj IDLE\r\nDONE\r\nk APPEND nowhere {3+}\r\nxyz\r\nl LOGOUT\r\nm NOOP\r\n"
)


def answers(cuts: list[int]) -> bytes:
    telnet = ImapServer(HELLO, HELLO).connect()
    telnet.received = b""
    ends = [0, *sorted(cut % len(CONVERSATION) for cut in cuts), len(CONVERSATION)]
    for start, end in pairwise(ends):
        if start < end and not telnet.closed:
            telnet.peer.receive(CONVERSATION[start:end])
            telnet.server.clock.advance(0)
    return telnet.received


def test_pipelined_commands_are_answered_in_order_and_nothing_after_logout() -> None:
    """IMAP-02, IMAP-06, IMAP-08"""
    lines = [line for line in answers([]).decode().split("\r\n") if line and not line.startswith("*")]
    tags = [line.split()[0] + line.split()[1] for line in lines if line[1:2] == " "]
    assert [tag for tag in tags if tag != "+idling"] == [
        "aOK", "bOK", "cOK", "dOK", "eOK", "fOK", "gBAD", "hOK", "iOK", "jOK", "kNO", "lOK",
    ]  # fmt: skip


@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.integers(0, len(CONVERSATION) - 1), max_size=12))
def test_answers_do_not_depend_on_the_pieces(cuts: list[int]) -> None:
    """IMAP-06"""
    assert answers(cuts) == answers([])


def test_one_octet_at_a_time() -> None:
    """IMAP-06"""
    assert answers(list(range(len(CONVERSATION)))) == answers([])
