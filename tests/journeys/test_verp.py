"""VERP: a reverse-path for each recipient, and bounces that come back by it."""

from __future__ import annotations

from typing import Any

import pytest

from mailstack.config import SubmissionSettings
from mailstack.config.values import AddressPattern
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.simulation.server import SimulatedServer
from tests.journeys.internet import ONE_LETTER, Internet
from tests.journeys.raw_client import connect

NEWS, ALICE = "news@home.test", "alice@home.test"
CAROL, DAVE = "carol@elsewhere.test", "dave@elsewhere.test"


def home(internet: Internet, *patterns: str) -> SimulatedServer:
    return internet.home(
        NEWS, ALICE, submission=SubmissionSettings(verp=tuple(AddressPattern(each) for each in patterns))
    )


def elsewhere(internet: Internet) -> SimulatedServer:
    return internet.elsewhere(CAROL, DAVE)


def submit(internet: Internet, site: SimulatedServer, sender: str, *to: str, **parameters: str) -> tuple[Reply, ...]:
    content = ONE_LETTER.replace(ALICE.encode(), sender.encode())
    replies = internet.submit(site, sender, *to, content=content, **parameters)
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


def test_other_senders_are_relayed_in_one_transaction(internet: Internet) -> None:
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
    assert b"queued as" in connect(internet, site, octets).heard
    (letter,) = internet.fetch(site, NEWS)
    assert b"Delivered-To: news+carol=elsewhere.test@home.test" in letter


def test_bounces_name_each_recipient(internet: Internet) -> None:
    site = home(internet, NEWS)
    elsewhere(internet)
    submit(internet, site, NEWS, "gone@elsewhere.test", "lost@elsewhere.test", CAROL)
    bounces = internet.fetch(site, NEWS)
    to = sorted(line for letter in bounces for line in letter.split(b"\r\n") if line.startswith(b"Delivered-To:"))
    assert to == [b"Delivered-To: news+%b=elsewhere.test@home.test" % name for name in (b"gone", b"lost")]
    assert all(letter.count(b"Final-Recipient:") == 1 for letter in bounces)


def test_strangers_are_not_offered_it(internet: Internet) -> None:
    site = home(internet)
    elsewhere(internet)
    octets = b"EHLO x.test\r\nMAIL FROM:<a@x.test> XVERP=+=\r\nQUIT\r\n"
    heard = connect(internet, site, octets).heard
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
