"""APPEND and REPLACE: grammar, messages that stream, and refused ones."""

from __future__ import annotations

import pytest

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.imap import commands as c
from tests.protocols.cuts import CUTS, Cut
from tests.protocols.imap.engines import NOOP, Session, command, events, logged_in, only_noop_after, selected


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
