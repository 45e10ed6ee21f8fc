"""Flow control: a slow reader pauses the writer, and octets stay complete and in order."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from mailstack.sandbox.simulation import Path, SimulatedReactor
from tests.sandbox.simulation.protocols import Pair, Recorder, start_tls


@implementer(IPushProducer)
class Push:
    """Writes 64 KiB at a time until it is told to pause."""

    def __init__(self, transport, octets):
        self.transport, self.left = transport, octets
        self.running, self.stopped, self.pauses = False, False, 0
        transport.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self):
        self.running = True
        while self.running and self.left:
            count = min(self.left, 65536)
            self.left -= count
            self.transport.write(bytes(count))
        if not self.left:
            self.transport.unregisterProducer()

    def pauseProducing(self):
        self.running, self.pauses = False, self.pauses + 1

    def stopProducing(self):
        self.stopped = True


def test_ten_megabytes_pass_a_reader_who_pauses_in_bounded_memory():
    class Slow(Recorder):
        octets = 0

        def dataReceived(self, data):
            self.octets += len(data)
            if self.octets % 7 == 0:
                self.transport.pauseProducing()
                pair.reactor.callLater(0.01, self.transport.resumeProducing)

    pair = Pair(server=Slow)
    producer = Push(pair.client.transport, 10_000_000)
    pair.client.transport.loseConnection()
    tracemalloc.start()
    pair.reactor.run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pair.server.octets == 10_000_000
    assert producer.pauses > 10
    assert peak < 2_000_000


Paths = st.builds(
    Path,
    latency=st.sampled_from([0, 0.001, 3]),
    segment=st.integers(1, 40),
    ragged=st.booleans(),
    bandwidth=st.sampled_from([None, 100]),
    window=st.integers(1, 100),
)


@given(Paths, st.lists(st.binary(max_size=300), max_size=6), st.lists(st.floats(0, 10), max_size=3))
def test_over_every_path_octets_arrive_whole_in_order_and_only_once(path, writes, pauses):
    pair = Pair(SimulatedReactor(path=path))
    for pause in pauses:
        pair.reactor.callLater(pause, pair.server.transport.pauseProducing)
        pair.reactor.callLater(pause + 1, pair.server.transport.resumeProducing)
    for octets in writes:
        pair.client.transport.write(octets)
        pair.reactor.advance(0.5)
    pair.client.transport.loseConnection()
    pair.reactor.run()
    assert pair.server.received == b"".join(writes)
    assert pair.server.lost is ConnectionDone
    assert all(len(piece) <= path.segment for piece in pair.server.pieces)


def test_a_reader_who_does_not_read_holds_the_writer_back(pair):
    pair.server.transport.pauseProducing()
    producer = Push(pair.client.transport, 10_000_000)
    pair.reactor.run()
    assert 10_000_000 - producer.left < 400_000
    assert not producer.running
    pair.server.transport.resumeProducing()
    pair.reactor.run()
    assert producer.left == 0
    assert len(pair.server.received) == 10_000_000


def test_a_producer_is_stopped_when_its_connection_is_lost(pair):
    pair.server.transport.pauseProducing()
    producer = Push(pair.client.transport, 10_000_000)
    pair.reactor.run()
    pair.server.transport.abortConnection()
    pair.reactor.run()
    assert producer.stopped
    assert pair.client.lost is ConnectionLost


def test_a_pull_producer_is_asked_each_time_there_is_room(pair):
    @implementer(IPullProducer)
    class Pull:
        asked = 0

        def resumeProducing(self):
            self.asked += 1
            pair.client.transport.write(bytes(30_000))
            if self.asked == 10:
                pair.client.transport.unregisterProducer()
                pair.client.transport.loseConnection()

        def stopProducing(self):
            pytest.fail("it was not done")

    pair.client.transport.registerProducer(Pull(), False)
    pair.reactor.run()
    assert len(pair.server.received) == 300_000
    assert pair.server.lost is ConnectionDone


def test_flow_control_holds_under_tls():
    pair = Pair()
    start_tls(pair)
    pair.reactor.advance(1)
    pair.server.transport.pauseProducing()
    producer = Push(pair.client.transport, 2_000_000)
    pair.reactor.run()
    assert 2_000_000 - producer.left < 400_000
    pair.server.transport.resumeProducing()
    pair.reactor.run()
    pair.client.transport.loseConnection()
    pair.reactor.run()
    assert pair.server.lost is ConnectionDone
    assert len(pair.server.received) == 2_000_000
