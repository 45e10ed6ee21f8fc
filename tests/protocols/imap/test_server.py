"""IMAP server engine: literals, authentication, IDLE, pipelining, TLS and limits."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.protocols.connection import NEED_DATA, PAUSED
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.command_table import ImapState
from tests.protocols.cuts import CUTS, Cut
from tests.protocols.imap.engines import Session, command, events, greeted, logged_in, selected

NOOP = b"n NOOP\r\n"


def only_noop_after(engine: Any) -> None:
    assert events(engine, NOOP) == [c.ImapNoop("n")]


def test_the_engine_waits_for_the_greeting_and_for_each_reply() -> None:
    """IMAP-01, IMAP-08"""
    engine = greeted()
    engine.receive(b"a NOOP\r\nb CAPABILITY\r\n")
    assert engine.next_event() == c.ImapNoop("a")
    assert engine.next_event() is PAUSED
    assert engine.tagged("a", "OK", "done") == b"a OK done\r\n"
    assert engine.next_event() == c.Capability("b")
    assert engine.tagged("b", "OK", "done") == b"b OK done\r\n"
    assert engine.next_event() is NEED_DATA


def test_greetings() -> None:
    """IMAP-01"""
    engine = greeted()
    assert engine.state is ImapState.NOT_AUTHENTICATED
    assert engine.greeting("ready", "CAPABILITY IMAP4rev1") == b"* OK [CAPABILITY IMAP4rev1] ready\r\n"
    assert engine.greeting("hello", is_preauth=True) == b"* PREAUTH hello\r\n"
    assert engine.state is ImapState.AUTHENTICATED


DIALOGUE = (
    b'a1 LOGIN {3}\r\nbob {6+}\r\ns cret\r\na2 ID ("name" {1+}\r\nx)\r\na3 AUTHENTICATE PLAIN\r\nAGEAYg==\r\n'
    b"a4 NOOP\r\na5 FROB {5+}\r\na NO {2+}\r\n\r\n x\r\na6 CAPABILITY\r\n"
)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_literals_in_any_cut(cut: Cut) -> None:
    """IMAP-04, IMAP-05, IMAP-06"""
    session = Session(greeted())
    assert session.feed(*cut(DIALOGUE)) == [
        c.LiteralWanted("a1", 3),
        c.ImapLogin("a1", "bob", "s cret"),
        c.Id("a2", (("name", "x"),)),
        c.Authenticate("a3", "PLAIN"),
        c.ImapAuthResponse(b"\0a\0b"),
        c.ImapNoop("a4"),
        c.ImapRejected("a5", "the command is unknown"),
        c.Capability("a6"),
    ]
    assert session.sent.count(b"+ OK\r\n") == 1
    assert session.engine.buffered == 0


def test_a_literal_may_contain_what_looks_like_the_end_of_a_line() -> None:
    """IMAP-04"""
    assert command(greeted(), b"LOGIN {7+}\r\nx\r\n{9}  \x22y\x22") == c.ImapLogin("a", "x\r\n{9} ", "y")


@pytest.mark.parametrize(
    "line",
    [b"LOGIN {3}", b"LOGIN x {8193}", b"NOOP {3}", b"FROB {3}", b"LOGIN {4294967296}", b"LOGIN ~{3}", b"LOGIN {-1}"],
)
def test_a_synchronizing_literal_that_is_not_wanted_gets_no_continuation(line: bytes) -> None:
    """IMAP-04: the session goes on without the octets of the literal."""
    engine = greeted()
    if line == b"LOGIN {3}":
        engine.logged_in()
    event = command(engine, line)
    if line == b"NOOP {3}":
        assert isinstance(event, c.LiteralWanted)
        return
    assert isinstance(event, c.ImapRejected)
    assert not event.is_fatal
    only_noop_after(engine)


def test_too_large_a_literal_is_toobig() -> None:
    """IMAP-04, IMAP-05"""
    engine = selected(literals=10)
    event = command(engine, b"SEARCH TEXT {5+}\r\nabcde TEXT {6}")
    assert event == c.ImapRejected("a", "the literal is too long", code="TOOBIG", status="NO")
    only_noop_after(engine)
    event = command(engine, b"SEARCH TEXT {11+}\r\nb NOOP\r\nc N {3+}\r\nabc")
    assert event == c.ImapRejected("a", "the literal is too long", code="TOOBIG", status="NO")
    only_noop_after(engine)


def test_refused_literals_beyond_the_limit_end_the_session() -> None:
    """IMAP-05"""
    engine = greeted(discarded=10)
    [event] = events(engine, b"a FROB {11+}\r\n12345\r\nb NOOP\r\n")
    assert event == c.ImapRejected("a", "the command is unknown", is_fatal=True, code="TOOBIG")
    assert events(engine, NOOP) == []
    engine = greeted(discarded=10)
    first, second = events(engine, b"a FROB {9+}\r\n123456789 {2+}\r\n12\r\n")
    assert first == c.ImapRejected("a", "the command is unknown")
    assert second == c.ImapRejected("a", "the refused literal is too long", is_fatal=True, code="TOOBIG")


def test_a_session_may_refuse_a_wanted_literal() -> None:
    engine = greeted()
    engine.receive(b"a LOGIN {3}\r\n")
    assert engine.next_event() == c.LiteralWanted("a", 3)
    assert engine.refuse_literal() == b""
    engine.tagged("a", "NO", "not now")
    only_noop_after(engine)


def test_nul_is_bad_in_a_literal() -> None:
    """IMAP-03"""
    engine = greeted()
    assert isinstance(command(engine, b"LOGIN x {1+}\r\n\0"), c.ImapRejected)
    only_noop_after(engine)


# --- lines


def test_a_line_beyond_the_limit_ends_the_session() -> None:
    """IMAP-07"""
    engine = selected()
    assert isinstance(command(engine, b"UID FETCH " + b"1," * 32000 + b"1 FLAGS"), c.Fetch)
    [event] = events(engine, b"a UID FETCH ", b"1," * 32800)
    assert event == c.ImapRejected("a", "the line is too long", is_fatal=True, code="TOOBIG")
    assert events(engine, b"\r\n", NOOP) == []
    assert engine.buffered == 0


def test_all_lines_of_a_command_have_one_limit() -> None:
    """IMAP-07"""
    engine = selected(lines=100)
    line = b"SEARCH " + b"TEXT {1+}\r\nx " * 5 + b"ALL"
    assert isinstance(command(engine, line), c.Search)
    event = command(engine, b"SEARCH " + b"TEXT {1+}\r\nx " * 15 + b"ALL")
    assert isinstance(event, c.ImapRejected)
    assert event.is_fatal


# --- APPEND and REPLACE


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_append_streams_messages(cut: Cut) -> None:
    """IMAP-60, IMAP-61, IMAP-62"""
    octets = (
        b'a APPEND "in box" (\\Seen work) " 7-Feb-1994 21:52:25 -0800" {10}\r\n1\r\n2 {3}\r\n (\\draft) ~{3+}\r\n\0\r\n'
        b' "01-Jan-1970 00:00:00 +0000" {0+}\r\n\r\nn NOOP\r\n'
    )
    session = Session(logged_in())
    assert session.feed(*cut(octets)) == [
        c.Append("a", "in box", c.AppendedMessage(10, ("\\Seen", "work"), 760686745.0)),
        c.MessageOctets(b"1\r\n2 {3}\r\n"),
        c.AppendNext(c.AppendedMessage(3, ("\\Draft",), is_binary=True, is_waiting=False)),
        c.MessageOctets(b"\0\r\n"),
        c.AppendNext(c.AppendedMessage(0, (), 0.0, is_waiting=False)),
        c.AppendEnd(),
        c.ImapNoop("n"),
    ]
    assert session.sent.count(b"+ OK\r\n") == 1


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_the_folder_of_append_may_be_a_literal(cut: Cut) -> None:
    """IMAP-04, IMAP-60"""
    session = Session(logged_in())
    assert session.feed(*cut(b"a append {5}\r\ninbox {2+}\r\nhi\r\nb APPEND {1+}\r\nx {1}\r\ny\r\n")) == [
        c.LiteralWanted("a", 5),
        c.Append("a", "INBOX", c.AppendedMessage(2, is_waiting=False)),
        c.MessageOctets(b"hi"),
        c.AppendEnd(),
        c.Append("b", "x", c.AppendedMessage(1)),
        c.MessageOctets(b"y"),
        c.AppendEnd(),
    ]


def test_append_in_utf8() -> None:
    """RFC 6855 §4"""
    session = Session(logged_in())
    assert session.feed(b"a APPEND x UTF8 (~{2+}\r\nhi) (\\Seen) utf8 (~{1}\r\ny)\r\n") == [
        c.Append("a", "x", c.AppendedMessage(2, is_binary=True, is_waiting=False)),
        c.MessageOctets(b"hi"),
        c.AppendNext(c.AppendedMessage(1, ("\\Seen",), is_binary=True)),
        c.MessageOctets(b"y"),
        c.AppendEnd(),
    ]
    [*_, rejected] = events(logged_in(), b"a APPEND x UTF8 (~{2+}\r\nhi\r\n")
    assert isinstance(rejected, c.ImapRejected)


def test_replace() -> None:
    """IMAP-75"""
    session = Session(selected())
    assert session.feed(b"a REPLACE 4 x {1+}\r\ny\r\nb UID REPLACE * inbox (\\Draft) {1+}\r\nz\r\n") == [
        c.Replace("a", 4, "x", c.AppendedMessage(1, is_waiting=False)),
        c.MessageOctets(b"y"),
        c.AppendEnd(),
        c.Replace("b", 0, "INBOX", c.AppendedMessage(1, ("\\Draft",), is_waiting=False), by_uid=True),
        c.MessageOctets(b"z"),
        c.AppendEnd(),
    ]
    [*_, rejected] = events(selected(), b"a REPLACE 4 x {1+}\r\ny {1+}\r\nz\r\n")
    assert rejected == c.ImapRejected("a", "the end of the command is expected")


@pytest.mark.parametrize(
    "arguments",
    [
        b"", b"x", b"x {3", b"x y {3}", b"x (\\Foo) {3}", b"x (\\Seen){3}", b'x "32-Jan-2000 00:00:00 +0000" {3}',
        b'x "01-Foo-2000 00:00:00 +0000" {3}', b'x "01-Jan-2000 24:00:00 +0000" {3}', b'x "01-Jan-0000 00:00:00 +0000" {3}',
        b'x "01-Jan-2000 00:00:61 +0000" {3}', b'x "01-Jan-2000 00:00:00 +2400" {3}', b'x "1-Jan-2000 00:00:00 +0000" {3}',
        b'x "01-Jan-2000 00:00:00 0000" {3}', b"x {4294967296}", b"x UTF8 ({3}", b"x {3} ",
    ],
)  # fmt: skip
def test_malformed_append_is_bad_before_its_message(arguments: bytes) -> None:
    """IMAP-60"""
    engine = logged_in()
    event = command(engine, b"APPEND " + arguments)
    assert isinstance(event, c.ImapRejected)
    assert (event.tag, event.status) == ("a", "BAD")
    only_noop_after(engine)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(
    "octets",
    [b"a APPEND x {3}\r\n", b"a APPEND x {3+}\r\nabc\r\n", b"a APPEND x {3+}\r\nabc {9}\r\n",
     b"a APPEND x {3+}\r\nabc (\\Foo) {8+}\r\n\r\nx NOOP\r\n"],
)  # fmt: skip
def test_a_refused_message_is_discarded_with_the_rest_of_its_command(octets: bytes, cut: Cut) -> None:
    """IMAP-04, IMAP-05"""
    engine = logged_in()
    [first, *rest] = cut(octets + NOOP)
    engine.receive(first)
    while (event := engine.next_event()) is NEED_DATA:
        engine.receive(rest.pop(0))
    assert isinstance(event, c.Append)
    engine.refuse_literal()
    assert engine.tagged("a", "NO", "no such folder", "TRYCREATE") == b"a NO [TRYCREATE] no such folder\r\n"
    assert events(engine, b"", *rest) == [c.ImapNoop("n")]


@pytest.mark.parametrize("rest", [b"", b"c", b"c\r", b"c {3+}\r\nabc (x) {3}\r\n", b"c (x"])
def test_a_session_may_give_up_in_the_midst_of_a_message(rest: bytes) -> None:
    """IMAP-76"""
    engine = logged_in()
    engine.receive(b"a APPEND x {3}\r\n")
    assert isinstance(engine.next_event(), c.Append)
    assert engine.accept_literal() == b"+ OK\r\n"
    engine.receive(b"ab" + rest)
    assert isinstance(engine.next_event(), c.MessageOctets)
    engine.tagged("a", "NO", "the disk is full")
    missing = {b"": b"c\r\n", b"c": b"\r\n", b"c\r": b"\n", b"c (x": b"\r\n"}.get(rest, b"")
    assert events(engine, missing + NOOP) == [c.ImapNoop("n")]


def test_a_refused_message_beyond_the_limit_ends_the_session() -> None:
    """IMAP-05"""
    engine = logged_in(discarded=100)
    engine.receive(b"a APPEND x {101+}\r\n")
    assert isinstance(engine.next_event(), c.Append)
    engine.tagged("a", "NO", "too large", "TOOBIG")
    event = engine.next_event()
    assert isinstance(event, c.ImapRejected)
    assert event.is_fatal


# --- authentication, TLS and IDLE


@pytest.mark.parametrize(("line", "response"), [(b"*", None), (b"", b""), (b"AGEAYg==", b"\0a\0b")])
def test_responses_to_challenges(line: bytes, response: bytes | None) -> None:
    """IMAP-23"""
    session = Session(greeted())
    assert session.feed(b"a AUTHENTICATE X\r\n" + line + b"\r\n") == [
        c.Authenticate("a", "X"),
        c.ImapAuthResponse(response),
    ]
    assert session.sent.startswith(b"+ \r\n")


@pytest.mark.parametrize("line", [b"x", b"=", b"AG EA", b"AGE\0", b"** "])
def test_a_response_that_is_not_base64_is_bad(line: bytes) -> None:
    """IMAP-23"""
    engine = greeted()
    _, rejected = events(engine, b"a AUTHENTICATE X\r\n" + line + b"\r\n")
    assert isinstance(rejected, c.ImapRejected)
    assert rejected.tag == "a"
    assert isinstance(command(greeted(), b"AUTHENTICATE X " + line), c.ImapRejected) == (line != b"=")
    only_noop_after(engine)


def test_challenges_are_base64() -> None:
    engine = greeted()
    assert engine.challenge(b"a" * 100).count(b"\r\n") == 1
    assert engine.challenge(b"\0") == b"+ AA==\r\n"


def test_starttls_discards_what_was_sent_in_the_clear() -> None:
    """IMAP-21"""
    engine = greeted(tls=False)
    engine.receive(b"a STARTTLS\r\nb LOGIN x {3}\r\nc NOOP\r\n")
    assert engine.next_event() == c.ImapStartTls("a")
    engine.tagged("a", "OK", "go")
    engine.tls_started()
    assert engine.tls
    assert engine.next_event() is NEED_DATA
    only_noop_after(engine)
    assert isinstance(command(engine, b"STARTTLS"), c.ImapRejected)


def test_idle_ends_with_done() -> None:
    """IMAP-08, IMAP-111"""
    session = Session(logged_in())
    assert session.feed(b"a IDLE\r\ndone\r\n", NOOP) == [c.Idle("a"), c.IdleDone(), c.ImapNoop("n")]
    assert session.sent.startswith(b"+ idling\r\n")


def test_idle_that_ends_with_another_command_is_bad() -> None:
    """IMAP-08"""
    idle, rejected, noop = events(logged_in(), b"a IDLE\r\nb NOOP\r\n", NOOP)
    assert idle == c.Idle("a")
    assert rejected == c.ImapRejected("a", "DONE is expected")
    assert noop == c.ImapNoop("n")


def test_states_of_a_session() -> None:
    """IMAP-25"""
    engine = greeted()
    engine.logged_in()
    engine.selected()
    assert engine.state is ImapState.SELECTED
    engine.unselected()
    assert engine.state is ImapState.AUTHENTICATED


@pytest.mark.parametrize("extension", ["utf8=accept", "IMAP4rev2"])
def test_names_are_utf8_once_it_is_enabled(extension: str) -> None:
    """IMAP-12, IMAP-140"""
    engine = logged_in()
    engine.enabled("CONDSTORE")
    assert not engine.utf8
    engine.enabled(extension)
    assert engine.utf8
    assert command(engine, 'SELECT "a&b/ä"'.encode()) == c.Select("a", "a&b/ä")
    assert command(engine, b"SELECT &AOQ-") == c.Select("a", "&AOQ-")
    assert command(engine, "CREATE {2+}\r\nä".encode()) == c.Create("a", "ä")
    assert isinstance(command(engine, b'SELECT "\xe4"'), c.ImapRejected)
