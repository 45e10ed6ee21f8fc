"""DANE: outbound TLS by signed TLSA records (RFC 7672)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.names import dns

from mailstack.letter.envelope import HostPort
from mailstack.net.zone import TlsaRecord
from mailstack.protocols.connection import Tlsa
from tests.journeys.internet import Internet, SimulatedServer, facts, public_ca
from tests.journeys.test_outward_security import CAROL, MX, NO, POLICY, elsewhere, home, sent


def tlsa(*, right: bool = True, usage: int = 3) -> TlsaRecord:
    (leaf, *_) = x509.load_pem_x509_certificates(public_ca().certificate.read_bytes())
    key = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return TlsaRecord(Tlsa(usage, 1, 1, sha256(key if right else b"another").digest()))


def signed(internet: Internet, *records: TlsaRecord) -> None:
    name = f"_25._tcp.{MX}"
    if records:
        internet.zone.add(name, *records)
    internet.zone.sign("elsewhere.test", MX, name)


def trusting(internet: Internet, **relay: Any) -> SimulatedServer:
    """A server that trusts its resolver, and no CA that anybody here has."""
    return home(internet, **{"dane": True, "nameservers": (HostPort("127.0.0.1", 53),), "ca_file": None, **relay})


def test_a_certificate_that_a_signed_record_names_is_enough(internet: Internet) -> None:
    """RLY-20: no CA is asked."""
    other, server = elsewhere(internet), trusting(internet)
    signed(internet, tlsa())
    sent(internet, server)
    assert len(internet.fetch(other, CAROL)) == 1
    attempted = facts(server, "attempted")
    assert attempted["policy"] == f"dane, by DANE _25._tcp.{MX}"
    assert attempted["tls"]["verified"] is True


def test_a_host_that_is_an_alias_is_asked_for_by_its_real_name(internet: Internet) -> None:
    """RLY-20: RFC 7672 §2.2.2, §8.1."""
    other, server = elsewhere(internet), trusting(internet)
    internet.zone.remove("elsewhere.test")
    internet.zone.add("elsewhere.test", dns.Record_MX(10, "mail.elsewhere.test"))
    internet.zone.add("mail.elsewhere.test", dns.Record_CNAME(MX))
    internet.zone.sign("mail.elsewhere.test")
    signed(internet, tlsa())
    sent(internet, server)
    assert len(internet.fetch(other, CAROL)) == 1
    assert facts(server, "attempted")["policy"] == f"dane, by DANE _25._tcp.{MX}"


def test_another_certificate_makes_the_letter_wait(internet: Internet) -> None:
    """RLY-20: usable TLSA = must match, else defer; also where MTA-STS would be content (RFC 8461 §2)."""
    other, server = elsewhere(internet), trusting(internet, ca_file=public_ca().ca)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx=MX), id="1")
    signed(internet, tlsa(right=False))
    assert sent(internet, server) == "queued"
    assert "no TLSA record matches it" in facts(server, "deferred")["reply"]
    assert other.journal.steps == []


def test_records_that_nobody_signed_count_for_nothing(internet: Internet) -> None:
    """RLY-20: no resolver AD bit → no DANE."""
    elsewhere(internet)
    server = trusting(internet)
    internet.zone.add(f"_25._tcp.{MX}", tlsa(right=False))
    assert sent(internet, server) == "relayed"
    assert facts(server, "attempted")["policy"] == "opportunistic, by [relay] tls"


def test_a_server_that_does_not_trust_its_resolver_has_no_dane(internet: Internet) -> None:
    """RLY-20."""
    elsewhere(internet)
    server = home(internet)
    signed(internet, tlsa(right=False))
    assert sent(internet, server) == "relayed"
    assert not any(kind == 52 for _, kind in internet.zone.queries)


def test_records_that_cannot_be_had_make_the_letter_wait(internet: Internet) -> None:
    """RLY-20: RFC 7672 §2.1: an attacker could suppress them."""
    elsewhere(internet)
    server = trusting(internet)
    signed(internet)
    internet.zone.fail(f"_25._tcp.{MX}")
    assert sent(internet, server) == "queued"
    assert "TLSA lookup failed" in facts(server, "deferred")["reply"]
    internet.zone.mend(f"_25._tcp.{MX}")
    internet.reactor.advance(600)
    assert server.states()[CAROL] == "relayed"


def test_records_of_other_usages_demand_tls_and_no_certificate(internet: Internet) -> None:
    """RLY-20: usages 2 and 3 only; RFC 7672 §2.2: mandatory TLS then."""
    elsewhere(internet)
    server = trusting(internet)
    signed(internet, tlsa(right=False, usage=1))
    assert sent(internet, server) == "relayed"
    assert facts(server, "attempted")["policy"].startswith("required, by DANE, no record")


def test_requiretls_is_content_with_dane(internet: Internet) -> None:
    """REQT-01: a signed MX and a TLSA record vouch for the host."""
    other, server = elsewhere(internet), trusting(internet)
    signed(internet, tlsa())
    sent(internet, server, REQUIRETLS="")
    assert len(internet.fetch(other, CAROL)) == 1
    assert facts(server, "attempted")["policy"] == f"dane, by DANE _25._tcp.{MX}, REQUIRETLS"


def test_a_letter_may_say_that_it_rather_arrives_than_hides(internet: Internet) -> None:
    """REQT-01: `TLS-Required: No` relaxes DANE and MTA-STS."""
    elsewhere(internet, trusted=False)
    server = trusting(internet, ca_file=public_ca().ca)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx="mx9.elsewhere.test"), id="1")
    assert sent(internet, server, NO) == "relayed"
    assert facts(server, "attempted")["policy"] == "opportunistic, by [relay] tls, TLS-Required: No"
    signed(internet, tlsa(right=False))
    internet.reactor.advance(4000)
    sent(internet, server, NO)
    assert facts(server, "attempted")["policy"] == "opportunistic, by [relay] tls, TLS-Required: No"
