"""Letters between two servers, from the author's client to the reader's, in virtual time."""

from __future__ import annotations

import email
import email.policy
import re

import pytest
from twisted.names.error import DNSServerError

from mailstack.config import ScheduleSettings
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer

DAY = 86400


@pytest.fixture
def home(internet: Internet) -> SimulatedServer:
    return internet.mail_server(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=["alice@home.test", "bob@home.test"],
        aliases={"team@home.test": ["bob@home.test", "carol@elsewhere.test"]},
        schedule=ScheduleSettings(first=300.0, longest=14400.0, warn_after=14400.0, give_up_after=5.0 * DAY),
    )


@pytest.fixture
def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.mail_server(
        "mx.elsewhere.test", "192.0.2.2", domains=["elsewhere.test"], accounts=["carol@elsewhere.test"]
    )


def received(letter: bytes) -> list[str]:
    return [" ".join(str(field).split()) for field in email.message_from_bytes(letter).get_all("Received", [])]


def test_a_letter_travels_from_author_to_both_readers(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
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


def test_the_journey_is_told_step_by_step(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
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


def test_an_alias_keeps_the_sender_and_reaches_both_targets(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
    """SMTP-38"""
    internet.submit(home, "alice@home.test", "team@home.test")
    internet.reactor.advance(5)
    (to_bob,) = internet.fetch(home, "bob@home.test")
    (to_carol,) = internet.fetch(elsewhere, "carol@elsewhere.test")
    assert b"Return-Path: <alice@home.test>" in to_bob
    assert b"Return-Path: <alice@home.test>" in to_carol


def test_an_unknown_reader_elsewhere_comes_back_as_a_report(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
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


def test_a_host_that_is_down_is_tried_for_five_days_and_then_the_letter_comes_back(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
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


def test_a_host_that_comes_back_gets_the_letter_once(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
    internet.zone.fail("elsewhere.test", DNSServerError)
    internet.submit(home, "alice@home.test", "carol@elsewhere.test")
    internet.reactor.advance(3600)
    internet.zone.mend("elsewhere.test")
    internet.reactor.advance(5 * 3600)
    assert len(internet.fetch(elsewhere, "carol@elsewhere.test")) == 1


def test_nobody_bounces_a_bounce(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """RLY-17: the report's own failure ends the story."""

    async def forge() -> tuple[int, ...]:
        session = await internet.session(home, 25)
        peer, engine = session._peer, session._engine
        codes = []
        for line in ("MAIL FROM:<ghost@elsewhere.test>", "RCPT TO:<team@home.test>", "DATA"):
            peer.send(engine.command(line))
            codes.append((await peer.next_event(10)).reply.code)
        peer.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        codes.append((await peer.next_event(10)).reply.code)
        return tuple(codes)

    internet.reactor.result_of(elsewhere.store.accounts.remove("carol@elsewhere.test"))
    internet.reactor.advance(2)
    assert internet.reactor.result_of(forge()) == (250, 250, 354, 250)
    internet.reactor.advance(60)
    states = home.states()
    assert states["ghost@elsewhere.test"] == "bounced"
    assert sum(step.step == "bounced" for step in home.journal.steps) == 2
    assert elsewhere.journal.names("mx.elsewhere.test") == []


def test_strangers_may_not_relay_and_users_must_log_in(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
    """CODE-01, CODE-02, CODE-04, CODE-08"""

    async def ask(port: int, *lines: str) -> list[str]:
        session = await internet.session(home, port)
        answers = []
        for line in lines:
            session._peer.send(session._engine.command(line))
            answer = (await session._peer.next_event(10)).reply
            answers.append(f"{answer.code} {answer.status}")
        return answers

    result_of = internet.reactor.result_of
    assert result_of(ask(25, "MAIL FROM:<x@y.test>", "RCPT TO:<carol@elsewhere.test>")) == ["250 2.1.0", "550 5.7.1"]
    assert result_of(ask(25, "MAIL FROM:<x@y.test>", "RCPT TO:<no@home.test>")) == ["250 2.1.0", "550 5.1.1"]
    assert result_of(ask(587, "MAIL FROM:<alice@home.test>")) == ["530 5.7.0"]
    assert result_of(ask(587, "AUTH PLAIN")) == ["530 5.7.0"]


def test_the_server_says_goodbye_when_it_stops(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-41: 421 to those who idle."""
    session = internet.reactor.result_of(internet.session(home, 25))
    stopping = home.server.stop()
    internet.reactor.result_of(stopping)
    goodbye = internet.reactor.result_of(session._peer.next_event(10))
    assert goodbye.reply.code == 421
    assert str(goodbye.reply.status) == "4.3.2"
