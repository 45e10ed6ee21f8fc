"""MTA-STS policies published as `mailstack dns` prints them, and obeyed by another server."""

from __future__ import annotations

from typing import Any

from twisted.names import dns

from mailstack.config import ListenSettings, MtaStsSettings, RelaySettings
from mailstack.config.syntax import Endpoint
from mailstack.net.server_tls import ServerContext
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.autoconfig.records import PublicationFacts, publication
from tests.journeys.internet import Internet, SimulatedServer, facts, issued, public_ca

ALICE, CAROL = "alice@home.test", "carol@elsewhere.test"
LISTEN = ListenSettings(mx=(Endpoint("tcp:25"),), pop3=(Endpoint("tcp:110"),), https=(Endpoint("tcp:443"),))


def elsewhere(internet: Internet, **policy: Any) -> SimulatedServer:
    """A server whose web service has its MTA-STS policy, under the certificates of both names."""
    ours = internet.context
    internet.context = ServerContext([public_ca(), issued("mta-sts.elsewhere.test")])
    site = internet.elsewhere(CAROL, listen=LISTEN, mta_sts=MtaStsSettings(**policy))
    internet.context = ours
    config = site.server.config
    for _, record in publication(config, PublicationFacts(services_from_config(config), web=True)).all():
        if record.type == "TXT":
            internet.zone.add(record.name.rstrip("."), dns.Record_TXT(record.data.encode()))
        if record.type == "CNAME":
            internet.zone.add(record.name.rstrip("."), dns.Record_CNAME(record.data.rstrip(".")))
    return site


def sent(internet: Internet) -> dict[str, Any]:
    """What the other server finds when it brings a letter."""
    server = internet.home(ALICE, relay=RelaySettings(ca_file=public_ca().ca))
    internet.submit(server, ALICE, CAROL)
    internet.reactor.advance(30)
    return dict(facts(server, "attempted"))


def test_the_policy_is_found_where_the_records_lead(internet: Internet) -> None:
    """AC-06: RFC 8461 §3.1, §3.3, by our own client over HTTPS."""
    other = elsewhere(internet, mode="enforce")
    attempted = sent(internet)
    assert attempted["policy"] == "verified, by MTA-STS of elsewhere.test"
    assert attempted["tls"]["verified"] is True
    assert len(internet.fetch(other, CAROL)) == 1


def test_a_policy_in_testing_has_nothing_held_back(internet: Internet) -> None:
    """RFC 8461 §5"""
    other = elsewhere(internet, mode="testing")
    assert sent(internet)["policy"].startswith("opportunistic")
    assert len(internet.fetch(other, CAROL)) == 1
