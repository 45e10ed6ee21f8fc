"""A reader's session, said and heard as octets: login, transaction, update, and every way to end."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Sequence

import pytest

from mailstack.letter import Content
from mailstack.letter.content import Octets
from mailstack.mailbox.pop3.maildrop import SLICE
from mailstack.mailbox.pop3.session import Pop3Limits
from mailstack.protocols.sasl import Credentials, DigestProof
from mailstack.store import Damaged, StoreError
from tests.mailbox.pop3.post import TLS, Server

LETTER = b"Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n"
DOTS = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"


def plain(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- AUTHORIZATION


def test_the_greeting_has_no_timestamp_so_that_nobody_tries_apop() -> None:
    """POP-01, POP-19"""
    telnet = Server().telnet(tls=TLS)
    assert telnet.greeting == b"+OK mx.home.test POP3 server ready\r\n"
    assert telnet.say("APOP bob c4c9334b").startswith(b"-ERR ")


@pytest.mark.parametrize(("password", "opens"), [("secret word", True), ("wrong", False)])
def test_apop_where_passwords_are_public(password: str, opens: bool) -> None:
    """POP-19: only there has the greeting a time stamp, another one each time."""
    server = Server(LETTER)
    server.door.kinds = frozenset({Credentials, DigestProof})
    telnet, other = server.telnet(tls=TLS), server.telnet(tls=TLS)
    stamp = telnet.greeting.rstrip()[telnet.greeting.index(b"<") :]
    assert stamp.endswith(b"@mx.home.test>")
    assert stamp not in other.greeting
    digest = hashlib.md5(stamp + password.encode()).hexdigest()
    assert telnet.say("APOP bob 123").startswith(b"-ERR APOP takes")
    answer = telnet.say(f"APOP bob {digest}")
    assert answer.startswith(b"+OK maildrop") is opens


@pytest.mark.parametrize("name", ["SCRAM-SHA-256", "EXTERNAL", "CRAM-MD5", "X"])
def test_a_mechanism_that_can_not_work_here_is_unknown(name: str) -> None:
    """POP-24, AUTH-10"""
    assert Server().telnet(tls=TLS).say(f"AUTH {name}") == b"-ERR unknown mechanism\r\n"


def test_user_and_pass_open_the_maildrop() -> None:
    telnet = Server(LETTER).telnet(tls=TLS)
    assert telnet.say("USER bob") == b"+OK send PASS\r\n"
    assert telnet.say("PASS secret word") == f"+OK maildrop has 1 messages ({len(LETTER)} octets)\r\n".encode()


def test_everything_may_be_pipelined_and_is_answered_in_order() -> None:
    """POP-15"""
    telnet = Server(LETTER).telnet(tls=TLS)
    heard = telnet.say("USER bob", "PASS secret word", "STAT", "LIST", "UIDL", "NOOP", "TOP 1 0", "QUIT")
    size = len(LETTER)
    assert heard == (
        b"+OK send PASS\r\n+OK maildrop has 1 messages (%d octets)\r\n+OK 1 %d\r\n"
        b"+OK 1 messages (%d octets)\r\n1 %d\r\n.\r\n+OK unique ids follow\r\n1 a1-1\r\n.\r\n+OK\r\n"
        b"+OK top of message follows\r\nSubject: one\r\n\r\n.\r\n+OK goodbye\r\n"
    ) % (size, size, size, size)
    assert telnet.closed


@pytest.mark.parametrize("name", ["bob", "nobody"])
def test_a_wrong_password_and_an_unknown_user_are_answered_alike_and_late(name: str) -> None:
    """POP-22, AUTH-08"""
    server = Server()
    telnet = server.telnet(tls=TLS)
    assert telnet.say(f"USER {name}", "PASS wrong", "CAPA") == b"+OK send PASS\r\n"
    server.clock.advance(1.9)
    assert telnet.listen() == b""
    server.clock.advance(0.2)
    heard = telnet.listen()
    assert heard.startswith(b"-ERR [AUTH] wrong user name or password\r\n+OK capabilities follow\r\n")
    assert not server.shelf.holders


def test_a_blank_behind_the_password_makes_it_wrong() -> None:
    """POP-03"""
    server = Server()
    telnet = server.telnet(tls=TLS)
    telnet.say("USER bob", "PASS secret word ")
    server.clock.advance(2)
    assert telnet.listen().startswith(b"-ERR [AUTH]")


def test_the_third_wrong_password_is_the_last() -> None:
    server = Server()
    telnet = server.telnet(tls=TLS)
    for _ in range(3):
        assert not telnet.closed
        telnet.say("USER bob", "PASS wrong")
        server.clock.advance(2)
    assert telnet.listen().endswith(b"-ERR [AUTH] wrong user name or password\r\n")
    assert telnet.closed


def test_trouble_is_never_called_a_wrong_password() -> None:
    """POP-22, CODE-30"""
    server = Server()
    assert b"-ERR [SYS/TEMP]" in server.telnet(tls=TLS).say("USER trouble", "PASS x")
    server.shelf.faults.add("open")
    telnet = server.telnet(tls=TLS)
    assert b"-ERR [SYS/TEMP]" in telnet.say("USER bob", "PASS secret word")
    server.shelf.faults.clear()
    assert b"+OK maildrop" in telnet.say("USER bob", "PASS secret word")


@pytest.mark.parametrize(
    "lines",
    [
        [f"AUTH PLAIN {plain(chr(0) + 'bob' + chr(0) + 'secret word')}"],
        ["auth plain", plain("\0bob\0secret word")],
        [f"AUTH PLAIN {plain('bob@home.test' + chr(0) + 'bob' + chr(0) + 'pässword')}"],
        ["AUTH LOGIN", plain("bob"), plain("secret word")],
        [f"AUTH LOGIN {plain('bob')}", plain("secret word")],
    ],
)
def test_auth_opens_the_maildrop(lines: list[str]) -> None:
    """POP-24, AUTH-03, AUTH-04, AUTH-05"""
    telnet = Server(LETTER).telnet(tls=TLS)
    assert telnet.say(*lines).endswith(f"+OK maildrop has 1 messages ({len(LETTER)} octets)\r\n".encode())


@pytest.mark.parametrize(
    ("lines", "heard"),
    [
        (["AUTH PLAIN", "*"], b"+ \r\n-ERR authentication cancelled\r\n"),
        (["AUTH PLAIN", "!not base64!"], b"+ \r\n-ERR the response is not base64\r\n"),
        (["AUTH PLAIN", plain("no NUL")], b"+ \r\n-ERR PLAIN takes exactly two NULs\r\n"),
        (["AUTH PLAIN ="], b"-ERR PLAIN takes exactly two NULs\r\n"),
        (["AUTH NOSUCH"], b"-ERR unknown mechanism\r\n"),
        (["AUTH"], b"+OK mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n"),
    ],
)
def test_an_exchange_that_fails_leaves_the_session_usable(lines: list[str], heard: bytes) -> None:
    """POP-24, AUTH-09"""
    telnet = Server().telnet(tls=TLS)
    assert telnet.say(*lines) == heard
    assert b"+OK maildrop" in telnet.say("USER bob", "PASS secret word")


def test_nobody_opens_anothers_maildrop() -> None:
    """AUTH-04"""
    server = Server()
    telnet = server.telnet(tls=TLS)
    telnet.say(f"AUTH PLAIN {plain('alice@home.test' + chr(0) + 'bob' + chr(0) + 'secret word')}")
    server.clock.advance(2)
    assert telnet.listen().startswith(b"-ERR [AUTH]")
    assert not server.shelf.holders


@pytest.mark.parametrize("line", ["USER bob", "PASS secret word", f"AUTH PLAIN {plain(chr(0) + 'bob' + chr(0) + 'x')}"])
def test_no_password_is_taken_in_the_clear(line: str) -> None:
    """POP-02"""
    assert Server().telnet().say(line).startswith(b"-ERR ")
    assert Server().telnet(require_tls=False).say("USER bob", "PASS secret word").endswith(b"octets)\r\n")


def test_stls_then_login_and_nothing_sent_before_survives() -> None:
    """POP-23, TLS-04"""
    server = Server()
    telnet = server.telnet()
    assert b"STLS\r\n" in telnet.say("CAPA")
    assert telnet.say("STLS", "CAPA", "USER bob") == b"+OK begin TLS\r\n"
    capabilities = telnet.say("CAPA")
    assert b"SASL PLAIN LOGIN\r\n" in capabilities
    assert b"STLS" not in capabilities
    assert telnet.say("PASS secret word").startswith(b"-ERR ")
    assert telnet.say("STLS").startswith(b"-ERR ")
    assert telnet.say("USER bob", "PASS secret word", "STLS").split(b"\r\n")[2].startswith(b"-ERR ")


def test_stls_without_a_certificate_is_neither_offered_nor_begun() -> None:
    telnet = Server().telnet(certificate=False)
    assert b"STLS" not in telnet.say("CAPA")
    assert telnet.say("STLS") == b"-ERR TLS is not available here\r\n"
    assert telnet.say("QUIT") == b"+OK goodbye\r\n"


def test_session_whose_login_ends_deletes_nothing() -> None:
    """RFC 1939 §6: without QUIT there is no UPDATE; a QUIT that was sent ahead is not answered."""
    server = Server(LETTER)
    telnet = server.telnet(tls=TLS)
    telnet.say("USER bob", "PASS secret word", "RETR 1", "DELE 1")
    (end,) = server.sessions.open_now
    end()
    assert telnet.listen() == b"-ERR [SYS/TEMP] login is no longer valid, closing connection\r\n"
    assert telnet.closed
    telnet.say("QUIT")
    assert list(server.shelf.letters) == [1]
    assert not server.shelf.holders
    assert server.sessions.open_now == []


def test_quit_before_login_closes() -> None:
    """POP-18"""
    telnet = Server().telnet()
    assert telnet.say("QUIT", "CAPA") == b"+OK goodbye\r\n"
    assert telnet.closed


def test_too_many_errors_in_a_row_close_and_a_success_counts_them_anew() -> None:
    telnet = Server(limits=Pop3Limits(errors=3)).logged_in()
    telnet.say("FROB", "FROB", "NOOP", "FROB", "FROB")
    assert not telnet.closed
    assert telnet.say("FROB", "NOOP") == b"-ERR unknown command\r\n"
    assert telnet.closed


# --- TRANSACTION


def test_an_empty_maildrop() -> None:
    """POP-04"""
    telnet = Server().logged_in()
    assert telnet.say("STAT") == b"+OK 0 0\r\n"
    assert telnet.say("LIST") == b"+OK 0 messages (0 octets)\r\n.\r\n"
    assert telnet.say("UIDL") == b"+OK unique ids follow\r\n.\r\n"
    assert telnet.say("RETR 1", "LIST 1") == b"-ERR no such message\r\n" * 2


def test_a_letter_is_sent_dot_stuffed_and_its_size_is_that_before_stuffing() -> None:
    """POP-05, POP-07"""
    telnet = Server(DOTS).logged_in()
    stuffed = b"Subject: dots\r\n\r\n..\r\n...\r\n..x\r\nend\r\n.\r\n"
    assert telnet.say("RETR 1") == f"+OK {len(DOTS)} octets\r\n".encode() + stuffed
    assert telnet.say("LIST 1") == f"+OK 1 {len(DOTS)}\r\n".encode()
    assert telnet.say("TOP 1 99") == b"+OK top of message follows\r\n" + stuffed
    assert telnet.say("UIDL 1") == b"+OK 1 a1-1\r\n"


@pytest.mark.parametrize(("lines", "body"), [(0, b""), (2, b"first\r\nsecond\r\n"), (9999, LETTER[16:])])
def test_top_shows_header_blank_line_and_so_many_lines_and_collects_nothing(lines: int, body: bytes) -> None:
    """POP-08"""
    server = Server(LETTER)
    telnet = server.logged_in()
    expected = b"+OK top of message follows\r\nSubject: one\r\n\r\n" + body + b".\r\n"
    assert telnet.say(f"TOP 1 {lines}") == expected
    telnet.say("QUIT")
    assert not server.shelf.updates


def test_dele_hides_a_letter_for_the_session() -> None:
    """POP-09"""
    telnet = Server(LETTER, DOTS, LETTER).logged_in()
    assert telnet.say("DELE 2") == b"+OK message 2 deleted\r\n"
    heard = telnet.say("DELE 2", "RETR 2", "TOP 2 0", "LIST 2", "UIDL 2")
    assert heard == b"-ERR no such message\r\n" * 5
    assert telnet.say("STAT") == f"+OK 2 {2 * len(LETTER)}\r\n".encode()
    assert [line.split()[0] for line in telnet.say("UIDL").split(b"\r\n")[1:3]] == [b"1", b"3"]
    assert telnet.say("RSET").startswith(b"+OK maildrop has 3 messages")
    assert telnet.say("RETR 2").startswith(b"+OK ")


def test_a_letter_that_comes_during_a_session_shows_in_the_next() -> None:
    """POP-14"""
    server = Server(LETTER)
    telnet = server.logged_in()
    server.shelf.letters[2] = Octets(DOTS)
    assert telnet.say("STAT") == f"+OK 1 {len(LETTER)}\r\n".encode()
    assert telnet.say("RETR 2") == b"-ERR no such message\r\n"
    telnet.say("QUIT")
    assert server.logged_in().say("STAT") == f"+OK 2 {len(LETTER) + len(DOTS)}\r\n".encode()


def test_capa_after_login_and_commands_of_before_are_refused() -> None:
    """POP-03, POP-20"""
    telnet = Server().logged_in()
    assert b"IMPLEMENTATION mailstack\r\n" in telnet.say("CAPA")
    for line in ("USER bob", "PASS x", "AUTH PLAIN", "STLS"):
        assert telnet.say(line).startswith(b"-ERR ")


def test_a_store_in_trouble_is_our_trouble_and_the_session_goes_on() -> None:
    server = Server(LETTER)
    telnet = server.logged_in()
    server.shelf.faults.add("read")
    assert telnet.say("RETR 1").startswith(b"-ERR [SYS/TEMP] ")
    assert telnet.say("TOP 1 0").startswith(b"-ERR [SYS/TEMP] ")
    server.shelf.faults.clear()
    assert telnet.say("RETR 1").startswith(b"+OK ")


def test_a_letter_that_is_gone_meanwhile_is_an_error() -> None:
    server = Server(LETTER)
    telnet = server.logged_in()
    del server.shelf.letters[1]
    assert telnet.say("RETR 1", "TOP 1 1") == b"-ERR the message has been removed meanwhile\r\n" * 2


class Torn:
    """A content whose file can't be read to its end."""

    size = 10**6

    def __init__(self, readable: bytes) -> None:
        self.readable = readable
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            yield self.readable
            raise StoreError("read error")
        finally:
            self.closed = True


def test_a_letter_that_breaks_off_has_no_end_mark_and_is_not_collected() -> None:
    server = Server(LETTER)
    server.shelf.letters[1] = torn = Torn(LETTER * 2000)
    telnet = server.logged_in()
    assert telnet.say("RETR 1", "QUIT") == b"+OK 1000000 octets\r\n" + LETTER * 2000
    assert telnet.closed
    assert torn.closed
    assert not server.shelf.collected
    assert not server.shelf.holders


def test_trouble_before_the_first_octet_is_told() -> None:
    server = Server(LETTER, DOTS)
    server.shelf.letters[1] = Torn(b"")
    telnet = server.logged_in()
    assert telnet.say("RETR 1", "TOP 1 1").count(b"-ERR [SYS/TEMP] ") == 2
    assert telnet.say("RETR 2", "QUIT").endswith(b"\r\nend\r\n.\r\n+OK goodbye\r\n")
    assert server.shelf.collected == {2}


class Long:
    """More chunks than a slow reader takes."""

    size = 10**9

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                self.given += 1
                yield b"x" * 65536
        finally:
            self.closed = True


def test_a_letter_is_read_no_faster_than_it_is_taken() -> None:
    """POP-30"""
    server = Server(LETTER)
    server.shelf.letters[1] = content = Long()
    telnet = server.logged_in()
    telnet.peer.slow = True
    telnet.say("RETR 1")
    assert content.given == 1
    for taken in range(1, 6):
        telnet.peer.take()
        assert content.given == taken + 1
    telnet.hang_up()
    assert content.closed
    assert not server.shelf.holders
    assert not server.shelf.collected


@pytest.mark.parametrize(("taken", "collected"), [(False, set()), (True, {1})])
def test_a_letter_is_collected_only_when_the_client_has_taken_it(taken: bool, collected: set[int]) -> None:
    server = Server(LETTER)
    telnet = server.logged_in()
    telnet.peer.slow = True
    assert telnet.say("RETR 1").endswith(b"third\r\n.\r\n")
    if taken:
        telnet.peer.take()
    telnet.hang_up()
    assert server.shelf.collected == collected
    assert [step.step for step in server.told.steps] == ["collected"] * len(collected)


def test_top_reads_only_what_it_shows() -> None:
    server = Server(LETTER)
    server.shelf.letters[1] = content = Long()
    content_chunks = content.chunks

    async def chunks() -> AsyncIterator[bytes]:
        yield b"Subject: x\r\n\r\n"
        async for chunk in content_chunks():
            yield chunk

    content.chunks = chunks  # type: ignore[method-assign]
    telnet = server.logged_in()
    assert telnet.say("TOP 1 0") == b"+OK top of message follows\r\nSubject: x\r\n\r\n.\r\n"
    assert content.given == 0


# --- UPDATE, and every other end


def test_quit_removes_what_was_marked_and_tells_what_was_collected() -> None:
    """POP-11"""
    server = Server(LETTER, DOTS, LETTER)
    telnet = server.logged_in()
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
    assert server.told.steps == server.shelf.steps
    assert server.told.steps[0].facts == {
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
    assert server.told.steps[0].facts["protocol"] == "pop3"
    assert server.told.steps[0].facts["tls"]["version"] == "TLSv1.3"


def test_a_lost_connection_removes_nothing_and_still_tells_what_was_collected() -> None:
    """POP-11, POP-13: the lock is free at once."""
    server = Server(LETTER, DOTS)
    telnet = server.logged_in()
    telnet.say("RETR 1", "DELE 1", "DELE 2")
    telnet.hang_up()
    assert len(server.shelf.letters) == 2
    assert server.shelf.collected == {1}
    assert [step.letter for step in server.told.steps] == ["letter1"]
    assert not server.shelf.holders


def test_rset_before_quit_removes_nothing() -> None:
    """POP-10"""
    server = Server(LETTER, DOTS)
    server.logged_in().say("DELE 1", "DELE 2", "RSET", "QUIT")
    assert len(server.shelf.letters) == 2


def test_quit_says_so_when_nothing_could_be_removed() -> None:
    """POP-11, POP-29"""
    server = Server(LETTER)
    telnet = server.logged_in()
    telnet.say("RETR 1", "DELE 1")
    server.shelf.faults.add("update")
    assert telnet.say("QUIT") == b"-ERR [SYS/TEMP] the deleted messages were not removed\r\n"
    assert telnet.closed
    assert len(server.shelf.letters) == 1
    assert not server.told.steps
    assert not server.shelf.holders


def test_a_silent_client_is_closed_after_ten_minutes_without_update_and_without_a_word() -> None:
    """POP-26"""
    server = Server(LETTER)
    telnet = server.logged_in()
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
    server = Server(LETTER)
    telnet = server.logged_in()
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
    server = Server(LETTER)
    telnet = server.telnet(tls=TLS)
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
    server = Server(LETTER)
    telnet = server.logged_in()
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


# --- UTF-8 and languages (RFC 6856)

UTF8_LETTER = "Subject: h\u00e9llo\r\n\r\nbody\r\n".encode()


@pytest.mark.parametrize("before_login", [(), ("UTF8",)], ids=["silent", "UTF8"])
@pytest.mark.parametrize(
    "letter",
    [UTF8_LETTER, b"Subject: \xfc\r\n\r\nbody\r\n", b"\xff\x80: \xc3\r\n\r\nbody\r\n", b"\xfe\xff\r\n\r\nbody\r\n"],
    ids=["utf-8", "latin-1", "field name", "no header"],
)
def test_a_header_beyond_ascii_is_sent_as_it_is_whatever_the_client_said(
    letter: bytes, before_login: tuple[str, ...]
) -> None:
    """POP-25, POP-05, POP-28: nothing behind it waits, and every command says the same size."""
    server = Server(letter, LETTER)
    telnet = server.telnet(tls=TLS)
    telnet.say(*before_login, "USER bob", "PASS secret word")
    assert telnet.say("LIST 1") == b"+OK 1 %d\r\n" % len(letter)
    assert telnet.say("STAT") == b"+OK 2 %d\r\n" % (len(letter) + len(LETTER))
    assert telnet.say("RETR 1") == b"+OK %d octets\r\n%s.\r\n" % (len(letter), letter)
    assert telnet.say("TOP 1 0").endswith(letter.partition(b"body\r\n")[0] + b".\r\n")
    assert telnet.say("RETR 2").startswith(b"+OK ")
    telnet.say("QUIT")
    assert server.shelf.collected == {1, 2}


def test_utf8_is_no_command_after_the_login_and_may_be_said_again_after_stls() -> None:
    """POP-25, POP-23"""
    telnet = Server(UTF8_LETTER).telnet()
    telnet.say("UTF8", "STLS")
    assert telnet.say("UTF8").startswith(b"+OK ")
    telnet.say("USER bob", "PASS secret word")
    assert telnet.say("UTF8").startswith(b"-ERR ")


def test_a_password_in_utf_8() -> None:
    """POP-25"""
    telnet = Server().telnet(tls=TLS)
    assert b"UTF8 USER\r\n" in telnet.say("CAPA")
    assert telnet.say("UTF8", "USER bob", "PASS p\u00e4ssword").endswith(b"+OK maildrop has 0 messages (0 octets)\r\n")


def test_languages_are_listed_and_chosen_in_both_states() -> None:
    """POP-25"""
    for telnet in (Server().telnet(tls=TLS), Server().logged_in()):
        listing = telnet.say("LANG")
        assert listing.startswith(b"+OK ")
        assert b"\r\ni-default " in listing
        assert b"\r\nen English\r\n" in listing
        assert telnet.say("LANG en-GB").startswith(b"+OK en ")
        assert telnet.say("LANG *").startswith(b"+OK i-default ")
        assert telnet.say("LANG tlh").startswith(b"-ERR ")


# --- LOGIN-DELAY, and trouble that lasts


def test_who_logs_in_too_soon_is_told_when() -> None:
    """POP-27, CODE-30"""
    server = Server(delay=60)
    assert b"LOGIN-DELAY 60\r\n" in server.telnet(tls=TLS).say("CAPA")
    server.logged_in().say("QUIT")
    server.clock.advance(10)
    again = server.telnet(tls=TLS)
    assert again.say("USER bob", "PASS secret word").endswith(b"-ERR [LOGIN-DELAY] log in again in 50 seconds\r\n")
    assert not server.shelf.holders
    assert server.telnet(tls=TLS).say("USER alice", "PASS a").endswith(b"octets)\r\n")
    server.clock.advance(50)
    assert again.say("USER bob", "PASS secret word").endswith(b"octets)\r\n")


def test_a_login_that_found_the_maildrop_in_use_delays_nobody() -> None:
    """POP-27"""
    server = Server(delay=60)
    first = server.logged_in()
    server.clock.advance(61)
    assert b"[IN-USE]" in server.telnet(tls=TLS).say("USER bob", "PASS secret word")
    first.say("QUIT")
    assert server.logged_in()


def test_damage_is_called_permanent_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """POP-22, CODE-30"""
    server = Server(LETTER)
    telnet = server.logged_in()

    async def read(mailbox: str, uid: int) -> None:
        raise Damaged("table entries: nonsense")

    monkeypatch.setattr(server.shelf, "read", read)
    assert telnet.say("RETR 1").startswith(b"-ERR [SYS/PERM] ")


# --- reading ahead


def test_who_fetches_one_after_the_other_has_the_next_ones_read_along() -> None:
    """POP-30"""
    server = Server(*[LETTER] * 20)
    telnet = server.logged_in()
    telnet.say("DELE 5")
    for number in range(1, 21):
        assert telnet.say(f"RETR {number}").startswith(b"-ERR " if number == 5 else b"+OK ")
    assert server.shelf.reads == [[2, 3, 4, 6, 7, 8, 9, 10], list(range(11, 21))]


def test_who_jumps_about_has_one_at_a_time() -> None:
    server = Server(*[LETTER] * 9)
    telnet = server.logged_in()
    for number in (3, 1, 5, 7, 2, 9):
        assert telnet.say(f"RETR {number}").startswith(b"+OK ")
    assert server.shelf.reads == []


def test_no_more_is_held_than_a_small_amount() -> None:
    """POP-30"""
    server = Server(*[b"x" * 60_000] * 9)
    telnet = server.logged_in()
    for number in range(1, 10):
        telnet.say(f"RETR {number}")
        assert server.room.held <= 4 * 60_000
    assert max(map(len, server.shelf.reads)) == 5


def test_no_more_is_held_by_all_together_than_there_is_room_for() -> None:
    server = Server(*[LETTER] * 20)
    server.room.most = 3 * len(LETTER)
    first, second = server.logged_in(), server.telnet(tls=TLS)
    second.say("USER alice", "PASS a")
    for number in (1, 2, 3):
        assert first.say(f"RETR {number}").startswith(b"+OK ")
    assert server.room.held == 6 * len(LETTER)
    for number in (1, 2, 3, 4):
        assert second.say(f"RETR {number}").startswith(b"+OK ")
    assert server.shelf.reads == [[2, 3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize("end", ["QUIT", "lost"])
def test_nothing_is_held_for_who_has_left(end: str) -> None:
    server = Server(*[LETTER] * 20)
    telnet = server.logged_in()
    telnet.say("RETR 1", "RETR 2")
    assert server.room.held == 7 * len(LETTER)
    telnet.say("QUIT") if end == "QUIT" else telnet.hang_up()
    assert server.room.held == 0


def test_a_damaged_letter_that_is_read_along_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(*[LETTER] * 4)
    telnet = server.logged_in()

    async def read_together(mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        raise Damaged("table entries: nonsense")

    monkeypatch.setattr(server.shelf, "read_together", read_together)
    for number in range(1, 5):
        assert telnet.say(f"RETR {number}").startswith(b"+OK ")


def test_a_letter_read_along_that_is_gone_is_an_error_when_it_is_asked_for() -> None:
    server = Server(*[LETTER] * 4)
    telnet = server.logged_in()
    telnet.say("RETR 1")
    del server.shelf.letters[3]
    assert telnet.say("RETR 2").startswith(b"+OK ")
    assert telnet.say("RETR 3") == b"-ERR the message has been removed meanwhile\r\n"
    assert telnet.say("RETR 4").startswith(b"+OK ")


def test_letters_are_told_of_under_the_server_that_holds_the_mailbox() -> None:
    server = Server(LETTER)
    server.holder_of = {"bob@home.test": "mx.other.test"}.__getitem__
    server.logged_in().say("RETR 1", "QUIT")
    assert [step.server for step in server.told.steps] == ["mx.other.test"]
