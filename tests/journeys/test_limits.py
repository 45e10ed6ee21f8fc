"""Limits of a server: SIZE, recipients, and quotas of mailboxes."""

from __future__ import annotations

import pytest

from mailstack.config import ExchangeSettings, RelaySettings, SubmissionSettings
from mailstack.config.mail_sections import DeliverySettings, ScheduleSettings
from mailstack.config.syntax import Size
from mailstack.protocols.smtp.replies import Reply
from tests.journeys.internet import Internet, SimulatedServer

ALICE, BOB = "alice@home.test", "bob@home.test"
LETTER = b"Subject: big\r\n\r\n" + b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n"
QUOTA = 1000


def server(internet: Internet, **delivery: object) -> SimulatedServer:
    schedule = ScheduleSettings(first=60.0, longest=600.0, warn_after=0.0, give_up_after=3600.0)
    relay, settings = RelaySettings(schedule=schedule), DeliverySettings(**delivery)  # type: ignore[arg-type]
    site = internet.home(ALICE, BOB, aliases={"both@home.test": [ALICE, BOB]}, relay=relay, delivery=settings)
    internet.reactor.result_of(site.store.accounts.set_quota(BOB, QUOTA))
    return site


def texts(replies: tuple[Reply, ...]) -> list[str]:
    return [f"{reply.code} {reply.status}" for reply in replies]


@pytest.mark.parametrize(("policy", "reply"), [("temporary", "452 4.2.2"), ("permanent", "552 5.2.2")])
def test_a_letter_that_is_declared_too_large_is_refused_at_rcpt(internet: Internet, policy: str, reply: str) -> None:
    """CODE-05"""
    site = server(internet, mailbox_full=policy)
    assert texts(internet.submit(site, ALICE, BOB, ALICE, content=LETTER)) == [reply, "250 2.0.0"]
    assert site.states() == {ALICE: "delivered"}


def test_default_quota(internet: Internet) -> None:
    """CODE-05"""
    site = server(internet, quota=QUOTA)
    internet.reactor.result_of(site.store.accounts.set_quota(BOB, 0))
    assert texts(internet.submit(site, ALICE, BOB, ALICE, content=LETTER)) == ["250 2.0.0", "452 4.2.2"]


def test_a_full_member_of_an_alias_delays_only_itself(internet: Internet) -> None:
    """SMTP-38, CODE-05"""
    site = server(internet)
    assert texts(internet.submit(site, ALICE, "both@home.test", content=LETTER)) == ["250 2.0.0"]
    assert site.states() == {ALICE: "delivered", BOB: "queued"}
    internet.reactor.advance(300)
    assert site.states()[BOB] == "queued"
    internet.reactor.result_of(site.store.accounts.set_quota(BOB, None))
    internet.reactor.advance(700)
    assert site.states() == {ALICE: "delivered", BOB: "delivered"}
    [mine], [his] = internet.fetch(site, ALICE), internet.fetch(site, BOB)
    assert mine.endswith(LETTER)
    assert his.endswith(LETTER)


def test_a_letter_for_a_full_mailbox_bounces_in_the_end(internet: Internet) -> None:
    """SMTP-38, CODE-05"""
    site = server(internet)
    internet.submit(site, ALICE, "both@home.test", content=LETTER)
    internet.reactor.advance(4000)
    assert site.states()[BOB] == "bounced"
    letters = internet.fetch(site, ALICE)
    assert len(letters) == 2
    assert b"the mailbox of bob@home.test is full" in letters[1]
    assert internet.fetch(site, BOB) == []


@pytest.mark.parametrize(("policy", "reply"), [("temporary", "452 4.2.2"), ("permanent", "552 5.2.2")])
def test_a_letter_that_fits_no_mailbox_is_refused_after_data(internet: Internet, policy: str, reply: str) -> None:
    """CODE-05: an alias is not followed at RCPT, and a client need not declare a size."""
    site = server(internet, mailbox_full=policy)
    internet.reactor.result_of(site.store.accounts.set_quota(ALICE, QUOTA))
    assert texts(internet.submit(site, ALICE, "both@home.test", content=LETTER)) == [reply]
    assert site.states() == {}


def test_a_mailbox_has_room_again_when_its_letters_are_deleted(internet: Internet) -> None:
    """CODE-05"""
    site = server(internet)
    internet.reactor.result_of(site.store.accounts.set_quota(BOB, len(LETTER) + 1000))
    assert texts(internet.submit(site, ALICE, BOB, content=LETTER)) == ["250 2.0.0"]
    assert texts(internet.submit(site, ALICE, BOB, content=LETTER)) == ["452 4.2.2"]
    assert len(internet.fetch(site, BOB)) == 1
    assert texts(internet.submit(site, ALICE, BOB, content=LETTER)) == ["250 2.0.0"]


def announced(internet: Internet, site: SimulatedServer, port: int) -> int:
    """The octets of SIZE (RFC 1870)."""
    return int(internet.reactor.result_of(internet.session(site, port)).extensions["SIZE"])


async def recipients_taken(internet: Internet, site: SimulatedServer) -> int:
    """How many recipients other hosts may name in one letter."""
    session = await internet.session(site, 25)
    taken = -1
    for line in ("MAIL FROM:<x@y.test>", *["RCPT TO:<alice@home.test>"] * 10):
        session._peer.send(session._engine.command(line))
        taken += (await session._peer.next_event(10)).reply.code == 250
    return taken


@pytest.mark.parametrize(("exchange", "sizes"), [(None, [1000, 1000]), (Size(500), [1000, 500])])
def test_size_at_port_25_defaults_to_submission(internet: Internet, exchange: Size | None, sizes: list[int]) -> None:
    server = internet.home(
        submission=SubmissionSettings(max_size=Size(1000)), exchange=ExchangeSettings(max_size=exchange)
    )
    assert [announced(internet, server, port) for port in (587, 25)] == sizes


@pytest.mark.parametrize(("exchange", "taken"), [(ExchangeSettings(), 3), (ExchangeSettings(max_recipients=5), 5)])
def test_recipient_limit_defaults_to_submission(internet: Internet, exchange: ExchangeSettings, taken: int) -> None:
    server = internet.home("alice@home.test", submission=SubmissionSettings(max_recipients=3), exchange=exchange)
    assert internet.reactor.result_of(recipients_taken(internet, server)) == taken
