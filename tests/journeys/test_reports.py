"""Delivery status notifications of each kind between two servers."""

from __future__ import annotations

import email
from email.message import Message
from typing import Any

import pytest

from mailstack.config import ExchangeSettings
from mailstack.config.values import Keyword
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer

WANTS_ALL = (("NOTIFY", "SUCCESS,FAILURE,DELAY"),)


@pytest.fixture
def home(internet: Internet) -> SimulatedServer:
    people = ("alice@home.test", "bob@home.test", "grüße@home.test")
    team = ["bob@home.test", "carol@elsewhere.test"]
    aliases = {"team@home.test": team, "robert@home.test": ["bob@home.test"]}
    return internet.home(*people, aliases=aliases)


@pytest.fixture
def elsewhere(internet: Internet) -> SimulatedServer:
    return other(internet)


def other(internet: Internet, *withheld: str) -> SimulatedServer:
    """The server of elsewhere.test, without these extensions."""
    people, domains = ("carol@elsewhere.test", "用户@xn--bcher-kva.test"), ["elsewhere.test", "xn--bcher-kva.test"]
    exchange = ExchangeSettings(withhold=tuple(Keyword(each) for each in withheld))
    return internet.elsewhere(*people, domains=domains, exchange=exchange)


def to(address: str, *parameters: tuple[str, str]) -> Recipient:
    return Recipient(Address.parse(address), None, parameters)


def reports_to(internet: Internet, site: SimulatedServer, user: str = "alice@home.test") -> list[Message]:
    """The letters of a mailbox, which are reports all."""
    internet.reactor.advance(5)
    letters = [email.message_from_bytes(octets) for octets in internet.fetch(site, user)]
    for letter in letters:
        assert letter["Return-Path"] == "<>"
        assert letter["Auto-Submitted"] == "auto-replied"
        assert letter.get_content_type() == "multipart/report"
    return letters


def told(report: Message) -> list[tuple[str, str, str]]:
    """Final-Recipient, Action and Status of each recipient."""
    blocks = report.get_payload()[1].get_payload()
    return [(each["Final-Recipient"], each["Action"], each["Status"]) for each in blocks[1:]]


def test_success_here_is_reported_once(internet: Internet, home: SimulatedServer) -> None:
    """DSN-02, DSN-03: delivered; the envelope's name and the recipient's come back."""
    internet.submit(
        home,
        "alice@home.test",
        to("bob@home.test", *WANTS_ALL, ("ORCPT", "rfc822;Bob+40home.test")),
        ENVID="batch+2017",
        RET="FULL",
    )
    (report,) = reports_to(internet, home)
    assert told(report) == [("rfc822; bob@home.test", "delivered", "2.1.5")]
    about, bob = report.get_payload()[1].get_payload()
    assert about["Original-Envelope-Id"] == "batch 17"
    assert bob["Original-Recipient"] == "rfc822; Bob@home.test"
    assert report.get_payload()[2].get_content_type() == "text/rfc822-headers"
    assert len(internet.fetch(home, "bob@home.test")) == 1
    delivered = next(step for step in home.journal.steps if step.step == "delivered")
    assert report["Message-ID"] == f"<{delivered.facts['report']}@mx.home.test>"


def test_several_successes_at_once_are_one_report(internet: Internet, home: SimulatedServer) -> None:
    """DSN-02: RFC 3461 §5.2.8."""
    internet.submit(
        home, "alice@home.test", to("bob@home.test", *WANTS_ALL), to("grüße@home.test", *WANTS_ALL), SMTPUTF8=""
    )
    (report,) = reports_to(internet, home)
    assert b"Final-Recipient: rfc822; bob@home.test" in report.as_bytes()
    assert "Final-Recipient: utf-8; grüße@home.test".encode() in report.as_bytes()


@pytest.mark.parametrize(
    ("notify", "warned"), [((), 1), ((("NOTIFY", "DELAY"),), 1), ((("NOTIFY", "FAILURE"),), 0), (WANTS_ALL, 1)]
)
def test_a_delay_is_reported_once_on_request(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer, notify: tuple[Any, ...], warned: int
) -> None:
    """DSN-04, RLY-27"""
    elsewhere.stop()
    internet.submit(home, "alice@home.test", to("carol@elsewhere.test", *notify))
    internet.reactor.advance(12 * 3600)
    reports = reports_to(internet, home)
    assert [told(report)[0][1] for report in reports] == ["delayed"] * warned
    home.stop()


@pytest.mark.parametrize("notify", [(), (("NOTIFY", "NEVER"),), (("NOTIFY", "FAILURE,DELAY"),)])
def test_success_is_reported_on_request(internet: Internet, home: SimulatedServer, notify: tuple[str, ...]) -> None:
    """DSN-02"""
    internet.submit(home, "alice@home.test", to("bob@home.test", *notify))
    assert reports_to(internet, home) == []


def test_a_host_with_dsn_reports(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """DSN-02: NOTIFY, ORCPT, RET and ENVID go on; there is one report, from the end."""
    recipient = to("carol@elsewhere.test", *WANTS_ALL, ("ORCPT", "rfc822;carol+40elsewhere.test"))
    internet.submit(home, "alice@home.test", recipient, RET="HDRS", ENVID="17")
    (report,) = reports_to(internet, home)
    assert report["From"] == "Mail Delivery System <MAILER-DAEMON@mx.elsewhere.test>"
    assert told(report) == [("rfc822; carol@elsewhere.test", "delivered", "2.1.5")]
    about, carol = report.get_payload()[1].get_payload()
    assert about["Original-Envelope-Id"] == "17"
    assert carol["Original-Recipient"] == "rfc822; carol@elsewhere.test"


def test_a_host_without_dsn_is_reported_as_relayed(internet: Internet, home: SimulatedServer) -> None:
    """DSN-02: RFC 3461 §5.2.2."""
    other(internet, "DSN")
    internet.submit(home, "alice@home.test", to("carol@elsewhere.test", *WANTS_ALL), ENVID="17")
    (report,) = reports_to(internet, home)
    assert report["From"] == "Mail Delivery System <MAILER-DAEMON@mx.home.test>"
    assert told(report) == [("rfc822; carol@elsewhere.test", "relayed", "2.0.0")]
    assert report.get_payload()[1].get_payload()[1]["Remote-MTA"] == "dns; mx.elsewhere.test"


def test_notify_never(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """DSN-02: neither here nor there."""
    internet.submit(home, "alice@home.test", to("nobody@elsewhere.test", ("NOTIFY", "NEVER")))
    assert reports_to(internet, home) == []
    assert home.states()["nobody@elsewhere.test"] == "bounced"


def test_an_alias_is_reported_as_expanded(
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer
) -> None:
    """DSN-02: RFC 3461 §5.2.7.3: once, and its members not again."""
    internet.submit(home, "alice@home.test", to("team@home.test", *WANTS_ALL))
    (report,) = reports_to(internet, home)
    assert told(report) == [("rfc822; team@home.test", "expanded", "2.0.0")]
    assert len(internet.fetch(elsewhere, "carol@elsewhere.test")) == 1


def test_an_alias_for_one_carries_the_wish_on(internet: Internet, home: SimulatedServer) -> None:
    """DSN-02: RFC 3461 §5.2.7.2."""
    internet.submit(home, "alice@home.test", to("robert@home.test", *WANTS_ALL))
    (report,) = reports_to(internet, home)
    assert told(report) == [("rfc822; bob@home.test", "delivered", "2.1.5")]
    assert "bob@home.test (via robert@home.test)" in report.get_payload()[0].get_payload()


@pytest.mark.parametrize(
    ("parameters", "content", "kind"),
    [
        ((), ONE_LETTER, "text/rfc822-headers"),
        ((("RET", "HDRS"),), ONE_LETTER, "text/rfc822-headers"),
        ((("RET", "FULL"),), ONE_LETTER, "message/rfc822"),
        ((("RET", "FULL"),), ONE_LETTER + b"x" * 70 + b"\r\n" * 1_000_000, "text/rfc822-headers"),
        ((("RET", "FULL"),), ONE_LETTER + "Grüße\r\n".encode(), "message/rfc822"),
    ],
)
def test_the_letter_comes_back_as_its_sender_asks(  # noqa: PLR0917
    internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer, parameters: Any, content: bytes, kind: str
) -> None:
    """DSN-03"""
    body = "7BIT" if content.isascii() else "8BITMIME"
    internet.submit(home, "alice@home.test", "nobody@elsewhere.test", content=content, **dict(parameters), body=body)
    (report,) = reports_to(internet, home)
    assert told(report) == [("rfc822; nobody@elsewhere.test", "failed", "5.1.1")]
    returned = report.get_payload()[2]
    assert returned.get_content_type() == kind
    if kind == "message/rfc822":
        original = returned.get_payload()[0]
        assert original["Subject"] == "hello"
        assert original.get_payload(decode=True).rstrip() == content.partition(b"\r\n\r\n")[2].rstrip()


def test_a_report_is_never_reported(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """RLY-17"""

    async def null_sender() -> None:
        session = await internet.session(elsewhere, 25)
        carol = to("carol@elsewhere.test", *WANTS_ALL)
        await session.transact(Envelope(None, (carol,)), (carol,), Octets(ONE_LETTER))
        await session.quit()

    internet.reactor.result_of(null_sender())
    internet.reactor.advance(60)
    assert [step.step for step in elsewhere.journal.steps] == ["exchanged", "routed", "delivered"]


INTERNATIONAL = "From: grüße@home.test\r\nSubject: Grüße\r\n\r\nHi\r\n".encode()


def test_a_letter_in_utf8_is_unchanged(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """UTF8-01, UTF8-03, RCVD-01: two spellings of the domain, one mailbox."""
    internet.submit(home, "grüße@home.test", "用户@BÜCHER.test", content=INTERNATIONAL, SMTPUTF8="")
    internet.submit(home, "grüße@home.test", "用户@xn--bcher-kva.test", content=INTERNATIONAL, SMTPUTF8="")
    internet.reactor.advance(5)
    letters = internet.fetch(elsewhere, "用户@xn--bcher-kva.test")
    assert len(letters) == 2
    assert all(letter.endswith(INTERNATIONAL) for letter in letters)
    assert "Return-Path: <grüße@home.test>\r\nDelivered-To: 用户@BÜCHER.test\r\n".encode() in letters[0]
    assert b"with UTF8SMTPS\r\n" in letters[0]
    assert b"with UTF8SMTPSA\r\n" in letters[0]


def test_a_sender_in_another_form_is_still_himself(internet: Internet, home: SimulatedServer) -> None:
    """UTF8-03: compared in form NFC and without case."""
    decomposed = "GRU\u0308\u00dfE@home.test"
    (reply,) = internet.submit(home, decomposed, "bob@home.test", content=INTERNATIONAL, SMTPUTF8="")
    assert reply.code == 250


def test_an_ascii_letter_with_smtputf8_is_relayed_without(internet: Internet, home: SimulatedServer) -> None:
    """UTF8-01: our own Received field must not be what needs it."""
    elsewhere = other(internet, "SMTPUTF8")
    internet.submit(home, "alice@home.test", "carol@elsewhere.test", SMTPUTF8="")
    internet.submit(home, "alice@home.test", "x@bücher.test", SMTPUTF8="")
    internet.reactor.advance(5)
    (letter,) = internet.fetch(elsewhere, "carol@elsewhere.test")
    assert b"with UTF8SMTPSA\r\n" in letter
    (report,) = reports_to(internet, home)
    assert told(report) == [("rfc822; x@xn--bcher-kva.test", "failed", "5.1.1")]


@pytest.mark.parametrize(
    ("sender", "recipient", "content", "status"),
    [
        ("alice@home.test", "用户@bücher.test", ONE_LETTER, "5.6.7"),
        ("grüße@home.test", "carol@elsewhere.test", ONE_LETTER, "5.6.7"),
        ("alice@home.test", "carol@elsewhere.test", INTERNATIONAL, "5.6.9"),
    ],
)
def test_a_letter_that_needs_smtputf8_bounces(  # noqa: PLR0917
    internet: Internet, home: SimulatedServer, sender: str, recipient: str, content: bytes, status: str
) -> None:
    """UTF8-04"""
    other(internet, "SMTPUTF8")
    internet.submit(home, sender, recipient, content=content, SMTPUTF8="")
    (report,) = reports_to(internet, home, sender)
    assert f"Status: {status}" in report.as_string()


def test_an_internationalized_report(internet: Internet, home: SimulatedServer, elsewhere: SimulatedServer) -> None:
    """UTF8-05"""
    recipient = to("niemand-ü@bücher.test", ("ORCPT", "utf-8;niemand-ü@bücher.test"))
    internet.submit(home, "grüße@home.test", recipient, content=INTERNATIONAL, SMTPUTF8="", ENVID="17")
    internet.reactor.advance(5)
    (octets,) = internet.fetch(home, "grüße@home.test")
    report = email.message_from_bytes(octets)
    text, status, header = report.get_payload()
    assert "To: grüße@home.test\r\n".encode() in octets
    assert "niemand-ü@bücher.test" in text.get_payload(decode=True).decode()
    assert status.get_content_type() == "message/global-delivery-status"
    assert "Original-Recipient: utf-8; niemand-ü@bücher.test\r\n".encode() in octets
    assert "Final-Recipient: utf-8; niemand-ü@bücher.test\r\n".encode() in octets
    assert header.get_content_type() == "message/global-headers"
    assert "Subject: Grüße\r\n".encode() in octets
