"""AUTHORIZATION state of POP3: login, STLS, login delay."""

from __future__ import annotations

import hashlib

import pytest

from mailstack.mailbox.pop3.authorization import LoginDelay
from mailstack.mailbox.pop3.session import Pop3Limits
from mailstack.policy.counters import LocalCounterTable
from mailstack.protocols.sasl import Credentials, DigestProof
from tests.mailbox.pop3.sessions import LETTER, TLS, Server, connected, plain


def test_greeting_has_no_timestamp_for_apop() -> None:
    """POP-01, POP-19"""
    telnet = Server().telnet(tls=TLS)
    assert telnet.greeting == b"+OK mx.home.test POP3 server ready\r\n"
    assert telnet.say("APOP bob c4c9334b").startswith(b"-ERR ")


@pytest.mark.parametrize(("password", "opens"), [("secret word", True), ("wrong", False)])
def test_apop_where_passwords_are_public(password: str, opens: bool) -> None:
    """POP-19: only there has the greeting a time stamp, another one each time."""
    server = Server(LETTER)
    server.authenticator.kinds = frozenset({Credentials, DigestProof})
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
    server, telnet = connected()
    assert telnet.say(f"USER {name}", "PASS wrong", "CAPA") == b"+OK send PASS\r\n"
    server.clock.advance(1.9)
    assert telnet.listen() == b""
    server.clock.advance(0.2)
    heard = telnet.listen()
    assert heard.startswith(b"-ERR [AUTH] wrong user name or password\r\n+OK capabilities follow\r\n")
    assert not server.shelf.holders


def test_a_blank_behind_the_password_makes_it_wrong() -> None:
    """POP-03"""
    server, telnet = connected()
    telnet.say("USER bob", "PASS secret word ")
    server.clock.advance(2)
    assert telnet.listen().startswith(b"-ERR [AUTH]")


def test_the_third_wrong_password_is_the_last() -> None:
    server, telnet = connected()
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
    server, telnet = connected()
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
    server, telnet = connected(LETTER)
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


def test_login_to_a_maildrop_in_use_delays_no_login() -> None:
    """POP-27"""
    server = Server(delay=60)
    first = server.logged_in()
    server.clock.advance(61)
    assert b"[IN-USE]" in server.telnet(tls=TLS).say("USER bob", "PASS secret word")
    first.say("QUIT")
    assert server.logged_in()


def test_a_reader_waits_from_one_login_to_the_next() -> None:
    """POP-27"""
    times = [100.0]
    delay = LoginDelay(60, lambda: times[0])
    assert delay.wait("bob") == 0
    delay.logged_in("bob")
    times[0] += 20
    assert (delay.wait("bob"), delay.wait("alice")) == (40, 0)
    times[0] += 40
    assert delay.wait("bob") == 0


def test_without_a_delay_nothing_is_remembered() -> None:
    ledger = LocalCounterTable(lambda: 0.0)
    delay = LoginDelay(0, lambda: 0.0, ledger)
    delay.logged_in("bob")
    assert delay.wait("bob") == 0
    assert len(ledger) == 0
