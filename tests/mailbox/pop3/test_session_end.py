"""UPDATE state of POP3, and every other end of a session."""

from __future__ import annotations

import pytest

from mailstack.letter.letter import Octets
from mailstack.mailbox.pop3.maildrop import SLICE
from tests.mailbox.pop3.sessions import DOTS, LETTER, TLS, Server, connected, logged_in


def test_quit_removes_what_was_marked_and_tells_what_was_collected() -> None:
    """POP-11"""
    server, telnet = logged_in(LETTER, DOTS, LETTER)
    telnet.say("RETR 2", "RETR 2", "RETR 3", "DELE 2")
    assert len(server.shelf.letters) == 3
    assert telnet.say("QUIT") == b"+OK goodbye\r\n"
    assert telnet.closed
    assert list(server.shelf.letters) == [1, 3]
    assert server.shelf.collected == {2, 3}
    assert [(step.letter, step.step) for step in server.shelf.steps] == [
        ("letter2", "collected"),
        ("letter3", "collected"),
    ]
    assert server.journal.steps == server.shelf.steps
    assert server.journal.steps[0].facts == {
        "by": "bob@home.test",
        "client": "192.0.2.9",
        "protocol": "pop3s",
        "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"},
    }
    assert server.shelf.updates == 1
    assert not server.shelf.holders


def test_after_stls_the_protocol_is_still_pop3() -> None:
    server = Server(LETTER)
    telnet = server.telnet()
    telnet.say("STLS")
    telnet.say("USER bob", "PASS secret word", "RETR 1", "QUIT")
    assert server.journal.steps[0].facts["protocol"] == "pop3"
    assert server.journal.steps[0].facts["tls"]["version"] == "TLSv1.3"


def test_a_lost_connection_removes_nothing_and_still_tells_what_was_collected() -> None:
    """POP-11, POP-13: the lock is free at once."""
    server, telnet = logged_in(LETTER, DOTS)
    telnet.say("RETR 1", "DELE 1", "DELE 2")
    telnet.hang_up()
    assert len(server.shelf.letters) == 2
    assert server.shelf.collected == {1}
    assert [step.letter for step in server.journal.steps] == ["letter1"]
    assert not server.shelf.holders


def test_rset_before_quit_removes_nothing() -> None:
    """POP-10"""
    server = Server(LETTER, DOTS)
    server.logged_in().say("DELE 1", "DELE 2", "RSET", "QUIT")
    assert len(server.shelf.letters) == 2


def test_quit_says_so_when_nothing_could_be_removed() -> None:
    """POP-11, POP-29"""
    server, telnet = logged_in(LETTER)
    telnet.say("RETR 1", "DELE 1")
    server.shelf.faults.add("update")
    assert telnet.say("QUIT") == b"-ERR [SYS/TEMP] the deleted messages were not removed\r\n"
    assert telnet.closed
    assert len(server.shelf.letters) == 1
    assert not server.journal.steps
    assert not server.shelf.holders


def test_a_silent_client_is_closed_after_ten_minutes_without_update_and_without_a_word() -> None:
    """POP-26"""
    server, telnet = logged_in(LETTER)
    telnet.say("DELE 1")
    server.clock.advance(599)
    assert not telnet.closed
    server.clock.advance(2)
    assert telnet.closed
    assert telnet.listen() == b""
    assert len(server.shelf.letters) == 1
    assert not server.shelf.holders


def test_a_client_that_does_not_read_is_given_up_long_before_an_idle_one() -> None:
    """POP-13, POP-11: it holds the maildrop two minutes, and nothing is removed."""
    server, telnet = logged_in(LETTER)
    telnet.peer.slow = True
    assert telnet.say("DELE 1", "NOOP", "QUIT") == b"+OK message 1 deleted\r\n"
    server.clock.advance(119)
    assert server.shelf.holders
    server.clock.advance(2)
    assert telnet.closed
    assert len(server.shelf.letters) == 1
    assert not server.shelf.holders


@pytest.mark.parametrize("lines", [[], ["USER bob", "PASS secret word", "DELE 1"]])
def test_a_stopping_server_says_so_and_removes_nothing(lines: list[str]) -> None:
    server, telnet = connected(LETTER)
    if lines:
        telnet.say(*lines)
    telnet.peer.stop()
    assert telnet.listen() == b"-ERR [SYS/TEMP] the server is shutting down\r\n"
    assert telnet.closed
    assert len(server.shelf.letters) == 1
    assert not server.shelf.holders


def test_a_maildrop_is_held_by_one_session_and_free_when_quit_is_answered() -> None:
    """POP-13, CODE-30"""
    server = Server(LETTER)
    first = server.logged_in()
    second = server.telnet(tls=TLS)
    assert second.say("USER bob", "PASS secret word").endswith(
        b"-ERR [IN-USE] another session has the maildrop open\r\n"
    )
    assert server.telnet(tls=TLS).say("USER alice", "PASS a").endswith(b"octets)\r\n")
    first.say("QUIT")
    assert b"+OK maildrop" in second.say("USER bob", "PASS secret word")


def test_a_lock_that_cannot_be_released_spoils_nothing_else() -> None:
    server, telnet = logged_in(LETTER)
    server.shelf.faults.add("release")
    assert telnet.say("DELE 1", "QUIT").endswith(b"+OK goodbye\r\n")
    assert not server.shelf.letters


def test_fifty_thousand_letters_are_listed_in_step() -> None:
    """POP-30"""
    server = Server()
    content = Octets(LETTER)
    server.shelf.letters = dict.fromkeys(range(1, 50_001), content)
    telnet = server.logged_in()
    assert telnet.say("STAT") == f"+OK 50000 {50_000 * len(LETTER)}\r\n".encode()
    assert telnet.say("LIST").count(b"\r\n") == SLICE + 1, "others get their turn"
    server.clock.advance(0)
    assert telnet.listen().count(b"\r\n") == 50_002 - SLICE - 1
    telnet.say("UIDL")
    server.clock.advance(0)
    assert telnet.listen().endswith(b"\r\n50000 a1-c350\r\n.\r\n")


def test_a_listing_is_sent_no_faster_than_it_is_taken() -> None:
    """POP-30"""
    server = Server()
    server.shelf.letters = dict.fromkeys(range(1, 3 * SLICE + 1), Octets(LETTER))
    telnet = server.logged_in()
    telnet.peer.slow = True
    assert telnet.say("LIST").count(b"\r\n") == SLICE + 1
    server.clock.advance(0)
    assert telnet.listen() == b"", "the client has not taken the first slice"
    telnet.peer.take()
    server.clock.advance(0)
    assert telnet.listen().count(b"\r\n") == SLICE
