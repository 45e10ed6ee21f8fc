"""Resolver over UDP, and lookups with a timeout."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns

from mailstack.net.dns import DnsNames, system_names
from mailstack.net.resolver import DnsWithTimeout
from mailstack.net.zone import Zone
from mailstack.relay.hosts import DnsUnavailable, MailExchange
from tests.aid import run
from tests.net.resolvers import header

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


def test_lookups_return_the_records(lookups: DnsWithTimeout) -> None:
    """PTR-01: both families have names."""
    assert run(lookups.addresses("one.test")) == ("192.0.2.1",)
    assert run(lookups.exchanges("one.test")) == ("mx.one.test",)
    assert run(lookups.exchanges("null.test")) == ("",)
    assert run(lookups.pointers("192.0.2.1")) == ("mx.one.test",)
    assert run(lookups.pointers("2001:db8::1")) == ("six.one.test",)


def test_missing_names_have_no_records_and_failures_are_none(zone: Zone, lookups: DnsWithTimeout) -> None:
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


def test_a_lookup_times_out() -> None:
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


class UdpPort:
    """UDP port with the last query sent."""

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def write(self, octets: bytes, address: tuple[str, int]) -> None:
        self.sent, self.address = octets, address

    def stopListening(self) -> None:  # noqa: N802
        pass


class UdpReactor(MemoryReactorClock):
    """Reactor with a name server at 127.0.0.1:5353; its first `failures` ports can't be opened."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        self._failures = failures
        self.ports: list[UdpPort] = []

    def listenUDP(self, _port: int, protocol: Any, interface: str = "", **_: Any) -> UdpPort:  # type: ignore[override]  # noqa: N802
        if self._failures:
            self._failures -= 1
            raise CannotListenError(interface, 0, OSError(errno.EMFILE, "too many open files"))
        self.ports.append(UdpPort(protocol))
        return self.ports[-1]

    def query(self) -> dns.Message:
        """The query that was sent."""
        message = dns.Message()
        message.fromStr(self.ports[0].sent)
        return message

    def answer(self) -> None:
        """Answer it with an MX record, marked as authenticated."""
        message, port = self.query(), self.ports[0]
        message.answer, message.authenticData = 1, 1
        message.answers = [header("home.test", dns.Record_MX(10, "mx.home.test"))]
        port.protocol.datagramReceived(message.toStr(), port.address)


@pytest.mark.parametrize("validated", [True, False])
def test_a_query_over_udp_asks_for_validation_only_where_it_is_trusted(*, validated: bool) -> None:
    """RLY-20: the AD bit."""
    reactor = UdpReactor()
    results: list[Any] = []
    names = system_names(reactor, [("127.0.0.1", 5353)], validated=validated)
    Deferred.fromCoroutine(names.mx("home.test")).addBoth(results.append)
    assert reactor.ports[0].address == ("127.0.0.1", 5353)
    assert bool(reactor.query().authenticData) is validated
    reactor.answer()
    assert results == [(MailExchange(10, "mx.home.test", signed=validated),)]


def test_a_query_without_a_port_is_made_again_by_the_next_lookup() -> None:
    """Twisted's resolver would regard it as under way for ever, so that no later lookup had an answer."""
    reactor = UdpReactor(failures=1)
    names = system_names(reactor, [("127.0.0.1", 5353)])
    with pytest.raises(DnsUnavailable, match="CannotListenError"):
        run(names.mx("home.test"))
    results: list[Any] = []
    Deferred.fromCoroutine(names.mx("home.test")).addBoth(results.append)
    reactor.answer()
    assert results == [(MailExchange(10, "mx.home.test"),)]


def test_the_system_resolver_reads_resolv_conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailstack.net.dns.RESOLV_CONF", str(tmp_path / "resolv.conf"))
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    assert isinstance(system_names(MemoryReactorClock()), DnsNames)
