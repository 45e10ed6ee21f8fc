"""Replies of port 25 and of submission, by requirement."""

from __future__ import annotations

import base64

import pytest
from twisted.names import dns

from mailstack.config import SubmissionSettings
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import SUBMISSION, connect, listen_in_clear

HELLO = b"EHLO client.test\r\n"
BEGIN = HELLO + b"MAIL FROM:<eve@other.test>\r\n"
RCPT = b"RCPT TO:<bob@home.test>\r\n"
LOGIN = HELLO + b"AUTH PLAIN " + base64.b64encode(b"\0alice@home.test\0alice@home.test") + b"\r\n"
MINE = LOGIN + b"MAIL FROM:<alice@home.test>\r\n"


@pytest.fixture
def home(internet: Internet) -> SimulatedServer:
    return server(internet)


def server(internet: Internet, submission: SubmissionSettings | None = None) -> SimulatedServer:
    """A server whose submission takes passwords in clear, so that octets are all there is to it."""
    site = internet.home("alice@home.test", "bob@home.test", submission=submission or SubmissionSettings())
    listen_in_clear(internet, site)
    return site


def test_the_server_speaks_first_and_says_who_it_is(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-01."""
    assert connect(internet, home).heard.startswith(b"220 mx.home.test ")


def test_vrfy_and_expn_reveal_no_users(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-11, SMTP-12: the same words for a user and for nobody; HELP helps."""
    client = connect(internet, home, HELLO + b"VRFY bob\r\nVRFY nobody\r\nEXPN bob\r\nEXPN nobody\r\nHELP\r\n")
    assert client.replies()[2:] == ["252 2.5.0", "252 2.5.0", "502 5.5.1", "502 5.5.1", "214 2.0.0"]
    assert b"VRFY" not in client.heard.partition(b"252")[0]


def test_quit_is_answered_and_ends_the_connection(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-13: in the middle of a transaction as well."""
    client = connect(internet, home, BEGIN + RCPT + b"QUIT\r\nNOOP\r\n")
    assert client.replies()[-1] == "221 2.0.0"
    assert client.is_gone


def test_a_hundred_recipients_are_taken(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-22."""
    assert connect(internet, home, BEGIN + RCPT * 100).codes() == [b"220", *[b"250"] * 102]


@pytest.mark.parametrize(("hops", "answer"), [(100, "250 2.0.0"), (101, "554 5.4.6")])
def test_a_letter_in_a_loop_is_refused(internet: Internet, home: SimulatedServer, hops: int, answer: str) -> None:
    """SMTP-33, CODE-20."""
    letter = b"Received: from a.test by b.test; Mon, 23 Nov 2026 21:00:00 +0000\r\n" * hops + b"\r\nround\r\n.\r\n"
    assert connect(internet, home, BEGIN + RCPT + b"DATA\r\n" + letter).replies()[-1] == answer


@pytest.mark.parametrize("last", [b"", b".", b".\r", b"\r\n."])
def test_a_letter_without_final_dot_is_discarded(internet: Internet, home: SimulatedServer, last: bytes) -> None:
    """SMTP-35: no letter, and no report of it."""
    client = connect(internet, home, BEGIN + RCPT + b"DATA\r\nSubject: half\r\n\r\na letter\r\n" + last)
    client.transport.loseConnection()
    internet.reactor.advance(60)
    assert internet.fetch(home, "bob@home.test") == []
    assert home.journal.names("mx.home.test") == []


@pytest.mark.parametrize(("size", "answer"), [(60_000, "250 2.0.0"), (300_000, "552 5.3.4")])
def test_size_limit_of_a_header_section(internet: Internet, home: SimulatedServer, size: int, answer: str) -> None:
    """SMTP-37."""
    header = (b"X-Long: " + b"x" * 60 + b"\r\n") * (size // 70)
    assert connect(internet, home, BEGIN + RCPT + b"DATA\r\n" + header + b"\r\nbody\r\n.\r\n").replies()[-1] == answer


def test_unknown_users_are_refused_in_the_session_without_a_report(internet: Internet, home: SimulatedServer) -> None:
    """SMTP-39, CODE-04."""
    client = connect(internet, home, BEGIN + b"RCPT TO:<nobody@home.test>\r\nDATA\r\n")
    assert client.replies()[-2:] == ["550 5.1.1", "554 5.5.1"]
    assert home.journal.names("mx.home.test") == []


def test_a_whole_session_may_come_in_one_packet(internet: Internet, home: SimulatedServer) -> None:
    """PIPE-01, PIPE-02, PIPE-03: in order, one reply each, and a refused recipient disturbs nobody."""
    group = BEGIN + b"RCPT TO:<nobody@home.test>\r\n" + RCPT + b"DATA\r\n"
    client = connect(internet, home, group)
    assert b"250-PIPELINING\r\n" in client.heard
    assert client.codes() == [b"220", b"250", b"250", b"550", b"250", b"354"]
    client.transport.write(b"\r\nHi\r\n.\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
    internet.reactor.advance(1)
    assert client.codes()[6:] == [b"250", b"250", b"250", b"221"]


def test_what_was_sent_ahead_is_not_thrown_away(internet: Internet, home: SimulatedServer) -> None:
    """PIPE-05: not behind a refusal, nor behind what ends a group."""
    client = connect(internet, home, HELLO + b"WHAT\r\nNOOP\r\nVRFY bob\r\nEXPN bob\r\nDATA\r\nEHLO again\r\nNOOP\r\n")
    assert client.codes() == [b"220", b"250", b"500", b"250", b"252", b"502", b"503", b"250", b"250"]


def test_submission_is_for_those_who_log_in_and_then_for_any_domain(internet: Internet, home: SimulatedServer) -> None:
    """SUBM-01, SUBM-12, CODE-02: strangers don't reach our own users that way, either."""
    stranger = connect(internet, home, BEGIN + RCPT, port=SUBMISSION)
    assert stranger.replies()[2:] == ["530 5.7.0", "503 5.5.1"]
    alice = connect(internet, home, MINE + RCPT + b"RCPT TO:<carol@elsewhere.test>\r\n", port=SUBMISSION)
    assert alice.replies()[2:] == ["235 2.7.0", "250 2.1.0", "250 2.1.5", "250 2.1.5"]


def test_port_25_knows_no_login(internet: Internet, home: SimulatedServer) -> None:
    """SUBM-12."""
    client = connect(internet, home, LOGIN)
    assert b"\r\n250-AUTH" not in client.heard
    assert client.replies()[-1] in {"502 5.5.1", "530 5.7.0"}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"RCPT TO:<bob>", "501 5.1.3"),
        (b"RCPT TO:<bob@elsewhere>", "501 5.1.3"),
        (b"RCPT TO:<bob@else where.test>", "501 5.1.3"),
        (b"RCPT TO:<bob@-.test>", "501 5.1.3"),
        (b"RCPT TO:<nobody@home.test>", "550 5.1.1"),
        (b"RCPT TO:<carol@elsewhere.test>", "250 2.1.5"),
        (b"RCPT TO:<carol@[192.0.2.9]>", "250 2.1.5"),
        (b"RCPT TO:<postmaster>", "250 2.1.5"),
        (b"RSET\r\nMAIL FROM:<alice>", "501 5.1.7"),
    ],
)
def test_invalid_recipients_are_refused(internet: Internet, home: SimulatedServer, line: bytes, answer: str) -> None:
    """SUBM-02, SUBM-08."""
    assert connect(internet, home, MINE + line + b"\r\n", port=SUBMISSION).replies()[-1] == answer


def test_a_sender_of_one_label_is_not_qualified(internet: Internet) -> None:
    """SUBM-02: also where everybody may send under any name."""
    site = server(internet, SubmissionSettings(check_sender=False))
    assert connect(internet, site, LOGIN + b"MAIL FROM:<x@host>\r\n", port=SUBMISSION).replies()[-1] == "501 5.1.7"


def test_a_domain_that_takes_no_mail_is_refused_at_once(internet: Internet) -> None:
    """CODE-23, SUBM-08: 556 5.1.10 in the session, when the operator wants it."""
    internet.zone.add("null.test", dns.Record_MX(0, ""))
    internet.zone.add("real.test", dns.Record_MX(10, "mx.real.test"))
    site = server(internet, SubmissionSettings(recipient_domain=True))
    recipients = b"".join(b"RCPT TO:<x@%b>\r\n" % each for each in (b"null.test", b"gone.test", b"real.test"))
    client = connect(internet, site, MINE + recipients + RCPT, port=SUBMISSION)
    assert client.replies()[-4:] == ["556 5.1.10", "550 5.1.2", "250 2.1.5", "250 2.1.5"]


def test_a_users_machine_can_be_hidden_and_strangers_not(internet: Internet) -> None:
    """SUBM-07: `hide_client` is for our own users; what other hosts bring is traced."""
    site = server(internet, SubmissionSettings(hide_client=True))
    letter = RCPT + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n"
    assert connect(internet, site, MINE + letter, port=SUBMISSION).replies()[-1] == "250 2.0.0"
    assert connect(internet, site, BEGIN + letter).replies()[-1] == "250 2.0.0"
    ours, theirs = internet.fetch(site, "bob@home.test")
    assert b"203.0.113.66" not in ours
    assert b"client.test" not in ours
    assert b"from client.test ([203.0.113.66])" in theirs


@pytest.mark.parametrize(
    ("choices", "answer", "header"),
    [
        ({}, "250 2.0.0", b"From: <alice@home.test>\r\n"),
        ({"broken_header": "refuse"}, "554 5.6.0", b""),
        ({"broken_header": "allow", "check_from": "allow"}, "250 2.0.0", b"Subject: x\r\n"),
        ({"broken_header": "allow", "check_from": "sender"}, "250 2.0.0", b"Sender: <alice@home.test>\r\n"),
        ({"broken_header": "allow", "check_from": "refuse"}, "550 5.7.1", b""),
    ],
)
def test_policies_for_a_missing_from(internet: Internet, choices: dict[str, str], answer: str, header: bytes) -> None:
    """SUBM-05, SUBM-11."""
    site = server(internet, SubmissionSettings(**choices))  # type: ignore[arg-type]
    client = connect(internet, site, MINE + RCPT + b"DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n", port=SUBMISSION)
    assert client.replies()[-1] == answer
    for letter in internet.fetch(site, "bob@home.test"):
        assert header in letter
