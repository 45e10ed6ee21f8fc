"""Output of a peer: replies to pipelined commands go out together."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection

from mailstack.net.peer import NetPeer
from mailstack.net.peer_state import HIGH_WATER
from mailstack.net.scheduler import BURST
from tests.net.peers import Lines


class Wire(StringTransportWithDisconnection):
    """Remembers what was written at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def abortConnection(self) -> None:  # noqa: N802  # as Twisted has it
        self.loseConnection()


def serve(conversation: Callable[[NetPeer[bytes]], Coroutine[Any, Any, None]]) -> tuple[NetPeer[bytes], Wire, Clock]:
    clock, wire = Clock(), Wire()
    peer = NetPeer(clock, Lines(), session=conversation)
    wire.protocol = peer
    peer.makeConnection(wire)
    return peer, wire, clock


async def echo(peer: NetPeer[bytes]) -> None:
    while isinstance(event := await peer.next_event(60), bytes):
        peer.send(event + b"\n")
        if not await peer.drain(60):
            break


def test_answers_to_what_came_together_go_out_as_one() -> None:
    peer, wire, _ = serve(echo)
    peer.dataReceived(b"1\n2\n3\n")
    peer.dataReceived(b"4\n")
    assert wire.written == [b"1\n2\n3\n", b"4\n"]


def test_no_answer_waits_for_a_command_that_is_not_whole() -> None:
    peer, wire, _ = serve(echo)
    peer.dataReceived(b"1\n2\n3")
    assert wire.written == [b"1\n2\n"]


def test_no_answer_waits_while_the_conversation_does() -> None:
    waiting: Deferred[None] = Deferred()

    async def converse(peer: NetPeer[bytes]) -> None:
        while isinstance(event := await peer.next_event(60), bytes):
            if event == b"slow":
                await waiting
            peer.send(event + b"\n")

    peer, wire, _ = serve(converse)
    peer.dataReceived(b"1\n2\nslow\n4\n")
    assert wire.written == [b"1\n2\n"]
    waiting.callback(None)
    assert wire.written == [b"1\n2\n", b"slow\n4\n"]


@pytest.mark.parametrize("end", ["close", "abort", "fail"])
def test_what_was_said_is_sent_before_the_end(end: str) -> None:
    async def converse(peer: NetPeer[bytes]) -> None:
        await peer.next_event(60)
        peer.send(b"bye\n")
        if end == "fail":
            raise KeyboardInterrupt  # the worst that can be
        peer.abort() if end == "abort" else peer.close()

    peer, wire, _ = serve(converse)
    peer.dataReceived(b"quit\nmore\n")
    assert wire.written == [b"bye\n"]
    assert not wire.connected


def test_no_more_is_held_back_than_a_small_amount() -> None:
    piece = b"x" * 10_000

    async def converse(peer: NetPeer[bytes]) -> None:
        while isinstance(await peer.next_event(60), bytes):
            for _ in range(20):
                peer.send(piece)

    peer, wire, _ = serve(converse)
    peer.dataReceived(b"1\n2")
    assert b"".join(wire.written) == piece * 20
    assert max(map(len, wire.written)) < HIGH_WATER + len(piece)
    assert len(wire.written) == 3


def test_busy_client_gets_its_replies_when_others_have_their_turn() -> None:
    peer, wire, clock = serve(echo)
    peer.dataReceived(b"x\n" * (BURST + 20))
    assert BURST <= b"".join(wire.written).count(b"\n") < BURST + 20
    clock.advance(0)
    assert b"".join(wire.written).count(b"\n") == BURST + 20
