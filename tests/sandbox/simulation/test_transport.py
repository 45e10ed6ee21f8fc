"""Simulated connections behave as Twisted's, with TLS by OpenSSL."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
from OpenSSL import SSL
from twisted.application.internet import ClientService
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ISSLTransport,
    ITCPTransport,
    ITLSTransport,
    ITransport,
)
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mailstack.sandbox.simulation import Path, SimulatedReactor
from tests.sandbox.simulation import parity
from tests.sandbox.simulation.protocols import SERVER, Echo, Keeper, Lines, Pair, Recorder, start_tls

# ruff: noqa: N802 - the names of methods are Twisted's


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
    listener = reactor.host(SERVER).create_socket()
    listener.bind(("", 25))
    listener.listen(5)
    client = reactor.result_of(TCP4ClientEndpoint(reactor, SERVER, 25).connect(Keeper()))
    listener.close()
    reactor.run()
    assert client.lost is ConnectionLost


def test_the_end_of_the_reactor_is_the_end_of_every_connection(pair):
    pair.reactor.callLater(1, pair.reactor.stop)
    pair.reactor.run()
    assert pair.client.lost is ConnectionLost is pair.server.lost


def test_a_client_service_comes_back_when_its_server_does():
    reactor = SimulatedReactor()
    mail_server, made = reactor.host(SERVER), Keeper()
    service = ClientService(TCP4ClientEndpoint(reactor, SERVER, 25), made, clock=reactor)
    service.startService()
    reactor.advance(300)
    assert made.built == []
    serving = Keeper()
    port = mail_server.listenTCP(25, serving)
    reactor.run(lambda: len(made.built) == 1, at_most=120)
    reactor.run(lambda: serving.built != [])
    serving.built[0].transport.loseConnection()
    reactor.run(lambda: len(made.built) == 2, at_most=120)
    reactor.result_of(service.stopService())
    reactor.result_of(port.stopListening())
    reactor.run()
    assert made.built[1].lost is ConnectionDone


def transcript(seed):
    """Everything that happens between some clients and a server, with its time."""
    reactor = SimulatedReactor(seed, path=Path(ragged=True, segment=7))
    seen = []

    class Teller(Recorder):
        def dataReceived(self, data):
            seen.append((reactor.seconds(), self.transport.getPeer().port, data))
            if len(seen) % 5 == 0:
                self.transport.write(data)

    reactor.host(SERVER).listenTCP(25, Keeper(Teller))
    for number in range(20):
        client = TCP4ClientEndpoint(reactor.host(f"192.0.2.{100 + number}"), SERVER, 25).connect(Keeper(Teller))
        pause = reactor.random.random()
        client.addCallback(lambda p, pause=pause: reactor.callLater(pause, p.transport.write, b"0123456789" * 5))
    reactor.run()
    return seen


def test_the_same_seed_gives_the_same_transcript_and_another_seed_another():
    assert transcript(3) == transcript(3) != transcript(4)


def test_ten_thousand_connections_take_seconds():
    reactor = SimulatedReactor()
    reactor.host(SERVER).listenTCP(25, Keeper(Echo))
    ended = []

    class Caller(Lines):
        def connectionMade(self):
            self.sendLine(b"quit")

        def connectionLost(self, reason):
            ended.append(self.lines)

    began = time.process_time()
    for _ in range(10_000):
        TCP4ClientEndpoint(reactor, SERVER, 25).connect(Keeper(Caller))
    reactor.run()
    assert ended == [[b"quit"]] * 10_000
    assert time.process_time() - began < 8
    assert len(reactor.network.sockets) == 1


def test_the_real_reactor_tells_the_same_story():
    """The scenario of `parity` on loopback, by the system's own TCP, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.simulation.parity"], capture_output=True, timeout=30, check=True
    )
    reactor = SimulatedReactor()
    assert reactor.result_of(parity.scenario(reactor), at_most=60) == json.loads(process.stdout)


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
