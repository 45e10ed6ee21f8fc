"""Letters between two servers, from the author's client to the reader's, in virtual time."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from twisted.names.error import DNSServerError

from mailstack.config import RelaySettings, ScheduleSettings
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer
from tests.journeys.raw_client import connect

DAY = 86400


@pytest.fixture
def home(internet: Internet) -> SimulatedServer:
    return internet.home(
        "alice@home.test",
        "bob@home.test",
        aliases={"team@home.test": ["bob@home.test", "carol@elsewhere.test"]},
        relay=RelaySettings(
            schedule=ScheduleSettings(first=300.0, longest=14400.0, warn_after=14400.0, give_up_after=5.0 * DAY)
        ),
    )


@pytest.fixture
def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.elsewhere("carol@elsewhere.test")


def received(letter: bytes) -> list[str]:
    return [" ".join(str(field).split()) for field in email.message_from_bytes(letter).get_all("Received", [])]


def test_a_letter_reaches_both_readers(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    replies = internet.submit(home, "alice@home.test", "bob@home.test", "carol@elsewhere.test")
    assert [reply.code for reply in replies] == [250, 250]
    internet.reactor.advance(5)
    (to_bob,) = internet.fetch(home, "bob@home.test")
    (to_carol,) = internet.fetch(elsewhere, "carol@elsewhere.test")
    assert to_bob.endswith(ONE_LETTER)
    assert to_carol.endswith(ONE_LETTER)
    assert len(received(to_bob)) == 2
    delivered, exchanged, submitted = received(to_carol)
    assert "by mx.elsewhere.test" in delivered
    assert re.search(
        r"from mx\.home\.test .* by mx\.elsewhere\.test with ESMTPS id \w+ for <carol@elsewhere\.test>", exchanged
    )
    assert re.search(r"by mx\.home\.test with ESMTPSA id \w+", submitted)
    assert "TLSv1.3" in submitted
    assert to_carol.startswith(b"Return-Path: <alice@home.test>\r\nDelivered-To: carol@elsewhere.test\r\n")


def test_steps_of_a_relayed_letter(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    internet.submit(home, "alice@home.test", "bob@home.test", "carol@elsewhere.test")
    internet.reactor.advance(5)
    internet.fetch(home, "bob@home.test")
    names = home.journal.names("mx.home.test")
    assert names[:3] == ["submitted", "routed", "delivered"]
    assert sorted(names[3:]) == ["attempted", "collected", "relayed", "routed"]
    assert elsewhere.journal.names("mx.elsewhere.test") == ["exchanged", "routed", "delivered"]
    attempted = next(step for step in home.journal.steps if step.step == "attempted")
    assert any(line.startswith("C: MAIL FROM:<alice@home.test>") for line in attempted.facts["dialogue"])
    relayed = next(step for step in home.journal.steps if step.step == "relayed")
    assert relayed.facts["remote_id"] == elsewhere.journal.steps[0].letter


def test_an_alias_keeps_the_sender(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """SMTP-38"""
    internet.submit(home, "alice@home.test", "team@home.test")
    internet.reactor.advance(5)
    (to_bob,) = internet.fetch(home, "bob@home.test")
    (to_carol,) = internet.fetch(elsewhere, "carol@elsewhere.test")
    assert b"Return-Path: <alice@home.test>" in to_bob
    assert b"Return-Path: <alice@home.test>" in to_carol


def test_an_unknown_user_bounces(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """RLY-09, RLY-15, RLY-16"""
    internet.submit(home, "alice@home.test", "nobody@elsewhere.test")
    internet.reactor.advance(5)
    (octets,) = internet.fetch(home, "alice@home.test")
    report = email.message_from_bytes(octets)
    assert octets.startswith(b"Return-Path: <>\r\n")
    assert report.get_content_type() == "multipart/report"
    assert report["Auto-Submitted"] == "auto-replied"
    text, status, headers = report.get_payload()
    assert "nobody@elsewhere.test" in text.get_payload()
    recipient = status.get_payload()[1]
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert "Subject: hello" in headers.get_payload()
    assert home.states()["nobody@elsewhere.test"] == "bounced"


def test_a_bounce_after_five_days(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """RLY-08, RLY-27"""
    elsewhere.stop()
    internet.submit(home, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(60)
    assert home.states() == {"carol@elsewhere.test": "queued"}
    internet.reactor.advance(4 * 3600 + 7200)
    (notice,) = internet.fetch(home, "alice@home.test")
    assert b"Action: delayed" in notice
    internet.reactor.advance(4.5 * DAY)
    assert home.states()["carol@elsewhere.test"] == "queued"
    internet.reactor.advance(DAY)
    (bounce,) = internet.fetch(home, "alice@home.test")
    assert b"Action: failed" in bounce
    assert home.states()["carol@elsewhere.test"] == "bounced"
    attempts = home.journal.names("mx.home.test").count("attempted")
    assert 30 <= attempts <= 60


def test_relaying_after_a_dns_failure(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    internet.zone.fail("elsewhere.test", DNSServerError)
    internet.submit(home, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(3600)
    internet.zone.mend("elsewhere.test")
    internet.reactor.advance(5 * 3600)
    assert len(internet.fetch(elsewhere, "carol@elsewhere.test")) == 1


def test_a_bounce_never_bounces(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """RLY-17: the report's own failure ends the story."""

    internet.reactor.result_of(elsewhere.store.accounts.remove("carol@elsewhere.test"))
    internet.reactor.advance(2)
    forged = b"EHLO x\r\nMAIL FROM:<ghost@elsewhere.test>\r\nRCPT TO:<team@home.test>\r\nDATA\r\n"
    client = connect(internet, home, forged + b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert client.codes() == [b"220", b"250", b"250", b"250", b"354", b"250"]
    internet.reactor.advance(60)
    assert home.states()["ghost@elsewhere.test"] == "bounced"
    assert sum(step.step == "bounced" for step in home.journal.steps) == 2
    assert elsewhere.journal.names("mx.elsewhere.test") == []


def test_relaying_and_submission_refusals(internet: Internet, home: SimulatedServer) -> None:
    """CODE-01, CODE-02, CODE-04, CODE-08"""
    begin = b"EHLO x\r\nMAIL FROM:<x@y.test>\r\n"
    for recipient, reply in ((b"carol@elsewhere.test", "550 5.7.1"), (b"no@home.test", "550 5.1.1")):
        client = connect(internet, home, begin + b"RCPT TO:<" + recipient + b">\r\n")
        assert client.replies()[-2:] == ["250 2.1.0", reply]
    for command in (b"MAIL FROM:<alice@home.test>", b"AUTH PLAIN"):
        assert connect(internet, home, b"EHLO x\r\n" + command + b"\r\n", port=587).replies()[-1] == "530 5.7.0"
