"""DELIVERBY, MT-PRIORITY, limits of hosts and XCLIENT across whole servers."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct
from twisted.names import dns

from mailstack.config import ExchangeSettings, LimitsSettings, PolicySettings, RelaySettings, SubmissionSettings
from mailstack.config.values import Blocked, Keyword, Network
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.smtp.client import ClientEngine
from mailstack.protocols.smtp.client_session import SmtpClientSession
from tests.journeys.internet import Internet, SimulatedServer
from tests.journeys.raw_client import connect


def home(internet: Internet, **settings: Struct) -> SimulatedServer:
    return internet.mail_server("mx.home.test", "192.0.2.10", "alice@home.test", **settings)


def away(internet: Internet, **settings: Struct) -> SimulatedServer:
    return internet.mail_server("mx.else.test", "192.0.2.20", "bob@else.test", **settings)


def offered(internet: Internet, site: SimulatedServer, port: int) -> dict[str, str]:
    async def ask() -> dict[str, str]:
        session = await internet.session(site, port)
        await session.quit()
        return session.extensions

    return internet.reactor.result_of(ask())


def codes(internet: Internet, site: SimulatedServer, port: int, source: str, *lines: str) -> list[str]:
    """What a server answers, reply by reply, to lines that no client of ours would say."""
    octets = "".join(f"{line}\r\n" for line in lines).encode()
    replies = connect(internet, site, octets, port=port, source=source).replies()
    return [reply if "." in reply.partition(" ")[2][1:2] else reply[:3] for reply in replies]


def test_a_letter_is_released_when_its_sender_said(internet: Internet) -> None:
    """FUT-01: at home and away."""
    here, there = home(internet), away(internet)
    replies = internet.submit(here, "alice@home.test", "alice@home.test", "bob@else.test", HOLDFOR="86400")
    assert [reply.code for reply in replies] == [250, 250]
    internet.reactor.advance(86000)
    assert here.states() == {"alice@home.test": "queued", "bob@else.test": "queued"}
    internet.reactor.advance(3000)
    assert here.states() == {"alice@home.test": "delivered", "bob@else.test": "relayed"}
    assert len(internet.fetch(there, "bob@else.test")) == 1


def test_a_deadline_is_passed_on_with_what_is_left_of_it(internet: Internet) -> None:
    """DLBY-01."""
    here, there = home(internet), away(internet)
    internet.submit(here, "alice@home.test", "bob@else.test", BY="120;R")
    internet.reactor.advance(10)
    assert here.states() == {"bob@else.test": "relayed"}
    (arrived,) = [step for step in there.journal.steps if step.step == "exchanged"]
    assert arrived.facts["terms"]["BY"] in {"120;R", "119;R"}


def test_a_traced_letter_is_reported_as_relayed(internet: Internet) -> None:
    """DLBY-01: mode N with trace."""
    here = home(internet)
    away(internet)
    internet.submit(here, "alice@home.test", "bob@else.test", BY="600;NT")
    internet.reactor.advance(10)
    (report,) = internet.fetch(here, "alice@home.test")
    assert b"Action: relayed" in report
    assert b"Remote-MTA: dns; mx.else.test" in report


def test_a_letter_comes_back_whose_host_does_not_know_of_deadlines(internet: Internet) -> None:
    """DLBY-01, EXT-02: mode R, to a server that withholds DELIVERBY."""
    here = home(internet)
    away(internet, exchange=ExchangeSettings(withhold=(Keyword("DELIVERBY"),)))
    internet.submit(here, "alice@home.test", "bob@else.test", BY="120;R")
    internet.reactor.advance(10)
    assert here.states()["bob@else.test"] == "bounced"
    (report,) = internet.fetch(here, "alice@home.test")
    assert b"Status: 5.4.7" in report


def test_a_letter_comes_back_when_its_time_has_passed(internet: Internet) -> None:
    """DLBY-01: nobody answers there."""
    here = home(internet)
    internet.zone.add("gone.test", dns.Record_A("192.0.2.99"))
    internet.submit(here, "alice@home.test", "bob@gone.test", BY="600;R")
    internet.reactor.advance(590)
    assert here.states()["bob@gone.test"] == "queued"
    internet.reactor.advance(60)
    assert here.states()["bob@gone.test"] == "bounced"


def test_what_is_held_back_beyond_its_deadline_is_not_taken(internet: Internet) -> None:
    """FUT-01, DLBY-01: 501 5.5.4 (RFC 4865 §5.2.2)."""
    here = home(internet)
    for hold, code in ("601", 501), ("600", 250):
        (answer,) = internet.submit(here, "alice@home.test", "alice@home.test", HOLDFOR=hold, BY="600;R")
        assert (answer.code, str(answer.status)) == (code, "5.5.4" if code == 501 else "2.0.0")


def priority(site: SimulatedServer) -> str | None:
    (arrived,) = [step for step in site.journal.steps if step.step == "exchanged"]
    value = arrived.facts.get("terms", {}).get("MT-PRIORITY")
    return value if value is None else str(value)


def trusting(**settings: Any) -> ExchangeSettings:
    return ExchangeSettings(priority_from=(Network("192.0.2.10/32"),), **settings)


def test_strangers_can_not_raise_a_priority(internet: Internet) -> None:
    """PRIO-01: a user may have 3, and what another server has of that is lowered to 0."""
    here, there = home(internet), away(internet)
    internet.submit(here, "alice@home.test", "bob@else.test", **{"MT-PRIORITY": "7"})
    internet.reactor.advance(10)
    (submitted,) = [step for step in here.journal.steps if step.step == "submitted"]
    assert submitted.facts["terms"] == {"MT-PRIORITY": "3"}
    assert priority(there) == "0"


@pytest.mark.parametrize("withhold", [(), (Keyword("MT-PRIORITY"),)])
def test_priority_of_a_trusted_server_as_parameter_or_field(internet: Internet, withhold: tuple[Keyword, ...]) -> None:
    """PRIO-01: RFC 6710, and RFC 6758 where the keyword is withheld."""
    here, there = home(internet), away(internet, exchange=trusting(withhold=withhold))
    internet.submit(here, "alice@home.test", "bob@else.test", **{"MT-PRIORITY": "2"})
    internet.reactor.advance(10)
    assert priority(there) == "2"
    (letter,) = internet.fetch(there, "bob@else.test")
    assert b"MT-Priority" not in letter


def test_a_priority_that_is_too_low_is_refused(internet: Internet) -> None:
    """CODE-26."""
    there = away(internet, exchange=ExchangeSettings(min_priority=-2))
    lines = ("EHLO c.test", "MAIL FROM:<> MT-PRIORITY=-3", "MAIL FROM:<> MT-PRIORITY=4")
    said = codes(internet, there, 25, "203.0.113.7", *lines)
    assert said == ["220", "250", "550 5.7.15", "250 2.3.6"]


def test_each_listener_offers_what_is_true_there(internet: Internet) -> None:
    """EXT-02, LIM-01: by default, and as configured."""
    here = home(
        internet,
        submission=SubmissionSettings(max_recipients=50, withhold=(Keyword("DELIVERBY"),)),
        exchange=ExchangeSettings(max_recipients=20, withhold=(Keyword("SIZE"), Keyword("PIPELINING"))),
    )
    submission, mx = offered(internet, here, 587), offered(internet, here, 25)
    assert submission["LIMITS"] == "RCPTMAX=50"
    assert submission["FUTURERELEASE"].startswith("2592000 ")
    assert "DELIVERBY" not in submission
    assert "SIZE" in submission
    assert mx["LIMITS"] == "RCPTMAX=20"
    assert mx["DELIVERBY"] == "10"
    assert not {"SIZE", "PIPELINING", "FUTURERELEASE", "XCLIENT"} & set(mx)


def test_a_session_takes_as_many_letters_as_it_says(internet: Internet) -> None:
    """LIM-01: MAILMAX."""
    there = away(internet, limits=LimitsSettings(session_letters=1))
    assert offered(internet, there, 25)["LIMITS"] == "RCPTMAX=1000 MAILMAX=1"
    said = codes(internet, there, 25, "203.0.113.7", "EHLO c.test", "MAIL FROM:<>", "RSET", "MAIL FROM:<>")
    assert said == ["220", "250", "250 2.1.0", "250 2.0.0", "452 4.5.3"]


def test_a_server_obeys_the_limits_of_another(internet: Internet) -> None:
    """LIM-01, RLY-28: five recipients, two at a time."""
    here = home(internet)
    there = internet.mail_server(
        "mx.else.test",
        "192.0.2.20",
        *(f"user{number}@else.test" for number in range(5)),
        exchange=ExchangeSettings(max_recipients=2),
    )
    internet.submit(here, "alice@home.test", *(f"user{number}@else.test" for number in range(5)))
    internet.reactor.advance(10)
    assert set(here.states().values()) == {"relayed"}
    taken = [len(step.facts["recipients"]) for step in there.journal.steps if step.step == "exchanged"]
    assert taken == [2, 2, 1]


# --- XCLIENT

FRONT = "203.0.113.5"


def test_xclient_names_the_client_in_the_trace(internet: Internet) -> None:
    """XCLI-01: the letter's trace names the client, and not the front host."""
    there = away(internet, exchange=ExchangeSettings(xclient=(Network(f"{FRONT}/32"),)))

    async def deliver() -> None:
        engine = ClientEngine()
        peer: Any = await TwistedConnector(internet.reactor.host(FRONT)).connect(
            HostPort(there.address, 25), engine, timeout=30
        )
        session = SmtpClientSession(peer, engine, "client.test")
        await session.open()
        assert session.extensions["XCLIENT"] == "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
        peer.send(engine.command("XCLIENT ADDR=198.51.100.9 PORT=4321 HELO=real.test PROTO=ESMTP NAME=[UNAVAILABLE]"))
        await session.open()
        bob = (Recipient(Address.parse("bob@else.test")),)
        (answer,) = await session.transact(Envelope(None, bob), bob, Octets(b"Subject: hi\r\n\r\nhi\r\n"))
        assert answer.code == 250
        await session.quit()

    internet.reactor.result_of(deliver())
    (arrived,) = [step for step in there.journal.steps if step.step == "exchanged"]
    assert (arrived.facts["client"], arrived.facts["helo"]) == ("198.51.100.9", "real.test")
    (letter,) = internet.fetch(there, "bob@else.test")
    assert b"from real.test ([198.51.100.9])" in letter


def test_a_front_host_s_login_counts(internet: Internet) -> None:
    """XCLI-01: LOGIN, where one is needed."""
    here = home(internet, submission=SubmissionSettings(xclient=(Network(f"{FRONT}/32"),)))
    lines = ["EHLO front.test", "XCLIENT LOGIN=alice@home.test ADDR=198.51.100.9", "EHLO client.test"]
    said = codes(internet, here, 587, FRONT, *lines, *["MAIL FROM:<alice@home.test>"] * 2)
    assert said == ["220", "250", "220", "250", "250 2.1.0", "503 5.5.1"]


def test_block_list_applies_to_the_address_of_xclient(internet: Internet) -> None:
    """XCLI-01: the block list counts for it, and the session that was there is over."""
    policy = PolicySettings(block=(Blocked("198.51.100.0/24"),))
    there = away(internet, exchange=ExchangeSettings(xclient=(Network(f"{FRONT}/32"),)), policy=policy)
    said = codes(internet, there, 25, FRONT, "EHLO front.test", "XCLIENT ADDR=198.51.100.9")
    assert said[:2] == ["220", "250"]
    assert said[2].startswith("554")


def test_a_second_xclient_keeps_the_client_address(internet: Internet) -> None:
    """XCLI-01: LOGIN in a line of its own does not give it what the host in front may do."""
    there = away(
        internet,
        exchange=ExchangeSettings(xclient=(Network(f"{FRONT}/32"),)),
        relay=RelaySettings(relay_from=(Network(f"{FRONT}/32"),)),
    )
    lines = ("EHLO front.test", "XCLIENT ADDR=198.51.100.9", "XCLIENT HELO=c.test", "EHLO c.test", "MAIL FROM:<>")
    said = codes(internet, there, 25, FRONT, *lines, "RCPT TO:<x@third.test>")
    assert said == ["220", "250", "220", "220", "250", "250 2.1.0", "550 5.7.1"]


def test_xclient_is_refused_from_other_hosts(internet: Internet) -> None:
    """XCLI-01."""
    there = away(internet, exchange=ExchangeSettings(xclient=(Network(f"{FRONT}/32"),)))
    said = codes(internet, there, 25, "203.0.113.7", "EHLO c.test", "XCLIENT ADDR=198.51.100.9")
    assert said == ["220", "250", "550 5.7.0"]
