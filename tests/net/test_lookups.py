"""Questions to the DNS that nobody waits for longer than he wants to."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns

from mailstack.net.dns import DnsNames
from mailstack.net.resolver import DnsWithTimeout
from mailstack.net.zone import Zone
from mailstack.relay.dns import DnsUnavailable, MailExchange
from tests.aid import run

ZONE = {
    "one.test": [dns.Record_MX(10, "mx.one.test"), dns.Record_A("192.0.2.1")],
    "null.test": [dns.Record_MX(0, "")],
    "1.2.0.192.in-addr.arpa": [dns.Record_PTR("mx.one.test")],
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": [dns.Record_PTR("six.one.test")],
}


@pytest.fixture
def zone() -> Zone:
    return Zone(ZONE)


@pytest.fixture
def lookups(zone: Zone) -> DnsWithTimeout:
    clock = Clock()
    return DnsWithTimeout(DnsNames(zone, clock), clock, 5.0)


def test_what_the_dns_says_is_told(lookups: DnsWithTimeout) -> None:
    """PTR-01: both families have names."""
    assert run(lookups.addresses("one.test")) == ("192.0.2.1",)
    assert run(lookups.exchanges("one.test")) == ("mx.one.test",)
    assert run(lookups.exchanges("null.test")) == ("",)
    assert run(lookups.pointers("192.0.2.1")) == ("mx.one.test",)
    assert run(lookups.pointers("2001:db8::1")) == ("six.one.test",)


def test_what_does_not_exist_has_no_records_and_what_fails_is_not_known(zone: Zone, lookups: DnsWithTimeout) -> None:
    assert run(lookups.addresses("nowhere.test")) == ()
    assert run(lookups.pointers("192.0.2.9")) == ()
    zone.fail("one.test")
    assert run(lookups.addresses("one.test")) is None
    assert run(lookups.exchanges("one.test")) is None


class Silent:
    """Never answers, and is told when nobody waits any longer."""

    def __init__(self) -> None:
        self.cancelled = 0

    def _cancel(self, _: object) -> None:
        self.cancelled += 1

    async def addresses(self, host: str) -> tuple[str, ...]:
        waiting: Deferred[tuple[str, ...]] = Deferred(self._cancel)
        try:
            return await waiting
        except Exception as error:
            raise DnsUnavailable(host) from error

    async def mx(self, domain: str) -> tuple[MailExchange, ...]:
        return await Deferred(self._cancel)

    async def pointers(self, address: str) -> tuple[str, ...]:
        return await Deferred(self._cancel)


def test_a_silent_dns_is_waited_for_so_long_and_no_longer() -> None:
    clock, silent = Clock(), Silent()
    lookups = DnsWithTimeout(silent, clock, 5.0)
    answers: list[object] = []
    for question in (lookups.addresses("a.test"), lookups.exchanges("a.test"), lookups.pointers("192.0.2.1")):
        Deferred.fromCoroutine(question).addBoth(answers.append)
    clock.advance(4.9)
    assert answers == []
    clock.advance(0.2)
    assert answers == [None, None, None]
    assert silent.cancelled == 3
    assert clock.getDelayedCalls() == []
