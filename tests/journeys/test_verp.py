"""VERP: a reverse-path for each recipient, and bounces that come back by it."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.config import SubmissionSettings
from mailstack.config.values import AddressPattern
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.simulation.server import SimulatedServer
from tests.journeys.internet import ONE_LETTER, Internet
from tests.journeys.test_abuse import call

NEWS, ALICE = "news@home.test", "alice@home.test"
CAROL, DAVE = "carol@elsewhere.test", "dave@elsewhere.test"


def home(internet: Internet, *patterns: str) -> SimulatedServer:
    return internet.mail_server(
        "mx.home.test",
        "192.0.2.1",
        domains=["home.test"],
        accounts=[NEWS, ALICE],
        submission=SubmissionSettings(verp=tuple(AddressPattern(each) for each in patterns)),
    )


def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.mail_server("mx.elsewhere.test", "192.0.2.2", domains=["elsewhere.test"], accounts=[CAROL, DAVE])


def submit(
    internet: Internet, site: SimulatedServer, sender: str, *recipients: str, **parameters: str
) -> tuple[Reply, ...]:
    async def handed_in() -> tuple[Reply, ...]:
        session = await internet.session(site, 587)
        await session.start_tls("mx.home.test", verify=False)
        await session.authenticate(sender, sender)
        named = tuple(Recipient(Address.parse(each)) for each in recipients)
        envelope = Envelope(Address.parse(sender), named, parameters=tuple(parameters.items()))
        replies = await session.transact(envelope, named, Octets(ONE_LETTER.replace(ALICE.encode(), sender.encode())))
        await session.quit()
        return replies

    replies = internet.reactor.result_of(handed_in())
    internet.reactor.advance(30)
    return replies


def return_path(letter: bytes) -> bytes:
    return letter.split(b"\r\n", 1)[0]


def exchanged(site: SimulatedServer) -> list[Any]:
    return sorted(each.facts["sender"] for each in site.journal.steps if each.step == "exchanged")


@pytest.mark.parametrize("how", ["asked for", "known"])
def test_each_recipient_gets_the_letter_under_his_own_path(internet: Internet, how: str) -> None:
    """At hosts elsewhere and in mailboxes here."""
    site, there = home(internet, *([NEWS] if how == "known" else [])), elsewhere(internet)
    submit(internet, site, NEWS, CAROL, DAVE, ALICE, **({"XVERP": ""} if how == "asked for" else {}))
    assert exchanged(there) == ["news+carol=elsewhere.test@home.test", "news+dave=elsewhere.test@home.test"]
    (letter,) = internet.fetch(there, CAROL)
    assert return_path(letter) == b"Return-Path: <news+carol=elsewhere.test@home.test>"
    (letter,) = internet.fetch(site, ALICE)
    assert return_path(letter) == b"Return-Path: <news+alice=home.test@home.test>"


def test_others_go_out_as_from_themselves_in_one_transaction(internet: Internet) -> None:
    site, there = home(internet, NEWS), elsewhere(internet)
    submit(internet, site, ALICE, CAROL, DAVE)
    assert exchanged(there) == [ALICE]


def test_what_other_hosts_bounce_comes_back_to_the_path_and_into_the_list_s_mailbox(internet: Internet) -> None:
    """A host that takes the letter and reports later: its report finds the list, and says whom it is about."""
    site = home(internet, NEWS)
    elsewhere(internet)
    octets = (
        b"EHLO mx.elsewhere.test\r\nMAIL FROM:<>\r\nRCPT TO:<news+carol=elsewhere.test@home.test>\r\nDATA\r\n"
        b"Subject: not delivered\r\n\r\nno such user\r\n.\r\nQUIT\r\n"
    )
    assert b"queued as" in call(internet, site, octets).heard
    (letter,) = internet.fetch(site, NEWS)
    assert b"Delivered-To: news+carol=elsewhere.test@home.test" in letter


def test_our_own_reports_say_it_too_one_for_each_recipient(internet: Internet) -> None:
    site = home(internet, NEWS)
    elsewhere(internet)
    submit(internet, site, NEWS, "gone@elsewhere.test", "lost@elsewhere.test", CAROL)
    bounces = internet.fetch(site, NEWS)
    to = sorted(line for letter in bounces for line in letter.split(b"\r\n") if line.startswith(b"Delivered-To:"))
    assert to == [
        b"Delivered-To: news+gone=elsewhere.test@home.test",
        b"Delivered-To: news+lost=elsewhere.test@home.test",
    ]
    assert all(letter.count(b"Final-Recipient:") == 1 for letter in bounces)


def test_strangers_are_not_offered_it(internet: Internet) -> None:
    site = home(internet)
    elsewhere(internet)
    octets = b"EHLO x.test\r\nMAIL FROM:<a@x.test> XVERP=+=\r\nQUIT\r\n"
    heard = call(internet, site, octets).heard
    assert b"XVERP\r\n" not in heard
    assert b"\r\n555 " in heard or b"\r\n501 " in heard


@pytest.mark.parametrize("value", ["+=", ""])
def test_delimiters_may_be_named_or_not(internet: Internet, value: str) -> None:
    site, there = home(internet), elsewhere(internet)
    submit(internet, site, NEWS, CAROL, XVERP=value)
    assert exchanged(there) == ["news+carol=elsewhere.test@home.test"]


@pytest.mark.parametrize("value", ["@=", "+"])
def test_other_delimiters_are_refused(internet: Internet, value: str) -> None:
    site, there = home(internet), elsewhere(internet)
    (refused,) = submit(internet, site, NEWS, CAROL, XVERP=value)
    assert (refused.code, str(refused.status)) == (501, "5.5.4")
    assert exchanged(there) == []
