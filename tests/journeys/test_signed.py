"""DKIM signatures of reports and of letters from relaying hosts; new keys on SIGHUP."""

from __future__ import annotations

import smtplib
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace

from mailstack.config import DkimKeySettings, DkimSettings, ExchangeSettings, RelaySettings, SubmissionSettings
from mailstack.config.values import Network, Selector
from mailstack.policy.authentication.dkim import SigningKey
from mailstack.policy.authentication.keys import generate
from mailstack.sandbox.simulation.server import SimulatedServer
from tests.journeys.clients import log_in
from tests.journeys.internet import Internet
from tests.journeys.process import PATIENCE, serve
from tests.journeys.raw_client import connect
from tests.journeys.test_hangup import hang_up

KEY = generate("rsa", 1024)
CAROL = "carol@elsewhere.test"
MACHINE = "203.0.113.50"


def home(internet: Internet, tmp_path: Path, *, sign_relayed: bool = False, **settings: Any) -> SimulatedServer:
    file = tmp_path / "s1.pem"
    file.write_bytes(KEY.pem())
    internet.zone.txt("s1._domainkey.home.test", KEY.record())
    keys = (DkimKeySettings(selector=Selector("s1"), file=file),)
    return internet.home(
        "alice@home.test",
        dkim=DkimSettings(keys=keys, sign_relayed=sign_relayed),
        relay=RelaySettings(relay_from=(Network(f"{MACHINE}/32"),)),
        **{"exchange": ExchangeSettings(reverse_dns=False), **settings},
    )


def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.elsewhere(CAROL)


def bring(internet: Internet, site: SimulatedServer, sender: str, recipient: str, author: str) -> None:
    octets = (
        f"EHLO machine.test\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
        f"From: {author}\r\nTo: {recipient}\r\nSubject: hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        "Message-ID: <1@home.test>\r\n\r\nHi\r\n.\r\nQUIT\r\n"
    ).encode()
    assert b"queued as" in connect(internet, site, octets, source=MACHINE).heard
    internet.reactor.advance(60)


def relayed(internet: Internet, site: SimulatedServer, header: str) -> bytes:
    """A letter of alice with this header, as carol gets it."""
    there = elsewhere(internet)
    internet.submit(site, "alice@home.test", CAROL, content=f"{header}\r\nSubject: hello\r\n\r\nHi\r\n".encode())
    internet.reactor.advance(60)
    (letter,) = internet.fetch(there, CAROL)
    return letter


def test_a_report_that_leaves_is_signed(internet: Internet, tmp_path: Path) -> None:
    """The host's name is below the key's domain, so that DMARC finds them aligned."""
    site, there = home(internet, tmp_path), elsewhere(internet)
    bring(internet, site, CAROL, "nobody@third.test", "carol@elsewhere.test")
    (letter,) = internet.fetch(there, CAROL)
    assert b"dkim=pass header.d=home.test" in letter
    assert b"From: Mail Delivery System <MAILER-DAEMON@mx.home.test>" in letter
    (step,) = [each for each in site.journal.steps if each.facts.get("report") == "failed" and "by" in each.facts]
    assert step.facts["signed"] == ["s1._domainkey.home.test"]


@pytest.mark.parametrize("check_from", ["allow", "sender"])
@pytest.mark.parametrize(
    ("author", "signed"),
    [
        ("alice@home.test", True),
        ("Alice <alice+news@home.test>", True),
        ("boss@home.test", False),
        ("alice@home.test, boss@home.test", False),
        ("boss@home.test, alice@home.test", False),
        ("x@sub.home.test", False),
    ],
)
def test_only_a_from_of_the_account_is_signed(
    internet: Internet, tmp_path: Path, check_from: Literal["allow", "sender"], author: str, signed: bool
) -> None:
    """RFC 6409 §6.1, §8.5: a signature says that the domain answers for the letter."""
    site = home(internet, tmp_path, submission=SubmissionSettings(check_from=check_from))
    assert (b"DKIM-Signature:" in relayed(internet, site, f"From: {author}\r\nTo: {CAROL}")) is signed


@pytest.mark.parametrize(("sender", "signed"), [("alice@home.test", True), ("boss@home.test", False), ("a (b", False)])
def test_only_a_sender_of_the_account_is_signed(internet: Internet, tmp_path: Path, sender: str, signed: bool) -> None:
    """Readers show it as well, and a signature covers it."""
    site = home(internet, tmp_path, submission=SubmissionSettings(check_from="allow"))
    assert (b"DKIM-Signature:" in relayed(internet, site, f"From: alice@home.test\r\nSender: {sender}")) is signed


@pytest.mark.parametrize(("author", "signed"), [("alice@home.test", True), ("boss@home.test", False)])
def test_only_from_of_an_xclient_login_is_signed(internet: Internet, tmp_path: Path, author: str, signed: bool) -> None:
    """XCLIENT's LOGIN: sign_relayed is for machines, which have no account."""
    exchange = ExchangeSettings(reverse_dns=False, xclient=(Network(f"{MACHINE}/32"),))
    site, there = home(internet, tmp_path, sign_relayed=True, exchange=exchange), elsewhere(internet)
    octets = (
        f"EHLO x.test\r\nXCLIENT ADDR={MACHINE} LOGIN=alice@home.test\r\nEHLO x.test\r\nMAIL FROM:<alice@home.test>\r\n"
        f"RCPT TO:<{CAROL}>\r\nDATA\r\nFrom: {author}\r\nSubject: hello\r\n\r\nHi\r\n.\r\nQUIT\r\n"
    ).encode()
    assert b"queued as" in connect(internet, site, octets, source=MACHINE).heard
    internet.reactor.advance(60)
    (letter,) = internet.fetch(there, CAROL)
    assert (b"DKIM-Signature:" in letter) is signed


def test_a_from_of_another_account_is_refused_unless_the_operator_allows_it(internet: Internet, tmp_path: Path) -> None:
    """SUBM-05."""
    site = home(internet, tmp_path, submission=SubmissionSettings())
    raw = f"From: boss@home.test\r\nTo: {CAROL}\r\nSubject: hello\r\n\r\nHi\r\n".encode()
    (answer,) = internet.submit(site, "alice@home.test", CAROL, content=raw)
    assert (answer.code, str(answer.status)) == (550, "5.7.1")


def test_a_report_to_a_mailbox_here_needs_no_signature(internet: Internet, tmp_path: Path) -> None:
    site = home(internet, tmp_path)
    internet.submit(site, "alice@home.test", "nobody@third.test")
    internet.reactor.advance(60)
    (letter,) = internet.fetch(site, "alice@home.test")
    assert b"MAILER-DAEMON" in letter
    assert not letter.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")


@pytest.mark.parametrize(
    ("asked", "author", "signed"),
    [
        (True, "robot@home.test", True),
        (True, "robot@sub.home.test", True),
        (True, "robot@other.test", False),
        (False, "robot@home.test", False),
    ],
)
def test_sign_relayed_signs_letters_of_relaying_hosts(
    internet: Internet, tmp_path: Path, asked: bool, author: str, signed: bool
) -> None:
    site, there = home(internet, tmp_path, sign_relayed=asked), elsewhere(internet)
    bring(internet, site, "robot@home.test", CAROL, author)
    (letter,) = internet.fetch(there, CAROL)
    assert (b"dkim=pass header.d=home.test" in letter) is signed


def test_a_stranger_is_never_signed_for(internet: Internet, tmp_path: Path) -> None:
    site = home(internet, tmp_path, sign_relayed=True)
    octets = (
        b"EHLO x.test\r\nMAIL FROM:<alice@home.test>\r\nRCPT TO:<alice@home.test>\r\nDATA\r\n"
        b"From: alice@home.test\r\n\r\nHi\r\n.\r\nQUIT\r\n"
    )
    connect(internet, site, octets)
    internet.reactor.advance(60)
    for letter in internet.fetch(site, "alice@home.test"):
        assert b"DKIM-Signature" not in letter


def test_other_keys_sign_from_then_on(internet: Internet, tmp_path: Path) -> None:
    site, other = home(internet, tmp_path), generate("ed25519")
    internet.zone.txt("e2._domainkey.home.test", other.record())
    config = replace(site.server.config, dkim=replace(site.server.config.dkim, keys=()))
    site.server.sign_by(config, [SigningKey("e2", other, ("home.test",))])
    letter = relayed(internet, site, "From: alice@home.test")
    assert b"header.s=e2" in letter
    assert b"header.s=s1" not in letter


def test_sighup_loads_new_keys_and_keeps_old_ones_on_errors(tmp_path: Path, config: Path) -> None:
    with serve(config) as process:
        (tmp_path / "s7.pem").write_bytes(KEY.pem())
        good = config.read_text() + '\n[[dkim.keys]]\nselector = "s7"\nfile = "s7.pem"\n'
        config.write_text(good)
        hang_up(process, "messages are signed with s7")
        config.write_text(good.replace("s7.pem", "gone.pem"))
        hang_up(process, "messages are signed as before")
        assert b" s=s7;" in received(process.ports)
        assert process.stop() == 0


def received(ports: dict[str, int]) -> bytes:
    """A letter that alice has sent, as bob gets it."""
    with smtplib.SMTP("127.0.0.1", ports["submission"], timeout=PATIENCE) as client:
        client.login("alice", "alice")
        client.sendmail("alice@home.test", ["bob@home.test"], b"From: alice@home.test\r\nSubject: hello\r\n\r\nHi\r\n")
    reader = log_in(ports["pop3"])
    _, lines, _ = reader.retr(1)
    reader.quit()
    return b"\r\n".join(lines)
