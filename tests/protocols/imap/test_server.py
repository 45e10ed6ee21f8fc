"""IMAP server engine: literals, authentication, IDLE, pipelining, TLS and limits."""

from __future__ import annotations

import pytest

from mailstack.protocols.connection import NEED_DATA, PAUSED
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.command_table import ImapState
from tests.protocols.cuts import CUTS, Cut
from tests.protocols.imap.engines import NOOP, Session, command, events, greeted, logged_in, only_noop_after, selected


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


def test_hundreds_of_literals_are_no_recursion() -> None:
    """IMAP-09: as many as a search of 1,000 keys has; more end the session."""
    engine = selected()
    event = command(engine, b"SEARCH " + b"HEADER {1+}\r\na {0+}\r\n " * 999 + b"ALL")
    assert isinstance(event, c.Search)
    only_noop_after(engine)
    [event] = events(engine, b"a LIST " + b"{0+}\r\n" * 5000 + b"\r\n", NOOP)
    assert event == c.ImapRejected("a", "the command has too many literals", is_fatal=True)
    refused = b"a FROB " + b"{0+}\r\n" * 5000 + b"\r\n"
    assert events(logged_in(), refused + NOOP)[1:] == [c.ImapNoop("n")]


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
