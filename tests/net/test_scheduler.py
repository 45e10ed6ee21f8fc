"""Coroutine tasks, and the run queue of busy connections, counted in events and turns of the reactor."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mailstack.net.peer import NetPeer
from mailstack.net.peer_state import HIGH_WATER
from mailstack.net.scheduler import BURST, PAUSE, QUANTUM, RATE, SLICE, SWITCH, UNQUEUED, RunQueue, Task
from mailstack.protocols.connection import Disconnected, LoggedOut, ShuttingDown, TimedOut
from tests.net.peers import Lines
from tests.net.test_peer_output import Wire


def test_a_coroutine_waits_for_deferreds_and_pauses_in_turn() -> None:
    first: Deferred[int] = Deferred()
    second: Deferred[int] = Deferred()
    told: list[object] = []
    ended: list[Failure | None] = []

    async def work() -> None:
        told.append(await first)
        await PAUSE
        try:
            await second
        except ZeroDivisionError:
            told.append("caught")

    task = Task(work(), ended.append)
    task.resume()
    first.callback(1)
    assert (told, ended) == ([1], [])
    task.resume()
    second.errback(Failure(ZeroDivisionError()))
    assert (told, ended) == ([1, "caught"], [None])
    assert second.result is None


def test_an_exception_ends_it_with_a_failure() -> None:
    ended: list[Failure | None] = []

    async def work() -> None:
        raise ZeroDivisionError

    Task(work(), ended.append).resume()
    (failure,) = ended
    assert failure is not None
    assert failure.check(ZeroDivisionError)


FLOOD = 400


class Turns(Clock):
    """A reactor's timers, a turn at a time: what is begun in a turn has its time in the next."""

    def turn(self) -> None:
        for call in [each for each in self.calls if each.getTime() <= self.seconds()]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def pass_by(self, seconds: float) -> None:
        """So much time, in which all that is due is done."""
        self.rightNow += seconds
        while any(each.getTime() <= self.seconds() for each in self.calls):
            self.turn()


class Server:
    """Connections that share a queue, and the lines that were served, in order."""

    def __init__(self) -> None:
        self.reactor = Turns()
        self.queue = RunQueue(self.reactor)
        self.served: list[bytes] = []
        self.endings: list[object] = []

    def connect(self, answer: bytes = b"") -> NetPeer[bytes]:
        async def converse(peer: NetPeer[bytes]) -> None:
            while isinstance(line := await peer.next_event(60), bytes):
                self.served.append(line)
                peer.send(answer)
            self.endings.append(line)

        peer = NetPeer(self.reactor, Lines(), session=converse, queue=self.queue)
        wire = Wire()
        wire.protocol = peer
        peer.makeConnection(wire)
        return peer

    def flood(self, number: int = FLOOD, line: bytes = b"noop\n", times: int = 1000) -> list[NetPeer[bytes]]:
        peers = [self.connect() for _ in range(number)]
        for peer in peers:
            peer.dataReceived(line * times)
        return peers

    def turn(self) -> list[bytes]:
        """What is served in one turn of the reactor."""
        begun = len(self.served)
        self.reactor.turn()
        return self.served[begun:]


@pytest.fixture
def server() -> Server:
    return Server()


def wire_of(peer: NetPeer[bytes]) -> Any:
    return peer.transport


def test_whole_letter_of_a_new_connection_is_served_at_once(server: Server) -> None:
    server.flood()
    assert len(server.queue._queue) == FLOOD
    good = server.connect()
    for number in range(BURST):
        assert len(server.turn()) <= SLICE
        good.dataReceived(b"%d\n" % number)
        assert server.served[-1] == b"%d" % number


def test_a_turn_ends_after_few_events_whatever_waits(server: Server) -> None:
    server.flood()
    assert len(server.served) == FLOOD * BURST
    for _ in range(100):
        served = len(server.turn())
        assert SLICE <= served + SWITCH * served // QUANTUM < SLICE + QUANTUM + SWITCH


def test_busy_connections_are_served_in_turn(server: Server) -> None:
    for number in range(5):
        server.connect().dataReceived(b"%d\n" % number * 200)
    del server.served[:]
    for _ in range(100):
        server.turn()
    a_round = b"".join(b"%d" % number * QUANTUM for number in range(5))
    served = b"".join(server.served)
    assert served[: 10 * len(a_round)] == a_round * 10
    assert len(server.served) == 5 * (200 - BURST)


def test_who_waits_for_each_answer_is_no_less_busy(server: Server) -> None:
    """400 that say NOOP, one at a time: a turn of theirs is an event each, and they count what they cost."""
    peers = server.flood(times=BURST)
    del server.served[:]
    for peer in peers:
        peer.dataReceived(b"again\n")
    assert len(server.served) <= UNQUEUED // (SWITCH + QUANTUM) + 1
    assert 1 <= len(server.turn()) <= SLICE // (SWITCH + 1) + 1
    good = server.connect()
    good.dataReceived(b"good\n")
    assert server.served[-1] == b"good"


def test_a_large_answer_costs_as_many_small_ones(server: Server) -> None:
    peer = server.connect(answer=b"x" * 8192)
    peer.dataReceived(b"list\n" * 100)
    assert len(server.served) < BURST // 2
    assert len(server.turn()) <= SLICE // 3


def test_an_idle_connection_is_served_at_once_again(server: Server) -> None:
    (peer,) = server.flood(1, times=BURST)
    server.flood()
    peer.dataReceived(b"busy\n")
    while b"busy" not in server.served:
        server.turn()
    server.reactor.rightNow += BURST / RATE
    for number in range(BURST):
        peer.dataReceived(b"%d\n" % number)
        assert server.served[-1] == b"%d" % number
    peer.dataReceived(b"busy again\n")
    assert server.served[-1] != b"busy again"


def test_busy_connections_are_served_at_once_while_none_waits(server: Server) -> None:
    peers = server.flood(10, times=BURST)
    for peer in peers:
        peer.dataReceived(b"again\n")
        assert server.served[-1] == b"again"
    assert server.reactor.calls == [peer._timer for peer in peers]


def test_what_a_busy_connection_sends_ahead_waits_in_the_network(server: Server) -> None:
    server.flood()
    (peer,) = server.flood(1, times=BURST)
    peer.dataReceived(b"one\n")
    assert wire_of(peer).producerState == "producing"
    peer.dataReceived(b"two\n")
    assert wire_of(peer).producerState == "paused"
    assert peer.engine.buffered < HIGH_WATER
    while b"two" not in server.served:
        assert server.turn()
    assert wire_of(peer).producerState == "producing"


def test_a_deadline_does_not_end_a_connection_whose_event_waits_for_its_turn(server: Server) -> None:
    (peer,) = server.flood(1, times=BURST)
    server.queue._is_scheduled = True  # very many are before it
    peer.dataReceived(b"late\n")
    server.reactor.pass_by(70)
    assert (server.served[-1], server.endings) == (b"noop", [])
    server.queue._run()
    assert server.served[-1] == b"late"
    server.reactor.pass_by(70)
    assert server.endings == [TimedOut(60)]


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_connection_that_ends_in_the_queue_ends_once(server: Server, *, is_waiting: bool) -> None:
    server.flood(10)
    (lost,) = server.flood(1, times=BURST if is_waiting else BURST + 5)
    if is_waiting:
        lost.dataReceived(b"last\n")
    wire_of(lost).loseConnection()
    while server.turn():
        pass
    assert len(server.endings) == 1
    assert isinstance(server.endings[0], Disconnected)


def test_a_server_that_stops_says_goodbye_to_those_in_the_queue(server: Server) -> None:
    peers = server.flood(10)
    for peer in peers:
        peer.stop()
    while server.turn():
        pass
    assert server.endings == [ShuttingDown()] * 10
    assert len(server.served) == 10_000


def test_a_connection_that_is_logged_out_in_the_queue_has_no_more_commands_served(server: Server) -> None:
    server.flood(10)
    (peer,) = server.flood(1, line=b"send\n")
    begun = server.served.count(b"send")
    peer.log_out()
    while server.turn():
        pass
    assert server.served.count(b"send") == begun
    assert server.endings == [LoggedOut()]
