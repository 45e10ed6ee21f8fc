"""DNS records to publish, as values and zone file lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.names import dns
from twisted.names.authority import BindAuthority

from mailstack.config import MtaStsSettings, RelaySettings
from mailstack.config.values import Domain, HostName
from mailstack.net.certificates import private_ca
from mailstack.relay.routes import SmartHost
from mailstack.web.autoconfig.guide import services_from_config
from mailstack.web.autoconfig.records import (
    DnsRecord,
    Publication,
    PublicationFacts,
    data_text,
    key_hash,
    policy_id,
    policy_text,
    publication,
    publication_facts,
    zone_header,
    zone_lines,
)
from tests.web.autoconfig.servers import ALL, USUAL, server

NOON = 1_764_072_000.0
WEB = server("mx", "submission", "submissions", "pop3", "pop3s", "https")


def wanted(config: object = USUAL, **facts: object) -> Publication:
    return publication(config, PublicationFacts(services_from_config(config), **facts))  # type: ignore[arg-type]


def data_of(found: Publication, name: str, kind: str, domain: str = "home.test") -> list[str]:
    records = (*found.host, *found.domains[domain])
    return [record.data for record in records if (record.name, record.type) == (name, kind)]


def test_srv_records_name_what_is_offered_and_deny_the_rest() -> None:
    """AC-01: RFC 6186 §3, RFC 8314 §5.1."""
    found = wanted()
    offered = {"submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995}
    wanted_data = {name: f"0 1 {port} mx.home.test." for name, port in offered.items()}
    for name, data in {**wanted_data, "imap": "0 0 0 .", "imaps": "0 0 0 ."}.items():
        for domain in ("home.test", "other.test"):
            assert data_of(found, f"_{name}._tcp.{domain}.", "SRV", domain) == [data]


def test_imap_is_to_be_tried_before_pop3_where_both_are() -> None:
    """RFC 6186 §3.4: the lower priority comes first."""
    found = wanted(server(*ALL))
    assert data_of(found, "_imaps._tcp.home.test.", "SRV") == ["0 1 993 mx.home.test."]
    assert data_of(found, "_pop3s._tcp.home.test.", "SRV") == ["10 1 995 mx.home.test."]


def test_what_other_hosts_need() -> None:
    """AC-06: MX, SPF, DMARC, TLSRPT and MTA-STS of each domain."""
    found = wanted(WEB, web=True)
    assert data_of(found, "other.test.", "MX", "other.test") == ["10 mx.home.test."]
    assert data_of(found, "home.test.", "TXT") == ["v=spf1 mx ~all"]
    assert data_of(found, "_dmarc.home.test.", "TXT") == ["v=DMARC1; p=none; rua=mailto:postmaster@home.test"]
    assert data_of(found, "_smtp._tls.home.test.", "TXT") == ["v=TLSRPTv1; rua=mailto:postmaster@home.test"]
    assert data_of(found, "_mta-sts.home.test.", "TXT") == [f"v=STSv1; id={policy_id(WEB)}"]
    for name in ("mta-sts", "autoconfig", "autodiscover"):
        assert data_of(found, f"{name}.home.test.", "CNAME") == ["mx.home.test."]
    assert data_of(found, "_autodiscover._tcp.home.test.", "SRV") == ["0 1 443 mx.home.test."]


def test_records_of_the_web_service_need_the_web_service() -> None:
    names = {record.name for _, record in wanted().all()}
    assert not names & {"mta-sts.home.test.", "_mta-sts.home.test.", "autoconfig.home.test.", "autodiscover.home.test."}
    assert any("https" in note for note in wanted().notes)


def test_a_server_without_an_exchange_has_no_mx() -> None:
    assert data_of(wanted(server("submissions", "pop3s")), "home.test.", "MX") == []


def test_dkim_keys_stand_under_their_selector_or_a_note_says_that_there_is_none() -> None:
    found = wanted(dkim=[("home.test", "s1", "v=DKIM1; p=abc")])
    assert data_of(found, "s1._domainkey.home.test.", "TXT") == ["v=DKIM1; p=abc"]
    (note,) = [note for note in found.notes if "DKIM" in note]
    assert "other.test" in note
    assert " home.test" not in note


def test_the_host_has_addresses_spf_and_tlsa() -> None:
    found = wanted(addresses=("192.0.2.1", "2001:db8::1"), key_hash="ab" * 32)
    assert data_of(found, "mx.home.test.", "A") == ["192.0.2.1"]
    assert data_of(found, "mx.home.test.", "AAAA") == ["2001:db8::1"]
    assert data_of(found, "mx.home.test.", "TXT") == ["v=spf1 a -all"]
    assert data_of(found, "_25._tcp.mx.home.test.", "TLSA") == ["3 1 1 " + "ab" * 32]


def test_a_name_never_has_two_spf_records() -> None:
    """RFC 7208 §4.5: more than one is an error."""
    config = server("mx")
    for domains in ((Domain("mx.home.test"),), (Domain("home.test"), Domain("[192.0.2.1]"))):
        changed = type(config)(hostname=HostName("mx.home.test"), domains=domains, listen=config.listen)
        records = [record for _, record in wanted(changed).all()]
        spf = [record.name for record in records if record.data.startswith("v=spf1")]
        assert len(spf) == len(set(spf))
        assert not any("[" in record.name for record in records)


def test_a_smart_host_is_noted_for_spf() -> None:
    config = server("mx", relay=RelaySettings(smart_host=(SmartHost.parse("smtp://out.provider.test"),)))
    assert any("out.provider.test" in note and "include:" in note for note in wanted(config).notes)


def test_the_hash_is_that_of_the_certificates_key(tmp_path: Path) -> None:
    """RFC 6698 §2.1: the key lives through a renewal that keeps it, the certificate does not."""
    config = server("mx", data=tmp_path)
    assert key_hash(config) == ""
    private_ca(tmp_path / "tls", "mx.home.test", NOON)
    first = key_hash(config)
    assert len(first) == 64
    assert publication_facts(config, services_from_config(config)).key_hash == first


def test_policy_lists_the_mail_exchanges() -> None:
    """RFC 8461 §3.2."""
    config = server("mx", mta_sts=MtaStsSettings(mode="enforce", mx=(Domain("backup.home.test"),)))
    assert policy_text(config) == (
        "version: STSv1\r\nmode: enforce\r\nmx: mx.home.test\r\nmx: backup.home.test\r\nmax_age: 604800\r\n"
    )
    assert "mx:" not in policy_text(server("mx", mta_sts=MtaStsSettings(mode="none")))


def test_another_policy_has_another_id() -> None:
    """RFC 8461 §3.1: 1 to 32 letters and digits."""
    ids = {policy_id(server("mx", mta_sts=MtaStsSettings(mode=mode))) for mode in ("none", "testing", "enforce")}
    assert len(ids) == 3
    assert all(each.isalnum() and len(each) <= 32 for each in ids)
    assert policy_id(USUAL) == policy_id(server("mx"))


def test_text_is_quoted_and_cut_into_strings() -> None:
    """RFC 1035 §3.3: a character-string has at most 255 octets."""
    assert data_text(DnsRecord("x.", "TXT", 'a "b" \\', "")) == '"a \\"b\\" \\\\"'
    assert data_text(DnsRecord("x.", "TXT", "k" * 300, "")) == f'"{"k" * 255}" "{"k" * 45}"'
    assert data_text(DnsRecord("x.", "MX", "10 y.", "")) == "10 y."


def test_a_whole_zone_is_loaded_by_a_name_server(tmp_path: Path) -> None:
    """Twisted's own, as far as it knows the types."""
    published = wanted(addresses=("192.0.2.1",)).domains["home.test"]
    records = [record for record in published if record.type in ("MX", "SRV")]
    file = tmp_path / "zone"
    file.write_text("\n".join([*zone_header("home.test", ["ns.home.test"], NOON), *zone_lines(records), ""]))
    authority = BindAuthority(str(file))
    assert any(isinstance(record, dns.Record_SOA) for record in authority.records[b"home.test"])
    (mx,) = [record for record in authority.records[b"home.test"] if isinstance(record, dns.Record_MX)]
    assert mx.name.name.rstrip(b".") == b"mx.home.test"


@pytest.mark.parametrize(
    "record", [record for _, record in wanted(WEB, web=True, key_hash="ab" * 32).all()], ids=lambda r: r.name
)
def test_every_name_is_absolute_and_every_record_has_its_reason(record: DnsRecord) -> None:
    assert record.name.endswith(".")
    assert record.reason
    assert record.ttl == 3600
    if record.type in ("CNAME", "MX", "SRV"):
        assert record.data.endswith(".")
