"""COMPRESS=DEFLATE: input in any cut, output that can be inflated at once, and bombs."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.compression import MAX_PENDING, DeflatingPeer
from mailstack.protocols.imap.server import ImapServerEngine
from tests.clock import HandClock
from tests.protocols.cuts import CUTS, Cut
from tests.protocols.imap.engines import Session, events, selected
from tests.protocols.pop3.pair import MemoryPeer


def deflated(*pieces: bytes) -> bytes:
    """The pieces as a client sends them, each flushed."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) for piece in pieces])


def compressed() -> ImapServerEngine:
    engine = selected()
    assert events(engine, b"z COMPRESS deflate\r\n") == [c.Compress("z", "DEFLATE")]
    engine.compression_started()
    assert engine.is_compressed
    return engine


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_compressed_input_in_any_cut(cut: Cut) -> None:
    """IMAP-29"""
    octets = deflated(
        b"a NOOP\r\nb SEARCH TEXT {5+}\r\n", b"hello\r\nc APPEND x {100000+}\r\n", b"x" * 100_000 + b"\r\n"
    )
    session = Session(compressed())
    noop, search, append, message, end = session.feed(*cut(octets))
    assert (noop.tag, search.tag, append.tag) == ("a", "b", "c")
    assert message == c.MessageOctets(b"x" * 100_000)
    assert end == c.AppendEnd()
    assert session.engine.buffered == 0


def test_what_was_sent_too_early_is_discarded() -> None:
    """IMAP-29"""
    engine = selected()
    engine.receive(b"a COMPRESS DEFLATE\r\nb NOOP\r\n")
    assert engine.next_event() == c.Compress("a", "DEFLATE")
    engine.tagged("a", "OK", "done")
    engine.compression_started()
    assert events(engine, deflated(b"c NOOP\r\n")) == [c.ImapNoop("c")]


@pytest.mark.parametrize("octets", [b"a NOOP\r\n\xff\xff", b"\x03\x00", zlib.compress(b"a NOOP\r\n")])
def test_input_that_is_not_deflate_ends_the_session(octets: bytes) -> None:
    """IMAP-29"""
    engine = compressed()
    [rejected] = events(engine, octets)
    assert isinstance(rejected, c.ImapRejected)
    assert rejected.is_fatal
    assert events(engine, deflated(b"c NOOP\r\n")) == []


def test_a_bomb_ends_the_session() -> None:
    """IMAP-29: input that expands a thousandfold is never held whole."""
    engine = compressed()
    bomb = b"a FROB {50000000+}\r\n" + b"x" * 10 * MAX_PENDING
    first, second = events(engine, deflated(bomb))
    assert first == c.ImapRejected("a", "the command is unknown")
    assert second == c.ImapRejected("*", "the compressed input expands too much", is_fatal=True)
    [rejected] = events(compressed(), deflated(b"x" * MAX_PENDING))
    assert rejected.text == "the line is too long"


@given(st.lists(st.binary(max_size=3000), max_size=10))
def test_each_piece_of_output_can_be_inflated_at_once(pieces: list[bytes]) -> None:
    """IMAP-29: what mox's issue was, a partial flush."""
    received: list[Any] = []
    inflater = zlib.decompressobj(-15)
    peer: MemoryPeer[Any] = MemoryPeer(selected(), HandClock(), received.append, remote=HostPort("192.0.2.1", 143))
    deflating = DeflatingPeer(peer)
    for piece in pieces:
        deflating.send(piece)
        inflated = b"".join([inflater.decompress(octets) for octets in received])
        assert inflated == piece
        received.clear()


def test_nothing_is_pending_without_input() -> None:
    assert compressed().next_event() is NEED_DATA
