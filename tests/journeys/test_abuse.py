"""Policies, limits and tarpits for unknown clients of a whole server."""

from __future__ import annotations

from typing import Any

from twisted.names import dns

from mailstack.config import ExchangeSettings, GreylistSettings, LimitsSettings, PolicySettings, SubmissionSettings
from mailstack.letter.times import Duration
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import connect, say

BEGIN = b"EHLO client.test\r\nMAIL FROM:<eve@other.test>\r\n"
RCPT = b"RCPT TO:<bob@home.test>\r\n"
LETTER = b"DATA\r\nSubject: hello\r\n\r\nHello\r\n.\r\n"


def server(internet: Internet, **settings: Any) -> SimulatedServer:
    return internet.home("alice@home.test", "bob@home.test", **settings)


def test_a_blocked_client_is_greeted_with_554_and_may_only_quit(internet: Internet) -> None:
    """CODE-28, SMTP-40: the connection stays open until QUIT (RFC 5321 §3.1)."""
    site = server(internet, policy=PolicySettings(block=("203.0.113.0/24",)))
    client = connect(internet, site)
    assert client.heard.startswith(b"554 mx.home.test no mail is taken from you here")
    assert say(internet, client, BEGIN + b"NOOP\r\n") == [b"503"] * 3
    assert not client.is_gone
    assert say(internet, client, b"QUIT\r\n") == [b"221"]
    assert client.is_gone
    assert connect(internet, site, source="198.51.100.1").codes() == [b"220"]


def test_a_blocked_client_may_be_refused_at_each_recipient(internet: Internet) -> None:
    """CODE-10: 550 5.7.1; the postmaster can be reached."""
    site = server(internet, policy=PolicySettings(block=("203.0.113.0/24",), refuse_at="recipient"))
    client = connect(internet, site, BEGIN + RCPT + b"RCPT TO:<postmaster>\r\n")
    assert client.codes() == [b"220", b"250", b"250", b"550", b"250"]
    assert b"550 5.7.1 " in client.heard


def test_block_list_applies_to_the_client_of_xclient(internet: Internet) -> None:
    """CODE-28: XCLIENT begins the session anew, and the client that it names is judged."""
    site = server(
        internet,
        policy=PolicySettings(block=("198.51.100.0/24",)),
        exchange=ExchangeSettings(xclient=("203.0.113.66",)),
    )
    good = connect(internet, site, b"EHLO x\r\nXCLIENT ADDR=192.0.2.200\r\n")
    assert good.codes() == [b"220", b"250", b"220"]
    bad = connect(internet, site, b"EHLO x\r\nXCLIENT ADDR=198.51.100.9\r\nEHLO x\r\n")
    assert bad.codes() == [b"220", b"250", b"554"]
    assert bad.is_gone


def test_a_dns_block_list_refuses_unless_it_fails(internet: Internet) -> None:
    internet.zone.add("66.113.0.203.zen.test", dns.Record_A("127.0.0.2", 60))
    site = server(internet, policy=PolicySettings(dnsbl=("dead.test", "zen.test")))
    internet.zone.fail("7.113.0.203.dead.test")
    assert connect(internet, site).codes() == [b"554"]
    assert connect(internet, site, source="203.0.113.7").codes() == [b"220"]


def test_a_first_letter_comes_again(internet: Internet) -> None:
    """CODE-12: 451 4.7.1 at the first contact, 250 after the wait."""
    site = server(internet, policy=PolicySettings(greylist=GreylistSettings(enabled=True)))
    assert b"451 4.7.1 greylisted" in connect(internet, site, BEGIN + RCPT + b"QUIT\r\n").heard
    internet.reactor.advance(301)
    assert connect(internet, site, BEGIN + RCPT + LETTER).codes()[-1] == b"250"


def test_a_sender_without_mail_is_refused(internet: Internet) -> None:
    """CODE-23: 550 5.7.27 for a null MX, 550 5.1.8 for no domain."""
    site = server(internet, policy=PolicySettings(sender_domain=True))
    internet.zone.add("null.test", dns.Record_MX(0, ""))
    client = connect(
        internet, site, b"EHLO x\r\nMAIL FROM:<a@null.test>\r\nMAIL FROM:<a@gone.test>\r\nMAIL FROM:<>\r\n"
    )
    assert [line[:10] for line in client.heard.split(b"\r\n")[-4:-1]] == [b"550 5.7.27", b"550 5.1.8 ", b"250 2.1.0 "]


def test_a_letter_tells_the_confirmed_name_of_its_client(internet: Internet) -> None:
    """PTR-01: from helo (name [ip]); without a name nobody is refused."""
    internet.zone.add("66.113.0.203.in-addr.arpa", dns.Record_PTR("mail.other.test"))
    internet.zone.add("mail.other.test", dns.Record_A("203.0.113.66"))
    site = server(internet)
    assert connect(internet, site, BEGIN + RCPT + LETTER).codes()[-1] == b"250"
    assert connect(internet, site, BEGIN + RCPT + LETTER, source="203.0.113.67").codes()[-1] == b"250"
    named, nameless = internet.fetch(site, "bob@home.test")
    assert b"from client.test (mail.other.test [203.0.113.66])" in named
    assert b"from client.test ([203.0.113.67])" in nameless


def test_a_client_that_sends_before_the_greeting_is_refused(internet: Internet) -> None:
    """PIPE-07: 554, and nothing of what was said is obeyed."""
    site = server(internet, exchange=ExchangeSettings(greet_delay=Duration(3)))
    assert connect(internet, site, BEGIN + RCPT + LETTER, wait=5).codes()[:2] == [b"554", b"503"]
    assert internet.fetch(site, "bob@home.test") == []
    patient = connect(internet, site, wait=2)
    assert patient.codes() == []
    internet.reactor.advance(2)
    assert patient.codes() == [b"220"]


def test_a_body_before_354_is_one_letter_at_most(internet: Internet) -> None:
    """PIPE-07: a client that does not wait for 354 can't smuggle a second letter."""
    site = server(internet)
    connect(internet, site, BEGIN + RCPT + LETTER + b"QUIT\r\n")
    assert len(internet.fetch(site, "bob@home.test")) == 1


def test_errors_are_answered_later_and_later_and_others_are_not(internet: Internet) -> None:
    site = server(internet, limits=LimitsSettings(tarpit=Duration(2), tarpit_longest=Duration(4)))
    bad = connect(internet, site, b"EHLO x\r\n" + b"WHAT\r\n" * 8)
    assert bad.codes().count(b"500") == 5
    assert connect(internet, site, BEGIN).codes() == [b"220", b"250", b"250"]
    internet.reactor.advance(2)
    assert bad.codes().count(b"500") == 6
    internet.reactor.advance(8)
    assert bad.codes().count(b"500") == 8


def test_only_permanent_refusals_count_as_errors_of_a_client(internet: Internet) -> None:
    """CODE-07: a client whose recipients are put off with 4xx stays connected to send the others (RFC 5321 §4.5.3.1.10)."""
    site = server(
        internet,
        exchange=ExchangeSettings(recipients_per_hour=1),
        limits=LimitsSettings(errors=3, tarpit=Duration(2), tarpit_longest=Duration(4)),
    )
    client = connect(internet, site, BEGIN + RCPT * 21)
    assert client.codes() == [b"220", b"250", b"250", b"250"] + [b"450"] * 20
    client = connect(internet, site, BEGIN + RCPT * 20 + b"WHAT\r\n" * 4)
    assert client.codes() == [b"220", b"250", b"250"] + [b"450"] * 20 + [b"500"] * 3 + [b"421"]
    assert client.is_gone


def test_too_many_letters_of_an_address_come_later(internet: Internet) -> None:
    """CODE-11: 450 4.7.1 at MAIL; RCPT likewise."""
    site = server(internet, exchange=ExchangeSettings(letters_per_hour=1, recipients_per_hour=2))
    client = connect(internet, site, BEGIN + RCPT * 3 + b"RSET\r\nMAIL FROM:<eve@other.test>\r\n")
    assert client.codes() == [b"220", b"250", b"250", b"250", b"250", b"450", b"250", b"450"]
    internet.reactor.advance(299)
    internet.reactor.advance(3300)
    assert connect(internet, site, BEGIN + RCPT).codes()[-1] == b"250"


def test_an_account_may_send_so_many_letters_in_an_hour(internet: Internet) -> None:
    """SUBM-09: 450 4.7.1."""
    site = server(internet, submission=SubmissionSettings(letters_per_hour=2))
    codes = [internet.submit(site, "alice@home.test", "bob@home.test")[0].code for _ in range(3)]
    assert codes == [250, 250, 450]


def test_connections_of_an_address_are_limited_in_number_and_rate(internet: Internet) -> None:
    """CODE-11, CODE-16, SMTP-26: 421, and the connection is closed."""
    site = server(internet, limits=LimitsSettings(connections_per_address=3, connections_per_minute=4))
    clients = [connect(internet, site, wait=0.1) for _ in range(4)]
    assert [client.codes() for client in clients] == [[b"220"]] * 3 + [[b"421"]]
    for client in clients:
        client.transport.abortConnection()
    internet.reactor.advance(1)
    assert connect(internet, site).codes() == [b"220"]
    too_fast = connect(internet, site)
    assert b"421 too many connections from you" in too_fast.heard
    assert too_fast.is_gone
    internet.reactor.advance(60)
    assert connect(internet, site).codes() == [b"220"]


def test_waits_are_shorter_while_the_server_is_busy(internet: Internet) -> None:
    """SMTP-26, SMTP-28: five minutes on a quiet day, busy_timeout when nearly all connections are taken."""
    site = server(internet, limits=LimitsSettings(connections=10, busy_percent=50))
    calm = connect(internet, site, b"NOOP\r\n")
    internet.reactor.advance(200)
    assert not calm.is_gone
    crowd = [connect(internet, site, b"NOOP\r\n", wait=0.1) for _ in range(6)]
    internet.reactor.advance(31)
    assert all(client.is_gone for client in crowd[4:])
    assert b"421 4.4.2 mx.home.test is busy" in crowd[-1].heard or b"421 mx.home.test is busy" in crowd[-1].heard


def test_a_letter_that_dribbles_is_cut(internet: Internet) -> None:
    """SMTP-28: each octet comes in time, and the letter as a whole does not."""
    site = server(internet, limits=LimitsSettings(data_timeout=Duration(180), data_rate=100))
    client = connect(internet, site, BEGIN + RCPT + b"DATA\r\nSubject: slow\r\n\r\n")
    assert client.codes()[-1] == b"354"
    for _ in range(30):
        if client.is_gone:
            break
        client.transport.write(b"x")
        internet.reactor.advance(10)
    assert client.is_gone
    assert client.codes()[-1] == b"421"
    assert internet.fetch(site, "bob@home.test") == []


def test_a_slow_letter_that_is_fast_enough_is_taken(internet: Internet) -> None:
    """SMTP-28: 2 KB every ten seconds, for ten minutes."""
    site = server(internet, limits=LimitsSettings(data_timeout=Duration(180), data_rate=128))
    client = connect(internet, site, BEGIN + RCPT + b"DATA\r\nSubject: slow\r\n\r\n")
    for _ in range(60):
        client.transport.write(b"x" * 2046 + b"\r\n")
        internet.reactor.advance(10)
    assert say(internet, client, b".\r\n") == [b"250"]


def test_a_command_that_dribbles_is_cut_after_the_time_for_a_whole_command(internet: Internet) -> None:
    """SMTP-28: octets that come one by one don't extend the time."""
    site = server(internet)
    client = connect(internet, site)
    for _ in range(40):
        if client.is_gone:
            break
        client.transport.write(b"N")
        internet.reactor.advance(10)
    assert client.is_gone
    assert b"waited too long" in client.heard
