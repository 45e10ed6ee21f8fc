"""MTA-STS policies: fetched over HTTPS, and cached in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.names import dns
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailstack.net.client_tls import ClientTls
from mailstack.net.dns import DnsNames
from mailstack.net.mta_sts import HttpsPolicies, PolicyFiles
from mailstack.net.zone import Zone
from mailstack.relay.mta_sts import CachedPolicy, Mode, PolicyUnavailable, StsPolicy
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


KEPT = CachedPolicy("20261124", 1_780_000_000.5, StsPolicy(Mode.ENFORCE, 604800, ("mx.test", "*.mx.test")))


def test_what_is_put_there_is_there_after_a_restart(tmp_path: Path) -> None:
    """RLY-21."""
    PolicyFiles(tmp_path).put("elsewhere.test", KEPT)
    assert PolicyFiles(tmp_path).get("elsewhere.test") == KEPT
    assert PolicyFiles(tmp_path).get("other.test") is None


def test_a_directory_that_was_moved_away_is_not_made_again(tmp_path: Path) -> None:
    PolicyFiles(tmp_path / "gone").put("elsewhere.test", KEPT)
    assert PolicyFiles(tmp_path / "gone").get("elsewhere.test") is None
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize("octets", [b"", b"[]", b"{}", b'{"mode": "x"}', b"\xff", b'"a"', b'{"id": 1, "mx": 5}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "elsewhere.test.json").write_bytes(octets)
    assert PolicyFiles(tmp_path).get("elsewhere.test") is None


def test_a_directory_that_cannot_be_written_loses_the_policy_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    PolicyFiles(tmp_path / "file").put("elsewhere.test", KEPT)


def test_the_oldest_files_go(tmp_path: Path) -> None:
    files = PolicyFiles(tmp_path, max_files=3)
    for number in range(10):
        files.put(f"d{number}.test", KEPT)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("domain", ["", "../x", "a/b", ".", ".."])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, domain: str) -> None:
    with pytest.raises(ValueError, match="not a domain name"):
        PolicyFiles(tmp_path).put(domain, KEPT)
