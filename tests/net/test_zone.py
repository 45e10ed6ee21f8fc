"""DNS zone in memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IResolver
from twisted.names import dns, server
from twisted.names.error import DNSNameError, DNSServerError

from mailstack.net.zone import Zone
from tests.aid import result_of


@pytest.fixture
def zone() -> Zone:
    return Zone({"home.test": [dns.Record_MX(10, "mx.home.test")], "mx.home.test": [dns.Record_A("127.0.0.1")]})


def test_it_is_a_resolver(zone: Zone) -> None:
    assert IResolver.providedBy(zone)


def test_records_are_given_by_name_and_type(zone: Zone) -> None:
    answers, _, _ = result_of(zone.lookupMailExchange("Home.Test."))
    assert [answer.payload for answer in answers] == [dns.Record_MX(10, "mx.home.test")]
    answers, _, _ = result_of(zone.lookupAddress("mx.home.test"))
    assert [answer.payload.dottedQuad() for answer in answers] == ["127.0.0.1"]


def test_a_name_without_records_of_the_type_has_an_empty_answer(zone: Zone) -> None:
    assert result_of(zone.lookupAddress("home.test")) == ([], [], [])


def test_an_unknown_name_does_not_exist(zone: Zone) -> None:
    with pytest.raises(DNSNameError):
        result_of(zone.lookupAddress("elsewhere.test"))


def test_a_cname_answers_for_every_type(zone: Zone) -> None:
    zone.add("www.home.test", dns.Record_CNAME("mx.home.test"))
    answers, _, _ = result_of(zone.lookupAddress("www.home.test"))
    assert [answer.type for answer in answers] == [dns.CNAME]


def test_names_come_and_go(zone: Zone) -> None:
    zone.add("empty.test")
    assert result_of(zone.lookupAddress("empty.test")) == ([], [], [])
    zone.remove("empty.test")
    with pytest.raises(DNSNameError):
        result_of(zone.lookupAddress("empty.test"))


def test_failures_are_said_for_one_name_until_mended(zone: Zone) -> None:
    zone.fail("home.test")
    with pytest.raises(DNSServerError):
        result_of(zone.lookupMailExchange("home.test"))
    zone.fail("home.test", DeferredTimeout)
    with pytest.raises(DeferredTimeout):
        result_of(zone.lookupMailExchange("home.test"))
    result_of(zone.lookupAddress("mx.home.test"))
    zone.mend("home.test")
    assert result_of(zone.lookupMailExchange("home.test"))[0]


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20}){0,3}", fullmatch=True))
def test_every_other_domain_may_have_one_exchange(domain: str) -> None:
    zone = Zone({"mx.world.test": [dns.Record_A("127.0.0.1")]}, everything_else="mx.world.test")
    answers, _, _ = result_of(zone.lookupMailExchange(domain))
    expected = [] if domain == "mx.world.test" else [dns.Record_MX(10, "mx.world.test")]
    assert [answer.payload for answer in answers] == expected


def test_what_was_asked_can_be_looked_up(zone: Zone) -> None:
    for _ in range(1100):
        result_of(zone.lookupAddress("mx.home.test"))
    assert zone.queries[0] == ("mx.home.test", dns.A)
    assert len(zone.queries) == 1000


def test_it_serves_over_the_wire(zone: Zone) -> None:
    """Twisted's own DNS server speaks for it, in octets."""
    factory = server.DNSServerFactory(clients=[zone])
    sent: list[dns.Message] = []

    class Datagrams:
        def writeMessage(self, message: dns.Message, _address: object) -> None:  # noqa: N802
            back = dns.Message()
            back.fromStr(message.toStr())
            sent.append(back)

    question = dns.Message(id=7)
    question.addQuery("home.test", dns.MX)
    factory.messageReceived(question, Datagrams(), ("127.0.0.1", 5353))
    assert sent[0].rCode == dns.OK
    assert [(answer.payload.preference, str(answer.payload.name)) for answer in sent[0].answers] == [
        (10, "mx.home.test")
    ]
