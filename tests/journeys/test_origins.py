"""Source addresses and EHLO names by sender, over IPv4 and IPv6."""

from __future__ import annotations

import pytest

from mailstack.config import ListenSettings, RelaySettings, RelaySourceSettings
from mailstack.config.syntax import Endpoint
from mailstack.config.values import AddressPattern, DomainPattern, HostName, IpText
from mailstack.sandbox.simulation import Internet
from mailstack.sandbox.simulation.server import SimulatedServer

NEWS, ALICE = "news@home.test", "alice@home.test"
OURS = ("192.0.2.1", "192.0.2.7", "2001:db8::1", "2001:db8::7")


@pytest.fixture
def internet() -> Internet:
    return Internet()


def home(internet: Internet, *sources: RelaySourceSettings) -> SimulatedServer:
    internet.reactor.host(*OURS)
    return internet.host(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=[NEWS, ALICE],
        relay=RelaySettings(ca_file=internet.ca.file, sources=sources),
    )


def elsewhere(internet: Internet, *, six: bool = False) -> SimulatedServer:
    internet.reactor.host("192.0.2.2", "2001:db8::2")
    listen = ListenSettings(mx=(Endpoint("tcp:25"), Endpoint("tcp6:25")))
    site = internet.host(
        "mx.elsewhere.test", "192.0.2.2", domains=["elsewhere.test"], accounts=["carol@elsewhere.test"], listen=listen
    )
    if six:
        internet.zone.aaaa("mx.elsewhere.test", "2001:db8::2")
    return site


def came(internet: Internet, there: SimulatedServer, sender: str) -> tuple[str, str]:
    """From which address, and under which name, a letter of a sender comes."""
    before = len(there.journal.steps)
    internet.author(sender).submit(to="carol@elsewhere.test", subject="hello")
    internet.run()
    (step,) = [each for each in there.journal.steps[before:] if each.step == "exchanged"]
    return step.facts["client"], step.facts["helo"]


def test_each_sender_comes_from_his_own_address_and_name(internet: Internet) -> None:
    """Also right after one another: a connection of one is not lent to the other."""
    news = RelaySourceSettings(
        senders=(AddressPattern(NEWS),), source_address=IpText("192.0.2.7"), ehlo_name=HostName("news.home.test")
    )
    site, there = home(internet, news), elsewhere(internet)
    for _ in range(2):
        assert came(internet, there, ALICE) == ("192.0.2.1", "mx.home.test")
        assert came(internet, there, NEWS) == ("192.0.2.7", "news.home.test")
    attempted = [each.facts.get("from") for each in site.journal.steps if each.step == "attempted"]
    assert attempted == [None, "news.home.test 192.0.2.7"] * 2


@pytest.mark.parametrize(
    ("four", "six", "client"),
    [("192.0.2.7", "2001:db8::7", "2001:db8::7"), ("", "2001:db8::7", "2001:db8::7"), ("192.0.2.7", "", "192.0.2.7")],
)
def test_address_families_of_a_source(internet: Internet, four: str, six: str, client: str) -> None:
    source = RelaySourceSettings(source_address=IpText(four), source_address6=IpText(six))
    _, there = home(internet, source), elsewhere(internet, six=True)
    assert came(internet, there, ALICE)[0] == client


def test_a_host_of_the_other_family_alone_is_called_all_the_same(internet: Internet) -> None:
    source = RelaySourceSettings(source_address6=IpText("2001:db8::7"))
    _, there = home(internet, source), elsewhere(internet)
    assert came(internet, there, ALICE)[0] == "192.0.2.1"


def test_a_rule_may_be_for_a_domain(internet: Internet) -> None:
    source = RelaySourceSettings(domains=(DomainPattern("third.test"),), source_address=IpText("192.0.2.7"))
    _, there = home(internet, source), elsewhere(internet)
    assert came(internet, there, ALICE)[0] == "192.0.2.1"
