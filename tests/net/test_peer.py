"""Peer between two simulated hosts: waits, back-pressure, timeouts and endings."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.net.clock import ReactorClock
from mailstack.net.peer import FULL_READ, LARGE_READ, NetPeer
from mailstack.net.peer_state import HIGH_WATER, LINGER
from mailstack.net.scheduler import BURST
from mailstack.policy.limits import ConnectionLimiter
from mailstack.protocols.connection import ConnectFailed, Disconnected, LoggedOut, ShuttingDown, TimedOut
from tests.net.peers import Lines, Rig, echo

SERVER = "192.0.2.1"


def test_a_session_receives_and_answers(rig: Rig) -> None:
    peer = rig.connect(echo)
    peer.send(b"one\ntwo\n")
    assert [rig.receive(peer), rig.receive(peer)] == [b"one", b"two"]
    assert (peer.remote.host, peer.local.host) == (SERVER, "203.0.113.7")


def test_single_octets_do_not_extend_the_timeout(rig: Rig) -> None:
    """SMTP-28, TLS or not: a slow loris is cut after the time for one whole event."""
    received: list[object] = []

    async def wait(peer: NetPeer[bytes], engine: Lines) -> None:
        received.append((await peer.next_event(60), rig.reactor.seconds()))

    peer = rig.connect(wait)
    begun = rig.reactor.seconds()
    for _ in range(13):
        peer.send(b"x")
        rig.reactor.advance(5)
    ((event, at),) = received
    assert event == TimedOut(60)
    assert at - begun == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize(
    ("line", "size"), [(b"x" * 8191 + b"\n", LARGE_READ), (b"\n", FULL_READ)], ids=["large", "many"]
)
def test_reads_grow_after_a_full_one_unless_commands_pile_up(rig: Rig, line: bytes, size: int, *, busy: bool) -> None:
    """BURST lines are served at once: all that a read of large ones brings, and next to nothing of small ones."""
    peers: list[NetPeer[bytes]] = []

    async def read(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        while isinstance(await peer.next_event(60), bytes):
            pass

    client = rig.connect(read)
    if busy:
        client.send(b"busy\n" * 100)
    rig.reactor.advance(0.1)
    (peer,) = peers
    transport: Any = peer.transport
    assert transport.bufferSize == FULL_READ
    peer.dataReceived(line * (FULL_READ // len(line)))
    rig.reactor.advance(0)
    assert transport.bufferSize == size
    client.abort()


def test_a_logged_out_client_gets_a_last_reply_and_no_answer_to_pipelined_commands(rig: Rig) -> None:
    peers: list[NetPeer[bytes]] = []
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        await peer.next_event(60)
        peer.log_out()
        ended.append(await peer.next_event(60))
        peer.send(b"logged out\n")

    client = rig.connect(talk)
    client.send(b"one\ntwo\nthree\n")
    assert rig.receive(client) == b"logged out"
    assert ended == [LoggedOut()]
    assert isinstance(rig.receive(client), Disconnected)


def test_a_logged_out_client_that_reads_nothing_is_dropped(rig: Rig) -> None:
    """Within a second, whatever the conversation waits for."""
    peers: list[NetPeer[bytes]] = []
    drained: list[bool] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        peer.pauseProducing()
        drained.append(await peer.drain(600))
        await Deferred()

    client = rig.connect(talk)
    rig.reactor.advance(1)
    peers[0].log_out()
    assert drained == [False]
    begun = rig.reactor.seconds()
    assert isinstance(rig.receive(client), Disconnected)
    assert rig.reactor.seconds() - begun < 1


def test_a_connection_has_a_lifetime(rig: Rig) -> None:
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(event + b"\n")
        ended.append((event, rig.reactor.seconds()))

    peer = rig.connect(talk, lifetime=300.0)
    begun = rig.reactor.seconds()
    for _ in range(20):
        peer.send(b"again\n")
        rig.reactor.advance(20)
    ((event, at),) = ended
    assert isinstance(event, TimedOut)
    assert at - begun == pytest.approx(300, abs=0.1)


def test_reading_stops_while_the_session_is_busy(rig: Rig) -> None:
    """Memory stays flat, however much a client sends ahead."""
    engines: list[Lines] = []

    async def busy(peer: NetPeer[bytes], engine: Lines) -> None:
        engines.append(engine)
        await peer.next_event(60)
        await ReactorClock(rig.host).pause(1000)

    peer = rig.connect(busy)
    peer.send(b"go\n" + b"x" * 10_000_000)
    rig.reactor.advance(100)
    assert HIGH_WATER < engines[0].buffered < 4 * HIGH_WATER


def test_drain_waits_for_a_slow_reader_until_its_timeout(rig: Rig) -> None:
    drained: list[object] = []

    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        for _ in range(1000):
            peer.send(b"y" * 65536)
            if not await peer.drain(30):
                drained.append(rig.reactor.seconds())
                peer.abort()
                return

    peer = rig.connect(pour)
    peer.transport.pauseProducing()
    begun = rig.reactor.seconds()
    peer.send(b"go\n")
    rig.reactor.advance(100)
    assert drained == [pytest.approx(begun + 30, abs=1)]


def test_a_refused_connection(rig: Rig) -> None:
    with pytest.raises(ConnectFailed, match="refused"):
        rig.call()


def test_too_many_connections_are_refused(rig: Rig) -> None:
    """SMTP-26"""
    rig.listen(echo, limits=ConnectionLimiter(10, 2))
    first, second, third = rig.call(), rig.call(), rig.call()
    assert rig.receive(third) == b"421"
    assert isinstance(rig.receive(third), Disconnected)
    first.close()
    rig.reactor.advance(1)
    fourth = rig.call()
    for peer in (second, fourth):
        peer.send(b"still here\n")
        assert rig.receive(peer) == b"still here"


def test_a_stopped_listener_lets_sessions_send_a_last_reply(rig: Rig) -> None:
    async def polite(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(event + b"\n")
        if isinstance(event, ShuttingDown):
            peer.send(b"goodbye\n")

    listener = rig.listen(polite)
    peer = rig.call()
    peer.send(b"hello\n")
    assert rig.receive(peer) == b"hello"
    rig.reactor.result_of(listener.stop_listening())
    assert rig.receive(peer) == b"goodbye"
    rig.reactor.result_of(listener.wait_until_empty(10))
    with pytest.raises(ConnectFailed):
        rig.call()


def test_a_client_that_never_reads_the_rest_does_not_keep_the_connection_open(rig: Rig) -> None:
    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        peer.send(b"z" * 10_000_000)

    listener = rig.listen(pour)
    peer = rig.call()
    peer.transport.pauseProducing()
    peer.send(b"go\n")
    rig.reactor.advance(LINGER + 5)
    begun = rig.reactor.seconds()
    rig.reactor.result_of(listener.wait_until_empty(60))
    assert rig.reactor.seconds() == begun


def test_thousands_of_commands_in_one_read_delay_other_connections_by_one_turn(rig: Rig) -> None:
    """SMTP-26"""
    received: list[bytes] = []

    async def note(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(line := await peer.next_event(60), bytes):
            received.append(line)

    rig.listen(note)
    greedy, modest = rig.call(), rig.call()
    greedy.send(b"noop\n" * 3000)
    modest.send(b"a word\n")
    rig.reactor.advance(1)
    assert len(received) == 3001
    # Both came in the same instant: whoever was first, the other waited for one turn at most.
    assert received.index(b"a word") <= BURST + 1


def test_a_connection_lost_in_the_run_queue_ends(rig: Rig) -> None:
    ended: list[object] = []

    async def note(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(line := await peer.next_event(60), bytes):
            if line == b"hang up":
                peer.abort()
        ended.append(line)

    peer = rig.connect(note)
    peer.send(b"noop\n" * (BURST - 1) + b"hang up\n" + b"noop\n" * 300)
    rig.reactor.advance(1)
    assert len(ended) == 1
    assert isinstance(ended[0], Disconnected)


def test_an_exception_in_a_session_is_logged_and_closes_only_its_connection(rig: Rig) -> None:
    async def faulty(peer: NetPeer[bytes], engine: Lines) -> None:
        if await peer.next_event(60) == b"crash":
            raise ZeroDivisionError
        peer.send(b"fine\n")

    rig.listen(faulty)
    peer, other = rig.call(), rig.call()
    peer.send(b"crash\n")
    with pytest.raises(ZeroDivisionError):
        rig.reactor.advance(1)
    assert isinstance(rig.receive(peer), Disconnected)
    other.send(b"hello\n")
    assert rig.receive(other) == b"fine"


def test_a_closed_connection_has_its_whole_linger_time(rig: Rig) -> None:
    """A deadline of the conversation that falls into it cuts nothing."""

    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        peer.send(b"z" * 1_000_000 + b"\n")

    peer = rig.connect(pour)
    rig.reactor.advance(59)
    peer.transport.pauseProducing()
    peer.send(b"go\n")
    rig.reactor.advance(LINGER / 2)
    peer.transport.resumeProducing()
    assert len(rig.receive(peer)) == 1_000_000


def test_a_session_waits_until_its_replies_are_read(rig: Rig) -> None:
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        answered = 0
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(b"y" * 10_000 + b"\n")
            answered += 1
        ended.append((event, answered < 100))

    peer = rig.connect(talk)
    peer.transport.pauseProducing()
    peer.send(b"again\n" * 1000)
    rig.reactor.advance(70)
    assert ended == [(TimedOut(60), True)]
