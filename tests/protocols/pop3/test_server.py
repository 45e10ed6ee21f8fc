"""POP3 server engine: grammar, order, limits and responses."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.connection import NEED_DATA, PAUSED, Signal
from mailstack.protocols.pop3.commands import (
    AuthList,
    Capa,
    Dele,
    List,
    Pop3Auth,
    Pop3AuthResponse,
    Pop3Noop,
    Pop3Pass,
    Pop3Quit,
    Pop3Rejected,
    Pop3User,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
)
from mailstack.protocols.pop3.server import MAX_LINE, Code, Pop3ServerEngine
from tests.protocols.cuts import in_pieces_of, one_at_a_time


def greeted(**settings: Any) -> Pop3ServerEngine:
    engine = Pop3ServerEngine(**{"tls": True, **settings})
    engine.ok("ready")
    return engine


def in_transaction(**settings: Any) -> Pop3ServerEngine:
    engine = greeted(**settings)
    engine.logged_in()
    return engine


def events(engine: Pop3ServerEngine, *pieces: bytes) -> list[Any]:
    """Events of the octets, each with the reply +OK."""
    found: list[Any] = []
    for piece in pieces:
        engine.receive(piece)
        while not isinstance(event := engine.next_event(), Signal):
            assert engine.next_event() is PAUSED
            found.append(event)
            engine.ok()
    return found


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"STAT", Stat()), (b"stat ", Stat()), (b"LIST", List()), (b"LIST 12", List(12)), (b"Retr 1", Retr(1)),
        (b"TOP 1 0", Top(1, 0)), (b"TOP  10  99", Top(10, 99)), (b"DELE 007", Dele(7)), (b"NOOP", Pop3Noop()),
        (b"RSET", Rset()), (b"uIdL", Uidl()), (b"UIDL 3", Uidl(3)), (b"CAPA", Capa()), (b"QUIT", Pop3Quit()),
    ],
)  # fmt: skip
def test_commands_after_login(line: bytes, event: Any) -> None:
    """POP-16: verbs in any case."""
    assert events(in_transaction(), line + b"\r\n") == [event]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b"USER bob@home.test ", Pop3User("bob@home.test")),
        (b"AUTH", AuthList()),
        (b"auth plain", Pop3Auth("PLAIN")),
        (b"AUTH PLAIN =", Pop3Auth("PLAIN", b"")),
        (b"AUTH PLAIN AGEAYg==", Pop3Auth("PLAIN", b"\0a\0b")),
        (b"CAPA", Capa()),
        (b"QUIT", Pop3Quit()),
    ],
)
def test_commands_before_login(line: bytes, event: Any) -> None:
    assert events(greeted(), line + b"\r\n") == [event]


def test_a_password_is_all_up_to_the_end_of_the_line() -> None:
    """POP-03"""
    assert events(greeted(), "USER bob\r\nPASS  päss word \r\n".encode()) == [Pop3User("bob"), Pop3Pass(" päss word ")]


@pytest.mark.parametrize("argument", ["0x1", "-1", "+1", "abc", "1x", "1.0", "99999999999999999999", "1 2", "\u0661"])
@pytest.mark.parametrize("verb", ["RETR", "DELE", "LIST", "UIDL", "TOP"])
def test_what_is_no_number_is_rejected(verb: str, argument: str) -> None:
    """POP-06"""
    line = f"{verb} {argument} 0" if verb == "TOP" else f"{verb} {argument}"
    [event] = events(in_transaction(), line.encode() + b"\r\n")
    assert isinstance(event, Pop3Rejected)


@pytest.mark.parametrize(
    "line",
    [
        b"", b" ", b"FROB", b"APOP bob c4c9334b", b"RETR", b"DELE", b"TOP", b"TOP 1", b"TOP 1 -1", b"STAT x", b"NO\0OP",
        b"NOOP\rRSET", b"USER bob", b"AUTH PLAIN", b"STLS", b"QUIT now", b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_is_no_command_now_is_rejected_and_the_next_is_understood(line: bytes) -> None:
    """POP-03, POP-16, POP-17, POP-19, POP-23"""
    [rejected, noop] = events(in_transaction(), line + b"\r\nNOOP\r\n")
    assert isinstance(rejected, Pop3Rejected)
    assert noop == Pop3Noop()


@pytest.mark.parametrize("verb", ["STAT", "LIST", "RETR 1", "DELE 1", "UIDL", "TOP 1 0", "RSET", "NOOP"])
@pytest.mark.parametrize("before", [b"", b"USER bob\r\n"])
def test_transaction_commands_before_login_are_rejected(verb: str, before: bytes) -> None:
    """POP-03"""
    assert isinstance(events(greeted(), before + verb.encode() + b"\r\n")[-1], Pop3Rejected)


def test_pass_follows_user_and_only_once() -> None:
    engine = greeted()
    assert events(engine, b"PASS x\r\n") == [Pop3Rejected("USER comes before PASS")]
    assert events(engine, b"USER bob\r\nCAPA\r\nPASS x\r\n") == [Pop3User("bob"), Capa(), Pop3Pass("x")]
    assert events(engine, b"PASS x\r\n") == [Pop3Rejected("USER comes before PASS")]


@pytest.mark.parametrize("line", [b"USER bob", b"PASS x", b"AUTH PLAIN AGEAYg==", b"AUTH PLAIN", b"AUTH"])
def test_no_password_is_taken_in_the_clear(line: bytes) -> None:
    """POP-02"""
    [event] = events(greeted(tls=False), line + b"\r\n")
    assert isinstance(event, Pop3Rejected)
    assert events(greeted(tls=False, require_tls=False), b"USER bob\r\n") == [Pop3User("bob")]


def test_stls_drops_what_was_sent_behind_it_and_what_was_said() -> None:
    """POP-23, TLS-04"""
    engine = greeted(tls=False, require_tls=False)
    engine.receive(b"USER bob\r\nSTLS\r\nPASS injected\r\n")
    assert engine.next_event() == Pop3User("bob")
    engine.ok()
    assert engine.next_event() == Stls()
    engine.ok()
    engine.tls_started()
    assert engine.next_event() is NEED_DATA
    assert events(engine, b"PASS x\r\nSTLS\r\n") == [
        Pop3Rejected("USER comes before PASS"),
        Pop3Rejected("the connection is under TLS already"),
    ]


def test_an_authentication_exchange() -> None:
    """POP-24, AUTH-03: `+ ` and CRLF is the empty challenge."""
    engine = greeted()
    engine.receive(b"AUTH PLAIN\r\nAGEAYg==\r\n")
    assert engine.next_event() == Pop3Auth("PLAIN")
    assert engine.challenge(b"") == b"+ \r\n"
    assert engine.next_event() == Pop3AuthResponse(b"\0a\0b")
    assert engine.challenge(b"Password:") == b"+ UGFzc3dvcmQ6\r\n"
    assert events(engine, b"*\r\n", b"CAPA\r\n") == [Pop3AuthResponse(None), Capa()]


@pytest.mark.parametrize("line", [b"!!!", b"QQ", b"=", b"Q Q=", b"QQ==QQ==", b"x" * 12287, b"\0"])
def test_a_bad_response_ends_the_exchange(line: bytes) -> None:
    """AUTH-09"""
    engine = greeted()
    engine.receive(b"AUTH LOGIN\r\n")
    engine.next_event()
    engine.challenge(b"Username:")
    [rejected, capa] = events(engine, line + b"\r\n", b"CAPA\r\n")
    assert isinstance(rejected, Pop3Rejected)
    assert capa == Capa()


def test_a_response_may_be_as_long_as_rfc_4954_says() -> None:
    engine = greeted()
    engine.receive(b"AUTH PLAIN\r\n")
    engine.next_event()
    engine.challenge(b"")
    response = base64.b64encode(bytes(9213))
    assert len(response) + 2 <= 12288
    assert events(engine, response + b"\r\n") == [Pop3AuthResponse(bytes(9213))]


def test_an_over_long_line_is_rejected_once_and_kept_nowhere() -> None:
    """POP-17"""
    engine = in_transaction()
    found: list[Any] = []
    for _ in range(1000):
        found += events(engine, b"NOOP " + b"x" * 1000)
        assert engine.buffered <= 2048
    assert found == [Pop3Rejected("the line is too long")]
    assert events(engine, b"\r\nNOOP\r\n") == [Pop3Noop()]


def test_a_line_ends_in_cr_lf_only() -> None:
    assert events(in_transaction(), b"NOOP\nNOOP\r\n") == [Pop3Rejected("a line ends in CR LF"), Pop3Noop()]


def test_nothing_is_read_before_the_greeting() -> None:
    engine = Pop3ServerEngine(tls=True)
    engine.receive(b"CAPA\r\n")
    assert engine.next_event() is PAUSED


# --- responses


def test_capabilities_say_what_is_true_now() -> None:
    """POP-20, POP-21, POP-27"""
    clear, secret = greeted(tls=False), greeted()
    always = ["TOP", "UIDL", "LANG", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "LOGIN-DELAY 0"]
    assert sorted(clear.capabilities(stls=True)) == sorted([*always, "UTF8", "STLS"])
    assert sorted(clear.capabilities(stls=False)) == sorted([*always, "UTF8"])
    offered = secret.capabilities(stls=True)
    (sasl,) = [line for line in offered if line.startswith("SASL ")]
    assert sorted(offered) == sorted([*always, "UTF8 USER", "USER", sasl])
    assert "LOGIN-DELAY 60" in greeted(login_delay=60).capabilities(stls=False)
    secret.logged_in()
    assert "IMPLEMENTATION mailstack" in secret.capabilities(stls=False)
    bare = greeted(tls=False, require_tls=False, mechanisms=())
    assert sorted(bare.capabilities(stls=False)) == sorted([*always, "UTF8 USER", "USER"])


@given(st.text(max_size=700), st.sampled_from([None, *Code]))
def test_a_response_is_one_line_of_printable_ascii_within_512_octets(text: str, code: Code | None) -> None:
    """POP-01"""
    engine = greeted()
    for line in (engine.ok(text), engine.err(text, code)):
        assert re.fullmatch(rb"(\+OK|-ERR)[ -~]*\r\n", line)
        assert len(line) <= MAX_LINE


def test_response_codes() -> None:
    """CODE-30"""
    engine = greeted()
    assert engine.err("busy", Code.IN_USE) == b"-ERR [IN-USE] busy\r\n"
    assert engine.err("no", Code.AUTH) == b"-ERR [AUTH] no\r\n"
    assert engine.err("later", Code.SYS_TEMP) == b"-ERR [SYS/TEMP] later\r\n"
    assert engine.err("never", Code.SYS_PERM) == b"-ERR [SYS/PERM] never\r\n"


def test_a_multi_line_response_is_stuffed_and_owed_until_its_end() -> None:
    """POP-07"""
    engine = in_transaction()
    engine.receive(b"LIST\r\nNOOP\r\n")
    assert engine.next_event() == List()
    assert engine.start("here") == b"+OK here\r\n"
    assert engine.feed(b".a\r\n.") == b"..a\r\n.."
    assert engine.next_event() is PAUSED
    assert engine.feed(b"\r\nend") == b"\r\nend"
    assert engine.finish() == b"\r\n.\r\n"
    assert engine.next_event() == Pop3Noop()
    assert engine.listing("none", []) == b"+OK none\r\n.\r\n"


# --- whatever the octets, however they are cut

WORDS = st.sampled_from(
    [
        *b"USER bob,PASS x,AUTH PLAIN,AUTH PLAIN =,STAT,RETR 1,TOP 1 2,LIST,*,QQ==,\r\n,\n,\r, ,\0".split(b","),
        *(b"UIDL\r\n", b"CAPA\r\n", b"QUIT\r\n", b"NOOP\r\n", b"x" * 300),
    ]
)


def converse(engine: Pop3ServerEngine, pieces: list[bytes]) -> list[Any]:
    """Events of a session that sends challenges, logs in at PASS, and accepts everything."""
    found: list[Any] = []
    for piece in pieces:
        engine.receive(piece)
        while not isinstance(event := engine.next_event(), Signal):
            found.append(event)
            if isinstance(event, Pop3Auth):
                engine.challenge(b"")
            else:
                if isinstance(event, Pop3Pass):
                    engine.logged_in()
                engine.ok()
    return found


@given(st.lists(WORDS | st.binary(max_size=30), max_size=20), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_any_octets_in_any_cut_give_the_same_events_and_no_error(words: list[bytes], sizes: list[int]) -> None:
    octets = b"".join(words)

    def small() -> Pop3ServerEngine:
        return greeted(command_limit=200, response_limit=250)

    at_once = converse(small(), [octets])
    assert converse(small(), in_pieces_of(*sizes)(octets)) == at_once
    assert converse(small(), one_at_a_time(octets)) == at_once
