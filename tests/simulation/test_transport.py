"""Connections over the simulated network behave as Twisted's over the real one."""
# ruff: noqa: N802 - the names of methods are Twisted's

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc

import pytest
from OpenSSL import SSL
from twisted.application.internet import ClientService
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPullProducer,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
    ITLSTransport,
    ITransport,
)
from twisted.internet.ssl import optionsForClientTLS
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mailstack.simulation import Path, SimulatedReactor
from tests.simulation import parity
from tests.simulation.protocols import Echo, Keeper, Lines, Recorder, identity

OFFICE = "192.0.2.1"


class Pair:
    """A client and a server, connected; `reactor` has nothing else to do."""

    def __init__(self, reactor=None, client=Recorder, server=Recorder):
        self.reactor = reactor or SimulatedReactor()
        built = Keeper(server)
        self.port = self.reactor.listenTCP(25, built, interface=OFFICE)
        self.client = self.reactor.result_of(TCP4ClientEndpoint(self.reactor, OFFICE, 25).connect(Keeper(client)))
        self.server = built.built[0]


@pytest.fixture
def pair():
    return Pair()


def test_transports_are_what_twisted_says_they_are(pair):
    for transport in (pair.client.transport, pair.server.transport):
        for interface in (ITransport, ITCPTransport, ITLSTransport, IConsumer, IPushProducer):
            assert verifyObject(interface, transport)
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(1)
        assert transport.getTcpNoDelay()
        assert transport.getTcpKeepAlive()


def test_a_dialogue_of_lines(pair):
    pair = Pair(client=Lines, server=Echo)
    for line in (b"one", b"two", b"quit"):
        pair.client.sendLine(line)
    pair.reactor.run()
    assert pair.client.lines == [b"one", b"two", b"quit"]
    assert pair.client.lost is ConnectionDone


# --- the end of a connection


def test_close_delivers_everything_that_was_written_and_then_the_end(pair):
    pair.client.transport.write(bytes(1_000_000))
    pair.client.transport.writeSequence([b"the ", b"end"])
    pair.client.transport.loseConnection()
    pair.client.transport.write(b"")
    pair.reactor.run()
    assert len(pair.server.received) == 1_000_007
    assert pair.server.received.endswith(b"the end")
    assert pair.client.lost is ConnectionDone is pair.server.lost


def test_abort_throws_away_what_was_not_sent_and_the_other_side_loses_the_connection(pair):
    pair.client.transport.write(b"never sent")
    pair.client.transport.abortConnection()
    pair.reactor.run()
    assert pair.client.lost is ConnectionAborted
    assert pair.server.lost is ConnectionLost
    assert pair.server.received == b""


def test_what_was_sent_before_an_abort_still_arrives(pair):
    pair.client.transport.write(b"sent")
    pair.reactor.advance(0.0001)
    pair.client.transport.abortConnection()
    pair.reactor.run()
    assert (pair.server.received, pair.server.lost) == (b"sent", ConnectionLost)


def test_writing_to_one_who_has_gone_is_answered_with_a_reset(pair):
    pair.server.transport.pauseProducing()
    pair.client.transport.loseConnection()
    pair.reactor.run()
    assert pair.client.lost is ConnectionDone
    assert pair.server.lost is None  # it does not read, so it can't know
    pair.server.transport.write(b"are you there?")
    pair.reactor.run()
    pair.server.transport.write(b"hello?")
    pair.reactor.run()
    assert pair.server.lost is ConnectionLost


def test_writing_after_the_end_is_harmless(pair):
    pair.client.transport.loseConnection()
    pair.reactor.run()
    for transport in (pair.client.transport, pair.server.transport):
        transport.write(b"too late")
        transport.loseConnection()
        transport.abortConnection()
    pair.reactor.run()


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    ended = False

    def readConnectionLost(self):
        self.ended = True

    def writeConnectionLost(self):
        pass


def test_half_a_connection_can_be_closed():
    pair = Pair(client=HalfCloseable, server=HalfCloseable)
    pair.client.transport.write(b"question")
    pair.client.transport.loseWriteConnection()
    pair.reactor.run()
    assert (pair.server.received, pair.server.ended, pair.server.lost) == (b"question", True, None)
    pair.server.transport.write(b"answer")
    pair.server.transport.loseConnection()
    pair.reactor.run()
    assert (pair.client.received, pair.client.ended) == (b"answer", True)


def test_an_exception_out_of_a_protocol_ends_its_connection_and_the_run():
    class Broken(Recorder):
        def dataReceived(self, data):
            raise ValueError("a bug")

    pair = Pair(server=Broken)
    pair.client.transport.write(b"x")
    with pytest.raises(ValueError, match="a bug"):
        pair.reactor.run()
    pair.reactor.run()
    assert pair.server.lost is ValueError
    assert pair.client.lost is not None


def test_what_a_server_raises_when_it_is_connected_ends_the_run_too():
    class Broken(Recorder):
        def connectionMade(self):
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        Pair(server=Broken)


def test_callers_nobody_accepted_lose_their_connection_with_the_listener():
    reactor = SimulatedReactor()
    listener = reactor.host(OFFICE).create_socket()
    listener.bind(("", 25))
    listener.listen(5)
    client = reactor.result_of(TCP4ClientEndpoint(reactor, OFFICE, 25).connect(Keeper()))
    listener.close()
    reactor.run()
    assert client.lost is ConnectionLost


def test_the_end_of_the_reactor_is_the_end_of_every_connection(pair):
    pair.reactor.callLater(1, pair.reactor.stop)
    pair.reactor.run()
    assert pair.client.lost is ConnectionLost is pair.server.lost


# --- flow control


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


# --- TLS


def start_tls(pair, name="mx.home.test"):
    context, certificate = identity()
    pair.server.transport.startTLS(context)
    pair.client.transport.startTLS(optionsForClientTLS(name, trustRoot=certificate))


@pytest.mark.parametrize("ragged", [False, True])
def test_starttls_shakes_hands_and_protects_what_follows(ragged):
    reactor = SimulatedReactor(path=Path(ragged=ragged, segment=100 if ragged else 1460))
    pair = Pair(reactor, client=Lines, server=Echo)
    start_tls(pair)
    pair.client.sendLine(b"a secret")
    reactor.run(lambda: pair.client.lines == [b"a secret"])
    for transport in (pair.client.transport, pair.server.transport):
        assert ISSLTransport.providedBy(transport)
        assert transport.getHandle().get_protocol_version_name() == "TLSv1.3"
    assert pair.client.transport.getPeerCertificate() is not None
    pair.client.sendLine(b"quit")
    reactor.run()
    assert pair.client.lost is ConnectionDone


def test_a_certificate_for_another_name_ends_the_connection():
    pair = Pair(client=Recorder, server=Recorder)
    start_tls(pair, name="mx.elsewhere.test")
    pair.reactor.run()
    assert pair.client.lost is not ConnectionDone
    assert issubclass(pair.server.lost, (SSL.Error, ConnectionLost))
    assert pair.server.received == b""


def test_flow_control_holds_under_tls():
    pair = Pair()
    start_tls(pair)
    pair.server.transport.pauseProducing()
    pair.server.transport.resumeProducing()
    producer = Push(pair.client.transport, 2_000_000)
    pair.client.transport.loseConnection()
    pair.reactor.run()
    assert producer.pauses > 1
    assert len(pair.server.received) == 2_000_000


# --- services


def test_a_client_service_comes_back_when_its_server_does():
    reactor = SimulatedReactor()
    office, made = reactor.host(OFFICE), Keeper()
    service = ClientService(TCP4ClientEndpoint(reactor, OFFICE, 25), made, clock=reactor)
    service.startService()
    reactor.advance(300)
    assert made.built == []
    serving = Keeper()
    port = office.listenTCP(25, serving)
    reactor.run(lambda: len(made.built) == 1, at_most=120)
    reactor.run(lambda: serving.built != [])
    serving.built[0].transport.loseConnection()
    reactor.run(lambda: len(made.built) == 2, at_most=120)
    reactor.result_of(service.stopService())
    reactor.result_of(port.stopListening())
    reactor.run()
    assert made.built[1].lost is ConnectionDone


# --- the same again


def transcript(seed):
    """Everything that happens between some clients and a server, with its time."""
    reactor = SimulatedReactor(seed, path=Path(ragged=True, segment=7))
    seen = []

    class Teller(Recorder):
        def dataReceived(self, data):
            seen.append((reactor.seconds(), self.transport.getPeer().port, data))
            if len(seen) % 5 == 0:
                self.transport.write(data)

    reactor.host(OFFICE).listenTCP(25, Keeper(Teller))
    for number in range(20):
        client = TCP4ClientEndpoint(reactor.host(f"192.0.2.{100 + number}"), OFFICE, 25).connect(Keeper(Teller))
        pause = reactor.random.random()
        client.addCallback(lambda p, pause=pause: reactor.callLater(pause, p.transport.write, b"0123456789" * 5))
    reactor.run()
    return seen


def test_the_same_seed_gives_the_same_transcript_and_another_seed_another():
    assert transcript(3) == transcript(3) != transcript(4)


def test_ten_thousand_connections_take_seconds():
    reactor = SimulatedReactor()
    reactor.host(OFFICE).listenTCP(25, Keeper(Echo))
    ended = []

    class Caller(Lines):
        def connectionMade(self):
            self.sendLine(b"quit")

        def connectionLost(self, reason):
            ended.append(self.lines)

    began = time.process_time()
    for _ in range(10_000):
        TCP4ClientEndpoint(reactor, OFFICE, 25).connect(Keeper(Caller))
    reactor.run()
    assert ended == [[b"quit"]] * 10_000
    assert time.process_time() - began < 8
    assert len(reactor.network.sockets) == 1


def test_the_real_reactor_tells_the_same_story():
    """The scenario of `parity` on loopback, by the system's own TCP, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.simulation.parity"], capture_output=True, timeout=30, check=True
    )
    reactor = SimulatedReactor()
    simulated = reactor.result_of(parity.scenario(reactor), at_most=60)
    assert simulated == json.loads(process.stdout)
