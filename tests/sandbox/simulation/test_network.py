"""Addresses, ports, listeners and paths of the simulated network."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    serverFromString,
)
from twisted.internet.error import (
    CannotListenError,
    ConnectBindError,
    ConnectingCancelledError,
    ConnectionRefusedError,  # noqa: A004
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,  # noqa: A004
)
from twisted.internet.interfaces import IListeningPort
from zope.interface.verify import verifyObject

from mailstack.sandbox.simulation import Path, SimulatedReactor
from mailstack.sandbox.simulation.reactor import START
from tests.sandbox.simulation.protocols import Keeper, Recorder


def listen(host, port=25, interface="", protocol=Recorder):
    """A factory that keeps what it builds, behind a port."""
    factory = Keeper(protocol)
    return host.listenTCP(port, factory, interface=interface), factory


def call(reactor, host, address, port=25, *, timeout=30, bind=None, protocol=Recorder):
    """A connected protocol."""
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    return reactor.result_of(kind(host, address, port, timeout, bind).connect(Keeper(protocol)))


def test_two_servers_listen_on_the_same_port_and_each_is_reached_at_its_own_address(reactor):
    one, other = reactor.host("192.0.2.1"), reactor.host("192.0.2.2")
    (_, at_one), (_, at_other) = listen(one), listen(other)
    client = call(reactor, one, "192.0.2.2")
    assert [len(at_one.built), len(at_other.built)] == [0, 1]
    server = at_other.built[0]
    assert client.transport.getPeer() == IPv4Address("TCP", "192.0.2.2", 25) == server.transport.getHost()
    assert client.transport.getHost() == server.transport.getPeer()
    assert server.transport.getPeer().host == "192.0.2.1"


def test_a_host_is_the_same_under_each_of_its_addresses(reactor):
    host = reactor.host("192.0.2.1", "2001:DB8::0001")
    assert reactor.host("2001:db8::1") is host
    assert host.addresses == ("192.0.2.1", "2001:db8::1")
    assert reactor.host("192.0.2.1", "192.0.2.3") is host is reactor.host("192.0.2.3")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "mx.home.test", "", "192.0.2.2"])
def test_a_host_needs_an_address_that_is_its_own(reactor, address):
    reactor.host("192.0.2.2")
    with pytest.raises(ValueError, match=r"."):
        reactor.host("192.0.2.1", address)


def test_ipv6_hosts_are_called_from_their_ipv6_address(reactor):
    mail_server, sender = reactor.host("192.0.2.1", "2001:db8::1"), reactor.host("192.0.2.2", "2001:db8::2")
    _, at_server = listen(mail_server, interface="::")
    client = call(reactor, sender, "2001:db8::1")
    assert client.transport.getPeer() == IPv6Address("TCP", "2001:db8::1", 25)
    assert client.transport.getHost().host == "2001:db8::2"
    assert at_server.built[0].transport.getPeer() == client.transport.getHost()


def test_a_host_without_ipv6_has_no_route_to_one_that_has_only_that(reactor):
    listen(reactor.host("2001:db8::1"), interface="::")
    with pytest.raises(NoRouteError):
        call(reactor, reactor.host("192.0.2.2"), "2001:db8::1")


def test_loopback_is_the_caller_itself(reactor):
    one, other = reactor.host("192.0.2.1"), reactor.host("192.0.2.2")
    _, at_one = listen(one, 2525, interface="127.0.0.1")
    assert call(reactor, one, "127.0.0.1", 2525).transport.getHost().host == "127.0.0.1"
    assert len(at_one.built) == 1
    for caller, address in ((other, "127.0.0.1"), (other, "192.0.2.1"), (one, "192.0.2.1")):
        with pytest.raises(ConnectionRefusedError):
            call(reactor, caller, address, 2525)


def test_a_caller_may_choose_among_its_addresses(reactor):
    _, at_server = listen(reactor.host("192.0.2.1"))
    sender = reactor.host("192.0.2.2", "192.0.2.3")
    call(reactor, sender, "192.0.2.1", bind=("192.0.2.3", 0))
    call(reactor, sender, "192.0.2.1", bind=("", 4711))
    assert [server.transport.getPeer().host for server in at_server.built] == ["192.0.2.3", "192.0.2.2"]
    assert at_server.built[1].transport.getPeer().port == 4711
    with pytest.raises(ConnectBindError):
        call(reactor, sender, "192.0.2.1", bind=("192.0.2.9", 0))


def test_the_reactor_listens_and_calls_as_the_host_that_it_names(reactor):
    port = reactor.result_of(serverFromString(reactor, "tcp:25:interface=10.0.0.1").listen(Keeper()))
    assert port.getHost() == IPv4Address("TCP", "10.0.0.1", 25)
    assert call(reactor, reactor, "10.0.0.1").transport.getHost().host == reactor.addresses[0]
    assert call(reactor, reactor, "10.0.0.1", bind=("10.0.0.9", 0)).transport.getHost().host == "10.0.0.9"


def test_a_listening_port_keeps_its_interface_and_frees_the_port_when_it_stops(reactor):
    host = reactor.host("192.0.2.1", "192.0.2.3")
    port, _ = listen(host, interface="192.0.2.3")
    assert verifyObject(IListeningPort, port)
    listen(host, interface="192.0.2.1")
    for interface in ("192.0.2.3", "", "192.0.2.99"):
        with pytest.raises(CannotListenError):
            listen(host, interface=interface)
    reactor.result_of(port.stopListening())
    listen(host, interface="192.0.2.3")
    listen(host, interface="::")


def test_port_0_is_any_that_is_free(reactor):
    host = reactor.host("192.0.2.1")
    ports = {listen(host, 0)[0].getHost().port for _ in range(50)}
    assert len(ports) == 50
    assert 0 not in ports


def test_nobody_is_refused_before_the_listener_has_stopped(reactor):
    host = reactor.host("192.0.2.1")
    port, factory = listen(host)
    call(reactor, reactor, "192.0.2.1")
    reactor.result_of(port.stopListening())
    with pytest.raises(ConnectionRefusedError):
        call(reactor, reactor, "192.0.2.1")
    assert factory.built[0].lost is None


def test_a_host_where_nobody_listens_refuses_after_one_round_trip(reactor):
    reactor.host("192.0.2.1")
    with pytest.raises(ConnectionRefusedError):
        call(reactor, reactor, "192.0.2.1")
    assert reactor.seconds() - START == pytest.approx(0.002, abs=1e-6)


def test_an_address_that_nobody_has_answers_nothing_until_the_timeout(reactor):
    with pytest.raises(TimeoutError):
        call(reactor, reactor, "192.0.2.1", timeout=30)
    assert reactor.seconds() == START + 30
    reactor.run()
    assert reactor.seconds() == START + 30


def test_a_call_without_timeout_ends_when_the_system_gives_up(reactor):
    with pytest.raises(TCPTimedOutError):
        call(reactor, reactor, "192.0.2.1", timeout=None)
    assert reactor.seconds() == START + 127


def test_a_call_can_be_cancelled_and_the_other_side_hears_no_more_of_it(reactor):
    _, factory = listen(reactor.host("192.0.2.1"))
    attempt = TCP4ClientEndpoint(reactor, "192.0.2.1", 25).connect(Keeper())
    reactor.advance(0.0015)
    attempt.cancel()
    with pytest.raises(ConnectingCancelledError):
        reactor.result_of(attempt)
    reactor.run()
    assert [server.lost is not None for server in factory.built] == [True]


def test_names_are_looked_up_by_the_host_that_calls(reactor):
    host = reactor.host("192.0.2.1")
    listen(host, interface="127.0.0.1")
    for endpoint in (HostnameEndpoint(host, "localhost", 25), HostnameEndpoint(host, "127.0.0.1", 25)):
        assert reactor.result_of(endpoint.connect(Keeper())).made
    assert call(reactor, host, "localhost").made
    with pytest.raises(DNSLookupError):
        reactor.result_of(HostnameEndpoint(host, "mx.home.test", 25).connect(Keeper()))
    with pytest.raises(DNSLookupError):
        call(reactor, host, "mx.home.test")


def test_octets_take_the_latency_of_their_path(reactor):
    mail_server, near, far = (reactor.host(f"192.0.2.{number}") for number in (1, 2, 3))
    reactor.network.set_path("192.0.2.3", "192.0.2.1", Path(latency=0.5))
    _, factory = listen(mail_server)
    for caller, latency in ((near, 0.001), (far, 0.5)):
        began = reactor.seconds()
        client = call(reactor, caller, "192.0.2.1")
        assert reactor.seconds() - began == pytest.approx(2 * latency, abs=1e-5)
        server = factory.built[-1]
        began = reactor.seconds()
        client.transport.write(b"hello")
        reactor.run(lambda server=server: server.received == b"hello")
        assert reactor.seconds() - began == pytest.approx(latency, abs=1e-5)


def test_a_path_that_changes_never_reorders_what_is_under_way(reactor):
    _, factory = listen(reactor.host("192.0.2.1"))
    reactor.network.set_path("192.0.2.1", reactor.addresses[0], Path(latency=5))
    client = call(reactor, reactor, "192.0.2.1")
    client.transport.write(b"slow, ")
    reactor.advance(1)
    reactor.network.set_path("192.0.2.1", reactor.addresses[0], Path(latency=0.1))
    client.transport.write(b"fast")
    client.transport.loseConnection()
    reactor.run(lambda: factory.built[0].lost)
    assert factory.built[0].received == b"slow, fast"


def test_bandwidth_makes_octets_wait_their_turn():
    reactor = SimulatedReactor(path=Path(latency=0, bandwidth=1000, window=1_000_000))
    _, factory = listen(reactor.host("192.0.2.1"))
    client = call(reactor, reactor, "192.0.2.1")
    began = reactor.seconds()
    client.transport.write(bytes(10_000))
    reactor.run(lambda: len(factory.built[0].received) == 10_000)
    assert reactor.seconds() - began == pytest.approx(10, abs=0.01)


@pytest.mark.parametrize("wrong", [{"segment": 0}, {"window": 0}, {"latency": -1}, {"bandwidth": 0}])
def test_a_path_that_leads_nowhere_is_refused(wrong):
    with pytest.raises(ValueError, match="Path: window"):
        Path(**wrong)


def test_segments_are_as_long_as_the_path_allows_and_ragged_ones_as_the_seed_decides():
    def pieces(seed, **path):
        reactor = SimulatedReactor(seed, path=Path(**path))
        _, factory = listen(reactor.host("192.0.2.1"))
        client = call(reactor, reactor, "192.0.2.1")
        client.transport.write(b"0123456789" * 20)
        client.transport.loseConnection()
        reactor.run()
        assert factory.built[0].received == b"0123456789" * 20
        return list(map(len, factory.built[0].pieces))

    assert pieces(1) == [200]
    assert pieces(1, segment=80) == [80, 80, 40]
    assert pieces(1, segment=1) == [1] * 200
    ragged = pieces(1, segment=20, ragged=True)
    assert len(set(ragged)) > 5
    assert ragged == pieces(1, segment=20, ragged=True) != pieces(2, segment=20, ragged=True)


def test_the_listening_endpoint_of_a_host_is_a_plain_twisted_one(reactor):
    host = reactor.host("192.0.2.1")
    port = reactor.result_of(TCP4ServerEndpoint(host, 25).listen(Keeper()))
    assert port.getHost() == IPv4Address("TCP", "0.0.0.0", 25)
