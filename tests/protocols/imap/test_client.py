"""IMAP client engine: commands, literals, responses, and servers that break the rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.client import (
    CommandString,
    ImapClientEngine,
    ImapContinuation,
    ImapData,
    ImapStatusResponse,
    ImapViolation,
)
from mailstack.protocols.imap.response_values import MalformedResponse, parse_values
from tests.protocols.cuts import CUTS, Cut, one_at_a_time, whole

GREETING = b"* OK [CAPABILITY IMAP4rev1] hello\r\n"


def events(engine: ImapClientEngine, octets: bytes, cut: Cut = whole) -> list[Any]:
    found: list[Any] = []
    for piece in cut(octets):
        engine.receive(piece)
        while (event := engine.next_event()) is not NEED_DATA:
            found.append(event)
            if isinstance(event, ImapViolation):
                return found
    return found


def greeted(**limits: int) -> ImapClientEngine:
    engine = ImapClientEngine(**limits)
    assert events(engine, GREETING) == [ImapStatusResponse("*", "OK", "hello", "CAPABILITY IMAP4rev1")]
    return engine


def values(octets: bytes) -> Any:
    [event] = events(greeted(), b"* X " + octets + b"\r\n")
    assert isinstance(event, ImapData), event
    return event.values


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_responses_in_any_cut(cut: Cut) -> None:
    """IMAP-06"""
    engine = greeted()
    assert engine.command(b"FETCH 1 (BODY[])") == ("A1", b"A1 FETCH 1 (BODY[])\r\n")
    octets = (
        b'* 12 FETCH (FLAGS (\\Seen) BODY[] {8}\r\n{3}\r\n\x00\r\n BODY[HEADER.FIELDS (Date "X Y")]<0> NIL UID 5)\r\n'
        b'* LIST () "/" &ZeVnLIqe-\r\n* SEARCH\r\n* BYE [alert x] bye\r\n+ idling\r\n+\r\nA1 no [trycreate] {5}\r\n'
    )
    found = events(engine, octets, cut)
    body = ("FLAGS", ("\\Seen",), "BODY[]", b"{3}\r\n\x00\r\n", 'BODY[HEADER.FIELDS (Date "X Y")]<0>', None, "UID", "5")
    assert found == [
        ImapData("FETCH", 12, (body,), 95),
        ImapData("LIST", None, ((), b"/", "&ZeVnLIqe-"), 26),
        ImapData("SEARCH", None, (), 10),
        ImapStatusResponse("*", "BYE", "bye", "ALERT x"),
        ImapContinuation("idling"),
        ImapContinuation(""),
        ImapStatusResponse("A1", "NO", "{5}", "TRYCREATE"),
    ]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"a 1 nil \\* +x", ("a", "1", None, "\\*", "+x")),
        (b'"a\\"\\\\b" ""', (b'a"\\b', b"")),
        (b"()(a)((b) c)", ((), ("a",), (("b",), "c"))),
        (b"~{3}\r\n\0\r\n x", (b"\0\r\n", "x")),
        (b"{0}\r\n{2}\r\nhi", (b"", b"hi")),
        ("x é".encode(), ("x", "é")),
        (b"BODY[]<0> BINARY[1.2]", ("BODY[]<0>", "BINARY[1.2]")),
        (b'NIL "NIL"', (None, b"NIL")),
    ],
)
def test_values(octets: bytes, expected: Any) -> None:
    assert values(octets) == expected


@pytest.mark.parametrize(
    "octets", [b"(", b")", b"a)", b'"', b'"x', b"\x00", b"{5", b"]", b"x[", b"(" * 200 + b")" * 200, b"{a}", b"x {3} y"]
)
def test_malformed_values_are_a_violation(octets: bytes) -> None:
    """IMAP-09"""
    engine = greeted()
    assert isinstance(events(engine, b"* X " + octets + b"\r\n")[-1], ImapViolation)
    assert isinstance(events(engine, b"* OK\r\n")[-1], ImapViolation)
    assert engine.buffered == 0


@pytest.mark.parametrize(
    "octets",
    [b"\r\n", b"A9 OK\r\n", b"A1\r\n", b"* \r\n", b"* 1\r\n", b"* 99999999999999999999 EXISTS\r\n", b"A1 BYE\r\n",
     b"A1 FETCH\r\n", b"* OK\n", b"x" * 70 + b" OK\r\n", b"* X " + b"a" * 300 + b"\r\n", b"* X {500}\r\n"],
)  # fmt: skip
def test_what_is_not_imap_is_a_violation(octets: bytes) -> None:
    engine = greeted(line_limit=200, response_limit=400)
    engine.command(b"NOOP")
    assert isinstance(events(engine, octets)[-1], ImapViolation)


@pytest.mark.parametrize("octets", [b"* 1 EXISTS\r\n", b"+OK POP3\r\n", b"220 smtp\r\n", b"* NO x\r\n", b"A1 OK\r\n"])
def test_a_server_begins_with_a_greeting(octets: bytes) -> None:
    """IMAP-01"""
    assert isinstance(events(ImapClientEngine(), octets)[-1], ImapViolation)


def test_a_tag_is_answered_once() -> None:
    engine = greeted()
    engine.command(b"NOOP")
    *_, last = events(engine, b"A1 OK\r\nA1 OK\r\n")
    assert last == ImapViolation("a response has the tag of no command")


def test_arguments_are_written_as_they_need() -> None:
    """IMAP-10"""
    engine = greeted()
    tag, first = engine.command(b"LOGIN", CommandString(b"bob"), CommandString(b'a"b'))
    assert (tag, first) == ("A1", b'A1 LOGIN bob "a\\"b"\r\n')
    assert not engine.is_waiting
    tag, first = engine.command(b"LOGIN", CommandString(b"\r\n"), CommandString("é".encode()), b"x")
    assert first == b"A2 LOGIN {2}\r\n"
    assert engine.is_waiting
    assert engine.next_part() == b"\r\n {2}\r\n"
    assert engine.next_part() == "é x\r\n".encode()
    assert not engine.is_waiting
    engine.is_literal_plus = True
    assert engine.command(b"X", CommandString(b"}\r"))[1] == b"A3 X {2+}\r\n}\r\r\n"


def test_a_message_is_a_literal() -> None:
    engine = greeted()
    assert engine.append(b"APPEND", CommandString(b"x"), message=b"hi") == ("A1", b"A1 APPEND x {2}\r\n")
    assert engine.next_part() == b"hi\r\n"
    engine.is_literal_plus = True
    assert engine.append(b"APPEND", CommandString(b"x"), message=b"hi") == ("A2", b"A2 APPEND x {2+}\r\nhi\r\n")


def test_a_refused_command_sends_nothing_more() -> None:
    """IMAP-04"""
    engine = greeted()
    engine.append(b"APPEND x", message=b"hi")
    assert events(engine, b"A1 NO [TRYCREATE] no\r\n") == [ImapStatusResponse("A1", "NO", "no", "TRYCREATE")]
    assert not engine.is_waiting


def test_an_argument_is_part_of_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        greeted().command(b"NOOP\r\nA2 LOGOUT")


def test_tls_starts_with_nothing_from_before() -> None:
    """IMAP-21"""
    engine = greeted()
    engine.command(b"STARTTLS")
    engine.receive(b"A1 OK\r\n* CAPABILITY INJECTED\r\n")
    engine.next_event()
    engine.tls_started()
    assert engine.next_event() is NEED_DATA
    assert engine.command(b"CAPABILITY")[0] == "A2"


ATOMS = st.text("abc123$.\\-+", min_size=1, max_size=8).filter(lambda text: text.upper() != "NIL")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(ATOMS, st.binary(max_size=30), st.none()), lambda inner: st.lists(inner, max_size=4).map(tuple)
)


def written(value: Any) -> bytes:
    """The value as a server writes it."""
    if isinstance(value, tuple):
        return b"(%b)" % b" ".join(map(written, value))
    return value.encode() if isinstance(value, str) else responses.nstring(value)


def without_nul(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(without_nul, value))
    return value.replace(b"\0", b"?") if isinstance(value, bytes) else value


@given(st.lists(VALUES, max_size=4))
def test_values_are_read_as_they_were_written(sent: list[Any]) -> None:
    """IMAP-10: the responses of the server, read by the client."""
    assert values(b" ".join(map(written, sent))) == without_nul(tuple(sent))


@given(st.lists(st.binary(max_size=20) | st.sampled_from(
    [b"* OK x\r\n", b"A1 OK\r\n", b"A2 NO [X y] z\r\n", b"+ \r\n", b"* 1 FETCH (", b"{3}\r\n", b"~{1}\r\n", b")\r\n", b'"a\\"']
)))  # fmt: skip
def test_any_octets_give_events_or_a_violation_the_same_in_any_cut(words: list[bytes]) -> None:
    """IMAP-130"""

    def asked() -> ImapClientEngine:
        engine = greeted(line_limit=64, response_limit=100)
        engine.command(b"NOOP")
        engine.command(b"NOOP")
        return engine

    octets = b"".join(words)
    assert events(asked(), octets, one_at_a_time) == events(asked(), octets)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=3), st.lists(st.binary(max_size=5), max_size=3))
def test_any_lines_are_values_or_malformed(lines: list[bytes], literals: list[bytes]) -> None:
    """IMAP-130"""
    try:
        parse_values(lines, literals)
    except MalformedResponse:
        return
