"""Daily TLS reports to domains that ask for them (RFC 8460)."""

from __future__ import annotations

import email
import email.policy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from mailstack.config import Config, DkimKeySettings, DkimSettings, ExchangeSettings, RelaySettings, TlsReportsSettings
from mailstack.config.derived import tls_reports_enabled
from mailstack.config.values import Domain, Keyword, Selector
from mailstack.policy.authentication.keys import generate
from mailstack.protocols.connection import Tlsa
from mailstack.relay.tls_policy import TlsLevel, TlsPolicyTable
from mailstack.sandbox.simulation import Internet as Shipped
from mailstack.sandbox.simulation.server import SimulatedServer
from tests.journeys.internet import Internet
from tests.journeys.receiver import Receiver

DAY = 86_400.0
KEY = generate("rsa", 1024)
ALICE, CAROL, READER = "alice@home.test", "carol@elsewhere.test", "tls@elsewhere.test"
POLICY = "version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: 604800\r\n"


def home(
    internet: Internet, tmp_path: Path, *, send: Any = "auto", signs: bool = True, **relay: Any
) -> SimulatedServer:
    file = tmp_path / "s1.pem"
    file.write_bytes(KEY.pem())
    keys = (DkimKeySettings(selector=Selector("s1"), file=file),) if signs else ()
    internet.zone.txt("s1._domainkey.home.test", KEY.record())
    return Shipped.host(
        internet,
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=[ALICE],
        dkim=DkimSettings(keys=keys),
        relay=RelaySettings(ca_file=internet.ca.file, **relay),
        tls_reports=TlsReportsSettings(send=send, organization="Häuser & Söhne"),
    )


def elsewhere(
    internet: Internet, certificate: Any = "good", rua: str = f"mailto:{READER}", **settings: Any
) -> SimulatedServer:
    internet.zone.txt("_smtp._tls.elsewhere.test", f"v=TLSRPTv1; rua={rua}")
    return Shipped.host(
        internet,
        "mx.elsewhere.test",
        "192.0.2.2",
        domains=["elsewhere.test"],
        accounts=[CAROL, READER],
        certificate=certificate,
        **settings,
    )


def write(internet: Internet, site: SimulatedServer, count: int = 1) -> None:
    """So many letters, each over a session of its own."""
    for _ in range(count):
        internet.submit(site, ALICE, CAROL)
        internet.reactor.advance(10)


def next_day(internet: Internet) -> None:
    """Until all reports of today have been sent."""
    now = internet.reactor.seconds()
    internet.reactor.advance((now // DAY + 1) * DAY + 6 * 3600 - now)


def report_of(letter: bytes) -> tuple[Any, Any]:
    """The letter, and the JSON in it."""
    message = email.message_from_bytes(letter, policy=email.policy.default)
    (part,) = [each for each in message.walk() if each.get_content_type() == "application/tlsrpt+gzip"]
    return message, json.loads(gzip.decompress(part.get_payload(decode=True)))


def reported(internet: Internet, there: SimulatedServer) -> Any:
    """What the only report in the reader's mailbox says of its only policy."""
    (letter,) = internet.fetch(there, READER)
    (policy,) = report_of(letter)[1]["policies"]
    return policy


def test_a_report_comes_once_a_day_signed_and_as_the_rfc_has_it(internet: Internet, tmp_path: Path) -> None:
    """RLY-22: RFC 8460 §4.4, §5.1, §5.3."""
    site, there = home(internet, tmp_path), elsewhere(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx="mx.elsewhere.test"))
    day = int(internet.reactor.seconds() // DAY)
    write(internet, site, 3)
    assert internet.fetch(there, READER) == []
    next_day(internet)
    (letter,) = internet.fetch(there, READER)
    message, report = report_of(letter)
    assert (message["TLS-Report-Domain"], message["TLS-Report-Submitter"]) == ("elsewhere.test", "home.test")
    assert message["From"] == "postmaster@home.test"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "tlsrpt"
    assert message["TLS-Required"] == "No"
    subject = f"Report Domain: elsewhere.test Submitter: home.test Report-ID: <{report['report-id']}>"
    assert message["Subject"] == subject
    assert "dkim=pass header.d=home.test" in message["Authentication-Results"]
    (file,) = [each.get_filename() for each in message.walk() if each.get_filename()]
    begin, end = day * 86_400, (day + 1) * 86_400 - 1
    assert file.startswith(f"home.test!elsewhere.test!{begin}!{end}!")
    assert file.endswith(".json.gz")
    assert "Häuser & Söhne" in message.get_body(("plain",)).get_content()
    assert report["organization-name"] == "Häuser & Söhne"
    assert report["contact-info"] == "postmaster@home.test"
    assert report["date-range"] == {"start-datetime": "2026-05-28T00:00:00Z", "end-datetime": "2026-05-28T23:59:59Z"}
    assert report["policies"] == [
        {
            "policy": {
                "policy-type": "sts",
                "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.elsewhere.test", "max_age: 604800"],
                "policy-domain": "elsewhere.test",
                "mx-host": ["mx.elsewhere.test"],
            },
            "summary": {"total-successful-session-count": 3, "total-failure-session-count": 0},
        }
    ]
    # The report itself was a session, of the day after; then there is silence.
    next_day(internet)
    assert reported(internet, there)["summary"]["total-successful-session-count"] == 1


@pytest.mark.parametrize(
    ("certificate", "kind"),
    [
        ("expired", "certificate-expired"),
        ("self-signed", "certificate-not-trusted"),
        ("wrong-name", "certificate-host-mismatch"),
    ],
)
@pytest.mark.parametrize("mode", ["enforce", "testing"])
def test_bad_certificates_are_reported(
    internet: Internet, tmp_path: Path, certificate: str, kind: str, mode: str
) -> None:
    """RLY-22: RFC 8460 §4.3.1. In testing the letter goes all the same (RFC 8461 §5); the report is not kept from its reader."""
    site, there = home(internet, tmp_path), elsewhere(internet, certificate)
    internet.publish("elsewhere.test", POLICY.format(mode=mode, mx="mx.elsewhere.test"))
    write(internet, site)
    assert site.states()[CAROL] == ("queued" if mode == "enforce" else "relayed")
    write(internet, site)
    next_day(internet)
    found = reported(internet, there)
    assert found["policy"]["policy-type"] == "sts"
    assert found["summary"]["total-successful-session-count"] == 0
    (detail,) = found["failure-details"]
    assert (detail["result-type"], detail["sending-mta-ip"]) == (kind, "192.0.2.1")
    assert (detail["receiving-mx-hostname"], detail["receiving-ip"]) == ("mx.elsewhere.test", "192.0.2.2")
    assert detail["failed-session-count"] == found["summary"]["total-failure-session-count"] >= 2


def test_another_domain_s_policy_spoils_no_report(internet: Internet, tmp_path: Path) -> None:
    """RLY-22: anybody may publish our host's address under a name that its certificate does not have."""
    site, there = home(internet, tmp_path), elsewhere(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="testing", mx="mx.elsewhere.test"))
    internet.publish("evil.test", POLICY.format(mode="testing", mx="mx.evil.test"))
    internet.zone.txt("_smtp._tls.evil.test", f"v=TLSRPTv1; rua=mailto:{READER}")
    internet.zone.mx("evil.test", "mx.evil.test")
    internet.zone.a("mx.evil.test", "192.0.2.2")
    internet.submit(site, ALICE, "eve@evil.test")
    internet.reactor.advance(10)
    write(internet, site)
    next_day(internet)
    reports = [report_of(letter)[1] for letter in internet.fetch(there, READER)]
    summaries = {each["policies"][0]["policy"]["policy-domain"]: each["policies"][0]["summary"] for each in reports}
    assert summaries["elsewhere.test"] == {"total-successful-session-count": 1, "total-failure-session-count": 0}
    assert summaries["evil.test"]["total-failure-session-count"] > 0


def test_a_host_that_the_policy_does_not_name_is_told(internet: Internet, tmp_path: Path) -> None:
    site, there = home(internet, tmp_path), elsewhere(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="enforce", mx="other.elsewhere.test"))
    write(internet, site)
    next_day(internet)
    (detail,) = reported(internet, there)["failure-details"]
    assert (detail["result-type"], detail["receiving-mx-hostname"]) == ("validation-failure", "mx.elsewhere.test")


def test_without_any_policy_it_is_told_whether_there_was_tls(internet: Internet, tmp_path: Path) -> None:
    site = home(internet, tmp_path)
    there = elsewhere(internet, exchange=ExchangeSettings(withhold=(Keyword("STARTTLS"),)))
    write(internet, site, 2)
    next_day(internet)
    found = reported(internet, there)
    assert found["policy"] == {"policy-type": "no-policy-found", "policy-domain": "elsewhere.test"}
    assert found["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 2}
    (detail,) = found["failure-details"]
    assert (detail["result-type"], detail["failed-session-count"]) == ("starttls-not-supported", 2)


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ({"code": 404}, "sts-policy-fetch-error"),
        ({"certificate": "expired"}, "sts-webpki-invalid"),
        ({}, "sts-policy-invalid"),
    ],
)
def test_an_unavailable_policy_is_reported(internet: Internet, tmp_path: Path, page: dict[str, Any], kind: str) -> None:
    """RLY-22: RFC 8460 §4.3.2.2."""
    site, there = home(internet, tmp_path), elsewhere(internet)
    internet.publish("elsewhere.test", POLICY.format(mode="nonsense" if not page else "enforce", mx="x.test"), **page)
    write(internet, site)
    next_day(internet)
    found = reported(internet, there)
    assert found["policy"]["policy-type"] == "no-policy-found"
    assert [each["result-type"] for each in found["failure-details"]] == [kind]


def test_tlsa_records_are_told_as_they_are(internet: Internet, tmp_path: Path) -> None:
    """RLY-22: RFC 8460 §4.4, §4.3.2.1."""
    site, there = home(internet, tmp_path, dane=True), elsewhere(internet)
    internet.zone.sign("elsewhere.test", "mx.elsewhere.test", "_25._tcp.mx.elsewhere.test")
    internet.zone.tlsa("_25._tcp.mx.elsewhere.test", Tlsa(3, 1, 1, bytes(32)))
    write(internet, site)
    internet.zone.remove("_25._tcp.mx.elsewhere.test")
    internet.reactor.advance(120)
    internet.zone.tlsa("_25._tcp.mx.elsewhere.test", Tlsa(0, 0, 1, bytes(32)))
    write(internet, site)
    internet.zone.remove("_25._tcp.mx.elsewhere.test")
    next_day(internet)
    (letter,) = internet.fetch(there, READER)
    policies = report_of(letter)[1]["policies"]
    policies = [each for each in policies if each["policy"]["policy-type"] == "tlsa"]
    told = {each["policy"]["policy-string"][0]: each["failure-details"][0]["result-type"] for each in policies}
    assert told == {f"3 1 1 {'00' * 32}": "validation-failure", f"0 0 1 {'00' * 32}": "tlsa-invalid"}
    assert {each["policy"]["policy-domain"] for each in policies} == {"mx.elsewhere.test"}


def test_a_report_may_be_posted(internet: Internet, tmp_path: Path) -> None:
    """RLY-22: RFC 8460 §5.4: what is not taken comes again, and who has got it gets it no more."""
    site = home(internet, tmp_path)
    there = elsewhere(internet, rua=f"https://tlsrpt.elsewhere.test/v1,mailto:{READER}")
    receiver = Receiver(internet.reactor.host("192.0.2.90"), name="tlsrpt.elsewhere.test", port=443)
    receiver.code = 503
    internet.zone.a("tlsrpt.elsewhere.test", "192.0.2.90")
    write(internet, site)
    next_day(internet)
    assert len(receiver.requests) >= 1
    receiver.code = 201
    internet.reactor.advance(2 * 3600)
    last = receiver.requests[-1]
    assert last.headers["content-type"] == "application/tlsrpt+gzip"
    assert json.loads(gzip.decompress(last.octets))["policies"][0]["summary"]["total-successful-session-count"] == 1
    count = len(receiver.requests)
    internet.reactor.advance(6 * 3600)
    assert len(receiver.requests) == count
    assert len(internet.fetch(there, READER)) == 1


def test_a_url_that_a_stranger_publishes_never_leads_inside(internet: Internet, tmp_path: Path) -> None:
    site = home(internet, tmp_path)
    elsewhere(internet, rua="https://inside.elsewhere.test/,https://10.0.0.1/")
    receivers = [
        Receiver(internet.reactor.host(address), name="inside.elsewhere.test", port=443)
        for address in ("192.0.2.1", "10.0.0.1")
    ]
    internet.zone.a("inside.elsewhere.test", "127.0.0.1", "10.0.0.1")
    write(internet, site)
    next_day(internet)
    internet.reactor.advance(3 * DAY)
    assert [each.requests for each in receivers] == [[], []]
    assert internet.reactor.result_of(site.store.tls_results.counts()) == []


@pytest.mark.parametrize("how", ["off", "unsigned", "by the operator", "unasked"])
def test_no_report_is_sent_if_off_unsigned_or_not_requested(internet: Internet, tmp_path: Path, how: str) -> None:
    policy = TlsPolicyTable({"elsewhere.test": TlsLevel.VERIFIED}) if how == "by the operator" else TlsPolicyTable()
    site = home(internet, tmp_path, send="off" if how == "off" else "auto", signs=how != "unsigned", tls_policy=policy)
    there = elsewhere(internet)
    if how == "unasked":
        internet.zone.remove("_smtp._tls.elsewhere.test")
    write(internet, site)
    next_day(internet)
    assert internet.fetch(there, READER) == []
    assert internet.reactor.result_of(site.store.tls_results.counts("elsewhere.test")) == []


def test_a_dns_that_is_down_delays_a_report_and_ends_it_after_two_days(internet: Internet, tmp_path: Path) -> None:
    site, there = home(internet, tmp_path), elsewhere(internet)
    write(internet, site)
    internet.zone.servfail("_smtp._tls.elsewhere.test")
    next_day(internet)
    assert internet.fetch(there, READER) == []
    assert internet.reactor.result_of(site.store.tls_results.counts())
    internet.reactor.advance(3 * DAY)
    assert internet.reactor.result_of(site.store.tls_results.counts()) == []


def test_only_domains_of_ours_with_a_key_count_as_signed() -> None:
    key = DkimKeySettings(selector=Selector("s1"), file=Path("key"))
    ours = Config(domains=(Domain("home.test"), Domain("other.test")), dkim=DkimSettings(keys=(key,)))
    assert tls_reports_enabled(ours)
    of_other = DkimKeySettings(selector=Selector("s1"), file=Path("key"), domains=(Domain("other.test"),))
    assert not tls_reports_enabled(Config(domains=ours.domains, dkim=DkimSettings(keys=(of_other,))))
    assert not tls_reports_enabled(Config(dkim=DkimSettings(keys=(key,))))
