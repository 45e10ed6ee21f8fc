"""Outbound connections: one timeout for connection and TLS, and verified certificates."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.protocol import Factory, Protocol

from mailstack.letter.envelope import HostPort
from mailstack.net.certificates import CertificateFiles
from mailstack.net.connector import TwistedConnector
from mailstack.net.peer import NetPeer
from mailstack.net.server_tls import server_context
from mailstack.protocols.connection import ConnectFailed
from mailstack.sandbox.simulation import Path as Route
from mailstack.sandbox.simulation import SimulatedReactor
from tests.net.peers import Lines, echo, listener_for

SERVER, CLIENT = "192.0.2.1", "203.0.113.7"


class Rig:
    """One host that listens with TLS from the first octet, and one that calls it."""

    def __init__(self, files: CertificateFiles) -> None:
        self.reactor = SimulatedReactor(seed=5)
        self.host = self.reactor.host(SERVER)
        self.caller = TwistedConnector(self.reactor.host(CLIENT), ca_file=files.ca)
        self._context = server_context(files.certificate, files.key)

    def listen(self) -> None:
        listener = listener_for(self.host, self._context, echo, implicit_tls=True)
        self.reactor.result_of(listener.listen(["tcp:465"]))

    def call(self, **options: Any) -> NetPeer[bytes]:
        work = self.caller.connect(HostPort(SERVER, 465), Lines(), timeout=10, **options)
        return self.reactor.result_of(work)


@pytest.fixture
def rig(files: CertificateFiles) -> Rig:
    return Rig(files)


class Mute(Protocol):
    """Takes a connection, and never says anything on it."""

    def __init__(self) -> None:
        self.lost = False

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        self.lost = True


@pytest.mark.parametrize("verify", [True, False])
def test_what_was_demanded_of_the_certificate_is_known_after_the_handshake(rig: Rig, *, verify: bool) -> None:
    """RLY-23."""
    rig.listen()
    peer = rig.call(tls=True, server_name="mx.home.test", verify=verify)
    assert peer.tls is not None
    assert peer.tls.version == "TLSv1.3"
    assert peer.tls.verified is verify
    peer.send(b"hello\n")
    assert rig.reactor.result_of(peer.next_event(10)) == b"hello"


def test_a_certificate_for_another_name_is_refused_where_that_matters(rig: Rig) -> None:
    rig.listen()
    with pytest.raises(
        ConnectFailed, match=r"handshake failed: certificate verify failed: hostname mismatch, it is for mx\.home\.test"
    ):
        rig.call(tls=True, server_name="mx.other.test", verify=True)
    peer = rig.call(tls=True, server_name="mx.other.test")
    assert peer.tls is not None
    assert not peer.tls.verified


@pytest.mark.parametrize(("to", "source"), [("192.0.2.1", "203.0.113.99"), ("2001:db8::1", "2001:db8::99")])
def test_each_family_is_called_from_its_own_address(files: CertificateFiles, to: str, source: str) -> None:
    """RLY-26."""
    reactor = SimulatedReactor(seed=6)
    called: list[str] = []

    class Asked(Protocol):
        def connectionMade(self) -> None:  # noqa: N802
            called.append(self.transport.getPeer().host)  # type: ignore[union-attr]

    there = reactor.host("192.0.2.1", "2001:db8::1")
    for interface in ("", "::"):
        there.listenTCP(25, Factory.forProtocol(Asked), interface=interface)
    here = reactor.host("203.0.113.7", "203.0.113.99", "2001:db8::7", "2001:db8::99")
    caller = TwistedConnector(here, source="203.0.113.99", source6="2001:db8::99")
    reactor.result_of(caller.connect(HostPort(to, 25), Lines(), timeout=10))
    reactor.advance(1)
    assert called == [source]


def test_a_call_in_clear_has_verified_nothing(rig: Rig) -> None:
    rig.listen()
    assert rig.call(verify=True, server_name="mx.home.test").tls is None


def test_a_host_that_never_shakes_hands_is_given_up_in_time(rig: Rig) -> None:
    mute = Mute()
    rig.host.listenTCP(465, Factory.forProtocol(lambda: mute))
    begun = rig.reactor.seconds()
    with pytest.raises(ConnectFailed, match="timed out"):
        rig.call(tls=True, server_name="mx.home.test")
    assert rig.reactor.seconds() - begun == pytest.approx(10, abs=0.1)
    rig.reactor.advance(1)
    assert mute.lost


def test_the_time_is_for_connection_and_handshake_together(rig: Rig) -> None:
    """Three seconds each way: six to connect, and too few are left for the handshake."""
    rig.listen()
    rig.reactor.network.set_path(SERVER, CLIENT, Route(latency=3.0))
    begun = rig.reactor.seconds()
    with pytest.raises(ConnectFailed, match="timed out"):
        rig.call(tls=True, server_name="mx.home.test")
    assert rig.reactor.seconds() - begun == pytest.approx(10, abs=0.1)


def test_nothing_is_left_of_the_time_after_a_good_handshake(rig: Rig) -> None:
    rig.listen()
    peer = rig.call(tls=True, server_name="mx.home.test")
    rig.reactor.advance(20)
    peer.send(b"still here\n")
    assert rig.reactor.result_of(peer.next_event(10)) == b"still here"


def test_a_host_that_hangs_up_instead_of_shaking_hands_is_not_waited_for(rig: Rig) -> None:
    class Rude(Protocol):
        def connectionMade(self) -> None:  # noqa: N802
            assert self.transport is not None
            self.transport.loseConnection()

    rig.host.listenTCP(465, Factory.forProtocol(Rude))
    begun = rig.reactor.seconds()
    with pytest.raises(ConnectFailed, match="handshake failed"):
        rig.call(tls=True, server_name="mx.home.test")
    assert rig.reactor.seconds() - begun < 1
