"""Outbound TLS as required by the operator, MTA-STS, or the letter (REQUIRETLS)."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.config import RelaySettings, ScheduleSettings
from mailstack.letter.times import read_duration
from mailstack.net.server_tls import server_context
from mailstack.relay.tls_policy import TlsLevel, TlsPolicyTable
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer, facts, public_ca

ALICE, CAROL = "alice@home.test", "carol@elsewhere.test"
MX = "mx.elsewhere.test"
POLICY = "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 86400\r\n"
QUICK = ScheduleSettings(first=read_duration("1m"), longest=read_duration("10m"))
NO = b"TLS-Required: No\r\n" + ONE_LETTER


def elsewhere(internet: Internet, *, trusted: bool = True) -> SimulatedServer:
    """The server of elsewhere.test; `trusted`: with a certificate for its name from the public CA."""
    ours = internet.context
    if trusted:
        files = public_ca()
        internet.context = server_context(files.certificate, files.key)
    site = internet.elsewhere(CAROL)
    internet.context = ours
    return site


def home(internet: Internet, **relay: Any) -> SimulatedServer:
    settings = {"ca_file": public_ca().ca, "schedule": QUICK, **relay}
    return internet.home(ALICE, relay=RelaySettings(**settings))


def sent(internet: Internet, site: SimulatedServer, content: bytes = ONE_LETTER, **parameters: str) -> str:
    """The state of a letter from alice to carol half a minute later; `parameters` are of MAIL."""
    internet.submit(site, ALICE, CAROL, content=content, **parameters)
    internet.reactor.advance(30)
    return site.states()[CAROL]


@pytest.mark.parametrize("pattern", ["elsewhere.test", "*"])
def test_the_operator_demands_verified_tls_of_a_domain(internet: Internet, pattern: str) -> None:
    """RLY-19: and the reason why it failed is told to who reads the journey or the queue."""
    elsewhere(internet, trusted=False)
    server = home(internet, tls_policy=TlsPolicyTable({pattern: TlsLevel.VERIFIED}))
    assert sent(internet, server) == "queued"
    why = "certificate verify failed: its chain ends in a CA that is not trusted"
    deferred, attempted = facts(server, "deferred"), facts(server, "attempted")
    assert (deferred["status"], why in deferred["reply"] or "not known" in deferred["reply"]) == ("4.7.5", True)
    assert attempted["policy"] == f"verified, by [relay.tls_policy] {pattern}"
    assert any("certificate verify failed" in line for line in attempted["dialogue"])


def test_a_domain_of_which_verified_tls_is_demanded_gets_its_letter_over_it(internet: Internet) -> None:
    """RLY-19."""
    other = elsewhere(internet)
    server = home(internet, tls_policy=TlsPolicyTable({"elsewhere.test": TlsLevel.VERIFIED}))
    sent(internet, server)
    assert len(internet.fetch(other, CAROL)) == 1
    assert facts(server, "attempted")["tls"]["verified"] is True


def test_an_enforced_policy_is_fetched_kept_and_obeyed(internet: Internet) -> None:
    """RLY-21."""
    other, server = elsewhere(internet), home(internet)
    page = internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="1")
    for _ in range(2):
        sent(internet, server)
    assert len(internet.fetch(other, CAROL)) == 2
    assert page.requests == [b"/.well-known/mta-sts.txt"]
    attempted = facts(server, "attempted")
    assert attempted["policy"] == "verified, by MTA-STS of elsewhere.test"
    assert attempted["tls"]["verified"] is True


def test_a_host_with_another_certificate_gets_nothing_that_a_policy_protects(internet: Internet) -> None:
    """RLY-21: never over unverified TLS, never in the clear."""
    other, server = elsewhere(internet, trusted=False), home(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx="*.elsewhere.test"), id="1")
    assert sent(internet, server) == "queued"
    assert "certificate verify failed" in facts(server, "deferred")["reply"]
    assert other.journal.steps == []


def test_a_host_that_the_policy_does_not_name_is_not_called(internet: Internet) -> None:
    """RLY-21: an MX record that an attacker has put there."""
    other, server = elsewhere(internet), home(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx="mx2.elsewhere.test"), id="1")
    assert sent(internet, server) == "queued"
    assert "is not a host that the MTA-STS policy of elsewhere.test names" in facts(server, "deferred")["reply"]
    # The domain mends its policy, and the next attempt goes through.
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="2", address="192.0.2.81")
    internet.reactor.advance(1200)
    assert server.states()[CAROL] == "relayed"
    assert len(internet.fetch(other, CAROL)) == 1


@pytest.mark.parametrize("mode", ["testing", "none"])
def test_a_policy_that_is_not_enforced_only_tells(internet: Internet, mode: str) -> None:
    """RLY-21."""
    elsewhere(internet, trusted=False)
    server = home(internet)
    internet.publish("elsewhere.test", POLICY.format(mode=mode, mx="mx9.elsewhere.test"), id="1")
    assert sent(internet, server) == "relayed"
    told = "; MTA-STS of elsewhere.test in testing, which does not name mx.elsewhere.test" if mode == "testing" else ""
    assert facts(server, "attempted")["policy"] == f"opportunistic, by [relay] tls{told}"


BROKEN: dict[str, dict[str, Any]] = {
    "moved": {"code": 301},
    "absent": {"code": 404},
    "of another kind": {"kind": "text/html"},
    "with another's certificate": {"name": "mta-sts.evil.test"},
    "too large": {"policy": POLICY.format(mode="enforce", mx=MX) + "x: y\r\n" * 20_000},
    "no policy": {"policy": "hello"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_policy_that_cannot_be_had_is_as_none_unless_an_earlier_one_holds(internet: Internet, broken: str) -> None:
    """RLY-21: redirects are not followed, the certificate of the site counts."""
    elsewhere(internet, trusted=False)
    server = home(internet)
    page = {"policy": POLICY.format(mode="enforce", mx=MX), **BROKEN[broken]}
    found = internet.publish("elsewhere.test", **page, id="1")
    assert sent(internet, server) == "relayed"
    assert len(found.requests) <= 1
    # One that can be had, and then a broken one again.
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="2", address="192.0.2.81")
    internet.reactor.advance(400)
    sent(internet, server)
    assert facts(server, "deferred")["status"] == "4.7.5"
    internet.publish("elsewhere.test", **page, id="3", address="192.0.2.82")
    internet.reactor.advance(400)
    internet.zone.remove("_mta-sts.elsewhere.test")
    internet.reactor.advance(400)
    sent(internet, server)
    assert facts(server, "attempted")["policy"] == "verified, by MTA-STS of elsewhere.test"


def test_the_operator_can_turn_it_off_or_make_an_exception(internet: Internet) -> None:
    """RLY-21."""
    elsewhere(internet, trusted=False)
    page = internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="1")
    off = home(internet, mta_sts=False)
    assert sent(internet, off) == "relayed"
    internet.stop()
    assert page.requests == []


def test_requiretls_goes_on_over_verified_tls_to_who_offers_it(internet: Internet) -> None:
    """REQT-01."""
    other, server = elsewhere(internet), home(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="1")
    sent(internet, server, NO, REQUIRETLS="")
    assert len(internet.fetch(other, CAROL)) == 1
    attempted = facts(server, "attempted")
    assert attempted["policy"] == "verified, by MTA-STS of elsewhere.test, REQUIRETLS"
    assert any(line.startswith("C: MAIL") and " REQUIRETLS" in line for line in attempted["dialogue"])


def test_requiretls_comes_back_from_hosts_that_nobody_vouches_for(internet: Internet) -> None:
    """REQT-01, CODE-26: 5.7.30, and the report stays under TLS as far as it can (RFC 8689 §5)."""
    other, server = elsewhere(internet), home(internet)
    assert sent(internet, server, REQUIRETLS="") == "bounced"
    bounced = facts(server, "bounced")
    assert bounced["status"] == "5.7.30"
    assert "REQUIRETLS support required" in bounced["reply"]
    assert other.journal.steps == []
    (report,) = internet.fetch(server, ALICE)
    assert b"Status: 5.7.30" in report
    assert b"Hi there" not in report


def test_requiretls_comes_back_where_tls_is_not_to_be_had(internet: Internet) -> None:
    """REQT-01: 5.7.10 (RFC 8689 §4.2.1)."""
    elsewhere(internet, trusted=False)
    server = home(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="1")
    sent(internet, server, REQUIRETLS="")
    assert facts(server, "bounced")["status"] == "5.7.10"


def test_a_report_about_it_goes_to_who_does_not_offer_it(internet: Internet) -> None:
    """REQT-01: RFC 8689 §5: a report is not thrown away for it."""
    other, server = elsewhere(internet, trusted=False), home(internet)
    internet.submit(other, CAROL, "nobody@home.test", REQUIRETLS="")
    internet.reactor.advance(30)
    assert facts(other, "bounced")["status"] == "5.7.30"
    (report,) = internet.fetch(other, CAROL)
    assert b"5.7.30" in report
    internet.stop()
    assert server.journal.steps == []


def test_the_ehlo_name_and_the_source_address_are_the_operators(internet: Internet) -> None:
    """RLY-26."""
    other = elsewhere(internet)
    internet.reactor.host("192.0.2.1", "192.0.2.9")
    server = home(internet, ehlo_name="out.home.test")
    assert sent(internet, server) == "relayed"
    assert facts(other, "exchanged")["helo"] == "out.home.test"
