"""DKIM, SPF and DMARC between two servers, by the same DNS."""

from __future__ import annotations

from pathlib import Path

import dkim
from twisted.names import dns
from twisted.names.error import DNSServerError

from mailstack.config import AuthenticationSettings, DkimKeySettings, DkimSettings, ExchangeSettings
from mailstack.config.values import Domain, Keyword, Network, Selector
from mailstack.letter.times import Duration
from mailstack.policy.authentication.keys import generate
from mailstack.store.folders import Folder
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import connect

KEYS = {"s1": generate("rsa", 1024), "e1": generate("ed25519")}
PLAIN = b"From: alice@home.test\r\nSubject: hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nHi\r\n"
CONTENT = "From: Ä <alice@home.test>\r\nSubject: grüße\r\nX-Other:  a\r\n  b\r\n\r\nGrüße,\r\n.dot\r\n\r\n\r\n".encode()


def home(internet: Internet, tmp_path: Path) -> SimulatedServer:
    """A server that signs with both kinds of keys, and what it publishes."""
    keys = []
    for selector, key in KEYS.items():
        file = tmp_path / f"{selector}.pem"
        file.write_bytes(key.pem())
        keys.append(DkimKeySettings(selector=Selector(selector), file=file))
        internet.zone.add(f"{selector}._domainkey.home.test", dns.Record_TXT(key.record().encode()))
    site = internet.home("alice@home.test", dkim=DkimSettings(keys=tuple(keys)))
    internet.zone.add("home.test", dns.Record_TXT(b"v=spf1 mx -all"))
    internet.zone.add("_dmarc.home.test", dns.Record_TXT(b"v=DMARC1; p=reject"))
    return site


def other(internet: Internet, **settings: object) -> SimulatedServer:
    return internet.mail_server(
        "mx.other.test", "192.0.2.2", "carol@other.test", authentication=AuthenticationSettings(**settings)
    )


def results_in(letter: bytes) -> bytes:
    """The first Authentication-Results, unfolded."""
    start = letter.index(b"Authentication-Results:")
    field = letter[start:].replace(b"\r\n\t", b" ")
    return field[: field.index(b"\r\n")]


def bring(
    internet: Internet, site: SimulatedServer, content: bytes, sender: str = "alice@home.test", **how: object
) -> bytes:
    """What the exchange says to a letter from a stranger's machine."""
    octets = f"EHLO client.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<carol@other.test>\r\nDATA\r\n".encode()
    client = connect(internet, site, octets + content + b".\r\n", **how)  # type: ignore[arg-type]
    return client.heard.split(b"\r\n")[-2]


def test_a_letter_is_signed_here_and_found_good_there(internet: Internet, tmp_path: Path) -> None:
    """DKIM-02, DKIM-03, SUBM-10, AR-01, SPF-01, DMARC-01: nothing that happens on the way breaks a signature."""
    site, there = home(internet, tmp_path), other(internet)
    internet.submit(site, "alice@home.test", "carol@other.test", content=CONTENT, body="8BITMIME", SMTPUTF8="")
    internet.reactor.advance(60)
    (letter,) = internet.fetch(there, "carol@other.test")
    assert results_in(letter) == (
        b"Authentication-Results: mx.other.test; spf=pass smtp.mailfrom=home.test;"
        b" dkim=pass header.d=home.test header.s=s1 header.a=rsa-sha256;"
        b" dkim=pass header.d=home.test header.s=e1 header.a=ed25519-sha256; arc=none; dmarc=pass header.from=home.test"
    )
    (exchanged,) = [step for step in there.journal.steps if step.step == "exchanged"]
    assert [exchanged.facts[name] for name in ("spf", "dkim", "dmarc")] == ["pass", "pass", "pass"]


def test_a_large_letter_is_signed_and_judged_too(internet: Internet, tmp_path: Path) -> None:
    """DKIM-02: hashed piece by piece."""
    site, there = home(internet, tmp_path), other(internet)
    content = b"From: alice@home.test\r\n\r\n" + b"x" * 70 + b"\r\n"
    internet.submit(site, "alice@home.test", "carol@other.test", content=content + (b"y " * 38 + b"\r\n") * 10_000)
    internet.reactor.advance(60)
    (letter,) = internet.fetch(there, "carol@other.test")
    assert results_in(letter).count(b"dkim=pass") == 2


def test_letters_of_eight_bits_are_converted_before_they_are_signed(internet: Internet, tmp_path: Path) -> None:
    """DKIM-03: else a host of seven bits would break the signature (RFC 6376 §5.3)."""
    site = home(internet, tmp_path)
    exchange = ExchangeSettings(withhold=(Keyword("8BITMIME"), Keyword("BINARYMIME")))
    there = internet.mail_server("mx.other.test", "192.0.2.2", "carol@other.test", exchange=exchange)
    content = b"From: alice@home.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    internet.submit(site, "alice@home.test", "carol@other.test", content=content, body="8BITMIME")
    internet.reactor.advance(60)
    (letter,) = internet.fetch(there, "carol@other.test")
    assert letter.isascii()
    assert results_in(letter).count(b"dkim=pass") == 2


def test_dmarc_policy_is_applied(internet: Internet, tmp_path: Path) -> None:
    """DMARC-02, CODE-25: p=reject is 550 5.7.1 after the letter; p=quarantine marks it."""
    home(internet, tmp_path)
    there = other(internet)
    assert bring(internet, there, CONTENT).startswith(b"550 5.7.1 ")
    internet.zone.remove("_dmarc.home.test")
    internet.zone.add("_dmarc.home.test", dns.Record_TXT(b"v=DMARC1; p=quarantine"))
    internet.reactor.advance(4000)
    assert bring(internet, there, CONTENT).startswith(b"250 ")
    (letter,) = internet.fetch(there, "carol@other.test")
    assert b"dmarc=fail header.from=home.test policy.dmarc=quarantine" in results_in(letter)


def test_quarantine_leads_into_the_folder_for_junk(internet: Internet, tmp_path: Path) -> None:
    """IMAP-125: p=quarantine, or p=reject that the operator does not obey; the field of another host means nothing."""
    home(internet, tmp_path)
    internet.zone.remove("_dmarc.home.test")
    internet.zone.add("_dmarc.home.test", dns.Record_TXT(b"v=DMARC1; p=quarantine"))
    there, folders = other(internet), [Folder("Spam", use="\\Junk")]
    internet.result_of(there.store.folders.prepare("carol@other.test", folders, 1000.0))
    assert bring(internet, there, CONTENT).startswith(b"250 ")
    assert bring(internet, there, b"X-Spam-Flag: YES\r\nFrom: a@x.test\r\n\r\nHi\r\n", "a@x.test").startswith(b"250 ")
    delivered = [step.facts for step in there.journal.steps if step.step == "delivered"]
    assert [facts.get("folder") for facts in delivered] == ["Spam", None]
    (letter,) = internet.fetch(there, "carol@other.test")
    assert letter.endswith(b"Hi\r\n")


def test_dmarc_with_several_authors(internet: Internet, tmp_path: Path) -> None:
    """DMARC-01: several From fields are refused; several domains in one are permerror, and the strictest wish holds."""
    home(internet, tmp_path)
    there = other(internet)
    assert bring(internet, there, b"From: x@unknown.test\r\n" + CONTENT).startswith(b"550 5.6.0 ")
    both = b"From: x@unknown.test, alice@home.test\r\n\r\nHi\r\n"
    assert bring(internet, there, both).startswith(b"550 5.7.1 ")
    assert bring(internet, there, b"From: a@x.test, b@y.test\r\n\r\nHi\r\n", "a@x.test").startswith(b"250 ")


def test_an_spf_failure_is_marked_by_default(internet: Internet, tmp_path: Path) -> None:
    """SPF-02, CODE-25: marked by default; 550 5.7.23 if the operator wants."""
    internet.zone.add("list.test", dns.Record_TXT(b"v=spf1 -all"))
    there = other(internet)
    letter = b"From: bob@nobody.test\r\n\r\nHi\r\n"
    assert bring(internet, there, letter, "list@list.test").startswith(b"250 ")
    (marked,) = internet.fetch(there, "carol@other.test")
    assert b"spf=fail smtp.mailfrom=list.test" in results_in(marked)


def test_spf_and_dkim_failures_are_refused_if_configured(internet: Internet, tmp_path: Path) -> None:
    """CODE-25: 550 5.7.23 and 550 5.7.20."""
    internet.zone.add("list.test", dns.Record_TXT(b"v=spf1 -all"))
    there = other(internet, spf_fail="refuse", dkim_fail="refuse")
    letter = b"From: bob@nobody.test\r\n\r\nHi\r\n"
    assert bring(internet, there, letter, "list@list.test").startswith(b"550 5.7.23 ")
    bad = b"DKIM-Signature: v=1; a=rsa-sha256; d=nobody.test; s=x; h=from; bh=AAAA; b=AAAA\r\n"
    assert bring(internet, there, bad + letter, "bob@nobody.test").startswith(b"550 5.7.20 ")
    assert bring(internet, there, letter, "bob@nobody.test").startswith(b"250 ")


def test_a_letter_is_taken_when_the_dns_did_not_answer(internet: Internet) -> None:
    """SPF-01: temperror."""
    internet.zone.fail("home.test", DNSServerError)
    letter = b"From: alice@home.test\r\n\r\nHi\r\n"
    assert bring(internet, other(internet), letter).startswith(b"250 ")


def test_a_letter_comes_again_when_the_dns_did_not_answer(internet: Internet) -> None:
    """CODE-25: 451 4.4.3 (RFC 7208 §8.6)."""
    internet.zone.fail("home.test")
    there = other(internet, temperror="defer", timeout=Duration(2))
    assert bring(internet, there, b"From: alice@home.test\r\n\r\nHi\r\n").startswith(b"451 4.4.3 ")


FORGED = (
    b"Authentication-Results: mx.other.test; dmarc=pass\r\n"
    b"authentication-results:\r\n (a (b) c) MX.other.test. 1;\r\n spf=pass\r\n"
    b'Authentication-Results : "mx.other\\.test"; dkim=pass\r\n'
    b"Authentication-Results: mx.honest.test; dkim=none\r\n"
)


def test_forged_authentication_results_are_removed(internet: Internet) -> None:
    """AR-01, AR-02: those with our authserv-id are taken out, ours stands on top, others stay."""
    there = other(internet)
    bring(internet, there, FORGED + b"From: a@x.test\r\n\r\nHi\r\n", "a@x.test")
    (letter,) = internet.fetch(there, "carol@other.test")
    assert letter.lower().count(b"authentication-results") == 2
    assert b"mx.honest.test" in letter
    assert letter.index(b"Authentication-Results: mx.other.test") < letter.index(b"Received: from client.test")


def test_forged_authentication_results_are_removed_without_checks(internet: Internet) -> None:
    """AR-02: a server that asks nothing, and our own users."""
    there = other(internet, spf=False, dkim=False, dmarc=False, arc=False)
    bring(internet, there, FORGED + b"From: a@x.test\r\n\r\nHi\r\n", "a@x.test")
    internet.submit(
        there, "carol@other.test", "carol@other.test", content=FORGED + b"From: carol@other.test\r\n\r\nHi\r\n"
    )
    for letter in internet.fetch(there, "carol@other.test"):
        assert letter.lower().count(b"authentication-results") == 1


def test_a_trusted_list_may_break_signatures(internet: Internet, tmp_path: Path) -> None:
    """DMARC-02, ARC-01: a chain whose last sealer we believe, and who found the letter good, overrides p=reject."""
    home(internet, tmp_path)
    key = generate("rsa", 1024)
    internet.zone.add("s._domainkey.list.test", dns.Record_TXT(key.record().encode()))
    there = other(internet, trusted_sealers=(Domain("list.test"),))
    letters = []
    for verdict in (b"dmarc=pass", b"dmarc=fail"):
        came = b"Authentication-Results: list.test; arc=none; " + verdict + b"\r\n" + PLAIN
        letters.append(b"".join(dkim.arc_sign(came, b"s", b"list.test", key.pem(), b"list.test")) + PLAIN)
    good, bad = letters
    assert bring(internet, there, good, "owner@list.test").startswith(b"250 ")
    assert bring(internet, there, bad, "owner@list.test").startswith(b"550 5.7.1 ")
    assert bring(internet, there, good.replace(b"hello", b"other"), "owner@list.test").startswith(b"550 5.7.1 ")
    (letter,) = internet.fetch(there, "carol@other.test")
    assert b"arc=pass" in results_in(letter)
    assert b'dmarc=fail reason="a trusted chain vouches for it"' in results_in(letter)


def test_trusted_networks_are_not_checked(internet: Internet, tmp_path: Path) -> None:
    """SPF-02: machines of one's own."""
    home(internet, tmp_path)
    there = other(internet, trusted=(Network("203.0.113.0/24"),), trusted_sealers=(Domain("list.test"),))
    assert bring(internet, there, CONTENT).startswith(b"250 ")
    (letter,) = internet.fetch(there, "carol@other.test")
    assert b"Authentication-Results" not in letter
