"""The client's engine, and the unstuffing of texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.line_buffer import DotStuffer, DotUnstuffer
from mailstack.protocols.pop3.client import End, Pop3ClientEngine, Pop3Response, Prompt, Text, Violation
from tests.protocols.cuts import in_pieces_of, one_at_a_time, whole

DOTTY = st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a", b"..", b"\r\n.\r\n"]), max_size=30).map(b"".join)
CUTS = st.sampled_from([whole, one_at_a_time]) | st.lists(st.integers(1, 9), min_size=1, max_size=5).map(
    lambda sizes: in_pieces_of(*sizes)
)


def events(engine: Pop3ClientEngine, octets: bytes, cut: Any = whole) -> list[Any]:
    """All events, texts joined."""
    found: list[Any] = []
    for piece in cut(octets):
        engine.receive(piece)
        while not isinstance(event := engine.next_event(), Signal | Violation):
            if isinstance(event, Text) and found and isinstance(found[-1], Text):
                found[-1] = Text(found[-1].octets + event.octets)
            else:
                found.append(event)
        if isinstance(event, Violation):
            return [*found, event]
    return found


@given(DOTTY, CUTS, CUTS)
def test_what_was_stuffed_comes_back_in_any_cut(text: bytes, cut_out: Any, cut_in: Any) -> None:
    """POP-07"""
    stuffer, unstuffer = DotStuffer(), DotUnstuffer()
    wire = b"".join([stuffer.feed(piece) for piece in cut_out(text)]) + stuffer.finish()
    got = b"".join([unstuffer.feed(piece) for piece in cut_in(wire)])
    assert unstuffer.ended
    assert got == (text if text.endswith(b"\r\n") or not text else text + b"\r\n")


def test_what_stands_behind_the_end_mark_is_kept() -> None:
    unstuffer = DotUnstuffer()
    assert unstuffer.feed(b"a\r\n.\r\n+OK\r\n") == b"a\r\n"
    assert unstuffer.remainder == b"+OK\r\n"


@given(CUTS)
def test_pipelined_responses_in_order(cut: Any) -> None:
    engine = Pop3ClientEngine()
    sent = engine.command(b"LIST", multiline=True) + engine.command(b"RETR 9", multiline=True) + engine.command(b"STAT")
    assert sent == b"LIST\r\nRETR 9\r\nSTAT\r\n"
    octets = b"+OK hello\r\n+OK 1\r\n1 5\r\n..\r\n.\r\n-ERR [SYS/TEMP] later\r\n+OK 0 0\r\n"
    assert events(engine, octets, cut) == [
        Pop3Response(True, "hello"),
        Pop3Response(True, "1"),
        Text(b"1 5\r\n.\r\n"),
        End(),
        Pop3Response(False, "later", "SYS/TEMP"),
        Pop3Response(True, "0 0"),
    ]


def test_prompts_come_before_the_response_to_auth() -> None:
    engine = Pop3ClientEngine()
    engine.command(b"AUTH LOGIN")
    assert events(engine, b"+OK\r\n+ \r\n+ VXNlcm5hbWU6\r\n+OK\r\n") == [
        Pop3Response(True, ""),
        Prompt(b""),
        Prompt(b"Username:"),
        Pop3Response(True, ""),
    ]
    assert engine.respond(b"bob") == b"Ym9i\r\n"
    assert engine.respond(None) == b"*\r\n"


@pytest.mark.parametrize(
    "octets", [b"220 smtp\r\n", b"+OK\r\n+OK again\r\n", b"+OK\n", b"+ !\r\n", b"+OK" + b"x" * 20000, b"+ok\r\n"]
)
def test_what_is_not_pop3_is_a_violation_for_good(octets: bytes) -> None:
    engine = Pop3ClientEngine()
    assert isinstance(events(engine, octets)[-1], Violation)
    assert isinstance(events(engine, b"+OK\r\n")[-1], Violation)


def test_tls_starts_with_nothing_from_before() -> None:
    engine = Pop3ClientEngine()
    engine.command(b"STLS")
    engine.receive(b"+OK\r\n+OK\r\n+OK injected\r\n")
    engine.next_event()
    engine.next_event()
    engine.tls_started()
    assert engine.next_event() is NEED_DATA
    engine.command(b"STAT")
    assert engine.next_event() is NEED_DATA


def test_a_command_is_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        Pop3ClientEngine().command(b"USER a\r\nDELE 1")


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"+OK\r\n", b"-ERR x\r\n", b".\r\n", b"+ QQ==\r\n"])))
def test_any_octets_give_events_or_a_violation_the_same_in_any_cut(words: list[bytes]) -> None:
    def asked() -> Pop3ClientEngine:
        engine = Pop3ClientEngine(line_limit=64)
        engine.command(b"LIST", multiline=True)
        engine.command(b"NOOP")
        return engine

    octets = b"".join(words)
    assert events(asked(), octets, one_at_a_time) == events(asked(), octets)
