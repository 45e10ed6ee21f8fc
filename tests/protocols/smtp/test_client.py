"""Replies out of octets: read by their digits, bounded, and never an exception (RFC 5321 §4.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter import Status
from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.smtp.client import ClientEngine, MalformedReply, Received, ReplyLimits
from mailstack.protocols.smtp.commands import LocalProtocolError
from mailstack.protocols.smtp.replies import Reply
from tests.protocols.cuts import one_at_a_time


def hear(*pieces, engine=None):
    engine = engine or ClientEngine()
    events = []
    for piece in pieces:
        engine.receive(piece)
        while (event := engine.next_event()) is not NEED_DATA:
            events.append(event)
    return events


@pytest.mark.parametrize(
    ("octets", "reply"),
    [
        (b"250 OK\r\n", Reply(250, "OK")),
        (b"250\r\n", Reply(250, "")),
        (b"250 \r\n", Reply(250, "")),
        (b"250 2.1.5 OK\r\n", Reply(250, "OK", Status(2, 1, 5))),
        (b"250 2.1.5\r\n", Reply(250, "", Status(2, 1, 5))),
        (b"250 5.1.5 OK\r\n", Reply(250, "5.1.5 OK")),
        (b"250 2.1.5.1 OK\r\n", Reply(250, "2.1.5.1 OK")),
        (b"550-5.7.1 no\r\n550-5.7.1 never\r\n550 5.7.1 go\r\n", Reply(550, "no\nnever\ngo", Status(5, 7, 1))),
        (b"250-one\r\n250 two\r\n", Reply(250, "one\ntwo")),
        (b"299 odd\r\n", Reply(299, "odd")),
        (b"250\ttab\r\n", Reply(250, "tab")),
        (b"250 \xc3\xa5\x1b[2J\r\n", Reply(250, "???[2J")),
        (b"250 bare\n", Reply(250, "bare")),
        (b"250-first\r\n550 last\r\n", Reply(550, "first\nlast")),
        (b"421 4.3.2 bye\r\n", Reply(421, "bye", Status(4, 3, 2), closes=True)),
    ],
)
def test_a_reply_is_read_by_its_digits(octets, reply):
    """RLY-12."""
    for pieces in ([octets], one_at_a_time(octets)):
        assert hear(*pieces) == [Received(reply)]


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", b"150 preliminary\r\n", b"600 x\r\n", b"25 x\r\n",
        b"2500 x\r\n", b" 250 x\r\n", b"\x15\x03\x01\x00\x02\r\n", "\u0662\u0665\u0660 x\r\n".encode(),
    ],
)  # fmt: skip
def test_what_is_no_reply_is_malformed_once_and_for_all(octets):
    (event,) = hear(octets + b"250 OK\r\n", b"250 OK\r\n")
    assert isinstance(event, MalformedReply)
    assert event.reason.isascii()


def test_a_reply_without_end_is_given_up():
    limits = ReplyLimits(line=100, lines=10, octets=500)
    for flood in (b"x" * 101, b"250-x\r\n" * 11, (b"250-" + b"x" * 90 + b"\r\n") * 6):
        engine = ClientEngine(limits)
        assert [type(event) for event in hear(flood, b"y" * 10_000, engine=engine)] == [MalformedReply]
        assert engine.buffered == 0


@given(
    st.lists(
        st.sampled_from([b"250", b"-", b" ", b"\r\n", b"\n", b"\r", b"5.1.1", b"x", b"\xff"]) | st.binary(max_size=4)
    )
)
def test_every_cut_tells_the_same(words):
    octets = b"".join(words)
    assert hear(octets) == hear(*one_at_a_time(octets))


def test_ehlo_tells_the_extensions():
    """RLY-11."""
    engine = ClientEngine()
    assert engine.command("EHLO c.test") == b"EHLO c.test\r\n"
    hear(
        b"250-mx.home.test SIZE 5\r\n250-size 1000\r\n250-AUTH=LOGIN PLAIN\r\n250-*\r\n250 8BITMIME\r\n", engine=engine
    )
    assert engine.extensions == {"SIZE": "1000", "AUTH": "LOGIN PLAIN", "8BITMIME": ""}
    engine.command("NOOP")
    hear(b"250-x\r\n250 STARTTLS\r\n", engine=engine)
    assert "STARTTLS" not in engine.extensions


@pytest.mark.parametrize("octets", [b"502 what?\r\n", b"550-no\r\n550 SIZE 10\r\n"])
def test_a_refused_ehlo_offers_nothing(octets):
    engine = ClientEngine()
    engine.extensions = {"SIZE": "5"}
    engine.command("ehlo c.test")
    hear(octets, engine=engine)
    assert engine.extensions == {}


def test_helo_offers_nothing():
    engine = ClientEngine()
    engine.command("HELO c.test")
    hear(b"250-x\r\n250 SIZE 10\r\n", engine=engine)
    assert engine.extensions == {}


def test_tls_makes_a_client_forget():
    """TLS-02, TLS-04: what was said in the clear doesn't count, nor what was slipped in behind it."""
    engine = ClientEngine()
    engine.command("EHLO c.test")
    hear(b"250-x\r\n250 SIZE 10\r\n", engine=engine)
    engine.receive(b"250-injected\r\n250 AUTH PLAIN\r\n250-half")
    engine.tls_started()
    assert (engine.extensions, engine.buffered, engine.next_event()) == ({}, 0, NEED_DATA)
    assert hear(b"250 OK\r\n", engine=engine) == [Received(Reply(250, "OK"))]


@pytest.mark.parametrize("line", ["NOOP\r\nQUIT", "NOOP\n", "a\rb", "a\0b", "MAIL FROM:<\u00e5@b.test>"])
def test_a_command_is_one_line_of_ascii(line):
    """SMUG-04."""
    with pytest.raises(LocalProtocolError):
        ClientEngine().command(line)
