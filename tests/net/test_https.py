"""Policies over HTTPS: where they are never fetched from, and how long a site is waited for."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.names import dns
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailstack.net.client_tls import ClientTls
from mailstack.net.dns import DnsNames
from mailstack.net.mta_sts import HttpsPolicies
from mailstack.net.zone import Zone
from mailstack.relay.mta_sts import PolicyUnavailable
from mailstack.sandbox.simulation import SimulatedReactor
from tests.journeys.internet import page_context, public_ca

HERE, SITE = "203.0.113.7", "192.0.2.80"


class Rig:
    def __init__(self, *addresses: str) -> None:
        self.reactor = SimulatedReactor(seed=7)
        self.host, self.site = self.reactor.host(HERE), self.reactor.host(SITE)
        zone = Zone({"mta-sts.elsewhere.test": [dns.Record_A(address) for address in addresses]})
        self.names = DnsNames(zone, self.host)
        self.policies = HttpsPolicies(self.host, self.names, ClientTls(), timeout=20)

    def fetch(self, domain: str = "elsewhere.test") -> bytes:
        return self.reactor.result_of(self.policies.fetch(domain))


def test_a_name_never_leads_to_services_of_this_machine() -> None:
    """RLY-21: whoever publishes a record for 127.0.0.1 must not have us ask there."""
    rig = Rig("127.0.0.1")
    asked: list[object] = []

    class Local(Protocol):
        def connectionMade(self) -> None:  # noqa: N802
            asked.append(self)

    rig.host.listenTCP(443, Factory.forProtocol(Local))
    with pytest.raises(PolicyUnavailable, match="resolves to this machine"):
        rig.fetch()
    assert asked == []


def test_a_site_that_is_not_there_is_said_to_be() -> None:
    with pytest.raises(PolicyUnavailable, match="refused"):
        Rig(SITE).fetch()
    with pytest.raises(PolicyUnavailable, match="no such name"):
        Rig(SITE).fetch("gone.test")
    with pytest.raises(PolicyUnavailable, match="has no address"):
        Rig().fetch()


@pytest.mark.parametrize("address", ["127.9.9.9", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::127.0.0.1"])
def test_no_spelling_of_loopback_leads_here(address: str) -> None:
    """RLY-21: Linux connects to itself for 0.0.0.0 and for an IPv4-mapped address, too."""
    rig = Rig(SITE)
    kind = dns.Record_AAAA if ":" in address else dns.Record_A
    rig.policies = HttpsPolicies(
        rig.host, DnsNames(Zone({"mta-sts.elsewhere.test": [kind(address)]}), rig.host), ClientTls(), timeout=20
    )
    with pytest.raises(PolicyUnavailable, match="resolves to this machine"):
        rig.fetch()


class Flood(Protocol):
    """More header fields than anybody reads, and no end of them."""

    def connectionMade(self) -> None:  # noqa: N802
        assert self.transport is not None
        self.transport.write(b"HTTP/1.1 200 OK\r\n" + b"X-More: and more\r\n" * 50_000)


def test_a_site_that_never_stops_is_cut_off() -> None:
    rig = Rig(SITE)
    files = public_ca()
    rig.policies = HttpsPolicies(rig.host, rig.names, ClientTls(files.ca), timeout=20)
    rig.site.listenTCP(
        443,
        TLSMemoryBIOFactory(page_context("mta-sts.elsewhere.test"), False, Factory.forProtocol(Flood), clock=rig.site),
    )
    begun = rig.reactor.seconds()
    with pytest.raises(PolicyUnavailable):
        rig.fetch()
    assert rig.reactor.seconds() - begun < 10


def test_a_site_that_says_nothing_is_given_up_in_time() -> None:
    rig = Rig(SITE)
    lost: list[object] = []

    class Mute(Protocol):
        def connectionLost(self, reason: object = None) -> None:  # noqa: N802
            lost.append(reason)

    rig.site.listenTCP(443, Factory.forProtocol(Mute))
    begun = rig.reactor.seconds()
    with pytest.raises(PolicyUnavailable):
        rig.fetch()
    assert rig.reactor.seconds() - begun == pytest.approx(20, abs=1)
    rig.reactor.advance(5)
    assert lost
