"""`mailstack check` compares what is published with what `mailstack dns` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.task import Clock
from twisted.names import dns

from mailstack.cli.checks import Finding
from mailstack.cli.checks.dns import check_published
from mailstack.config import Config, load
from mailstack.net.certificates import private_ca
from mailstack.net.dns import DnsNames
from mailstack.net.zone import TlsaRecord, Zone
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.autoconfig.records import DnsRecord, key_hash, publication, publication_facts
from tests.aid import run
from tests.cli.conftest import NOON

LISTENING = """\
hostname = "mx.example.org"
domains = ["example.org", "home.test"]
[listen]
mx = ["tcp:25"]
submissions = ["tcp:465"]
pop3s = ["tcp:995"]
https = ["tcp:443"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "mailstack.toml"
    file.write_text(LISTENING)
    private_ca(tmp_path / "data" / "tls", "mx.example.org", NOON)
    return load(file, {})


def record_of(record: DnsRecord) -> Any:
    words = record.data.split()
    if record.type == "TXT":
        return dns.Record_TXT(record.data.encode())
    if record.type == "SRV":
        return dns.Record_SRV(int(words[0]), int(words[1]), int(words[2]), words[3].rstrip(".") or b"")
    if record.type == "CNAME":
        return dns.Record_CNAME(record.data.rstrip("."))
    if record.type == "TLSA":
        return TlsaRecord(Tlsa(3, 1, 1, bytes.fromhex(words[3])))
    return dns.Record_MX(10, "mx.example.org")


def zone_of(config: Config) -> Zone:
    """All that `mailstack dns` prints."""
    zone = Zone({"mx.example.org": [dns.Record_A("192.0.2.1")]})
    for _, record in publication(config, publication_facts(config, services_from_config(config))).all():
        zone.add(record.name.rstrip("."), record_of(record))
    zone.sign("_25._tcp.mx.example.org")
    return zone


def found(config: Config, zone: Zone) -> list[Finding]:
    return run(check_published(config, DnsNames(zone, Clock())))


def warnings(config: Config, zone: Zone) -> list[tuple[str, str]]:
    return [(finding.part, finding.text) for finding in found(config, zone) if finding.verdict != "good"]


def test_what_dns_prints_is_what_check_wants(config: Config) -> None:
    """AC-06"""
    findings = found(config, zone_of(config))
    assert {finding.verdict for finding in findings} == {"good"}
    parts = {finding.part for finding in findings}
    assert {"dns _dmarc.example.org", "dns _submissions._tcp.example.org", "dns autoconfig.example.org"} <= parts
    assert not any("home.test" in part for part in parts), "no name of the public DNS"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("_dmarc.example.org", 'v=DMARC1 is missing; publish TXT "v=DMARC1; p=none'),
        ("example.org", 'v=spf1 is missing; publish TXT "v=spf1 mx ~all"'),
        ("_mta-sts.example.org", "v=STSv1 is missing"),
        ("_submissions._tcp.example.org", "SRV is missing; publish SRV 0 1 465 mx.example.org."),
        ("autodiscover.example.org", "is missing; publish CNAME mx.example.org."),
    ],
)
def test_what_is_missing_is_told_with_the_record(config: Config, name: str, told: str) -> None:
    zone = zone_of(config)
    zone.remove(name)
    ((part, text),) = warnings(config, zone)
    assert part == f"dns {name}"
    assert told in text


@pytest.mark.parametrize(
    ("name", "record", "told"),
    [
        ("_mta-sts.example.org", dns.Record_TXT(b"v=STSv1; id=20200101"), "differs from the configuration"),
        ("_submissions._tcp.example.org", dns.Record_SRV(0, 1, 465, "mail.far.test"), "points to 465 mail.far.test."),
        ("_imaps._tcp.example.org", dns.Record_SRV(0, 1, 993, "mx.example.org"), "publish SRV 0 0 0 ."),
        ("autoconfig.example.org", dns.Record_A("192.0.2.9"), "points to 192.0.2.9"),
        ("_25._tcp.mx.example.org", TlsaRecord(Tlsa(3, 1, 1, b"x" * 32)), "TLSA has another key"),
    ],
)
def test_what_is_another_is_told(config: Config, name: str, record: Any, told: str) -> None:
    zone = zone_of(config)
    zone.remove(name)
    zone.add(name, record)
    ((part, text),) = warnings(config, zone)
    assert part == f"dns {name}"
    assert told in text


def test_two_records_of_one_kind_are_an_error_for_their_readers(config: Config) -> None:
    """RFC 7208 §4.5"""
    zone = zone_of(config)
    zone.add("example.org", dns.Record_TXT(b"v=spf1 -all"), dns.Record_TXT(b"site-verification=1"))
    ((part, text),) = warnings(config, zone)
    assert part == "dns example.org"
    assert "2 times" in text


def test_what_the_operator_may_choose_is_good(config: Config) -> None:
    zone = zone_of(config)
    zone.remove("example.org")
    for name in ("_dmarc", "_pop3s._tcp", "_imap._tcp", "_25._tcp.mx"):
        zone.remove(f"{name}.example.org")
    zone.add("example.org", dns.Record_TXT(b"v=spf1 include:provider.test -all"))
    zone.add("_dmarc.example.org", dns.Record_TXT(b"v=DMARC1; p=reject"))
    zone.add("_pop3s._tcp.example.org", dns.Record_SRV(7, 5, 995, "MX.example.org"))
    zone.add("_25._tcp.mx.example.org", TlsaRecord(Tlsa(2, 0, 1, b"x" * 32)))
    assert warnings(config, zone) == []


def test_a_dns_that_does_not_answer_is_for_the_caller_to_tell(config: Config) -> None:
    zone = zone_of(config)
    zone.fail("_dmarc.example.org")
    with pytest.raises(DnsUnavailable):
        found(config, zone)


def test_the_key_of_the_certificate_is_compared(config: Config) -> None:
    assert len(key_hash(config)) == 64
    zone = zone_of(config)
    changed = replace(config, data=config.data / "elsewhere")
    assert [part for part, _ in warnings(changed, zone)] == []
