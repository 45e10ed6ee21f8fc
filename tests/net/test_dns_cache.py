"""DNS client: cache, shared queries and timeouts."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import common, dns
from twisted.names.error import DNSNameError, DNSServerError

from mailstack.net.dns import DnsNames
from mailstack.net.zone import Zone
from mailstack.relay.agent import RelayAgent
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.routing import OwnHost
from tests.aid import run
from tests.net.resolvers import Recursive, header
from tests.relay.agents import deliveries_of, letter_to
from tests.relay.world import World


def test_answers_are_cached_for_their_ttl() -> None:
    clock = Clock()
    resolver = Recursive(header("home.test", dns.Record_MX(10, "mx.test"), ttl=60))
    names = DnsNames(resolver, clock)
    for wait, asked in ((0, 1), (59, 1), (2, 2)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == (MailExchange(10, "mx.test"),)
        assert resolver.asked == asked


def test_an_alias_with_a_short_ttl_shortens_the_answers() -> None:
    clock = Clock()
    resolver = Recursive(
        header("home.test", dns.Record_CNAME("other.test"), ttl=5),
        header("other.test", dns.Record_MX(1, "mx.test"), 60),
    )
    names = DnsNames(resolver, clock)
    for wait, asked in ((0, 1), (6, 2)):
        clock.advance(wait)
        run(names.mx("home.test"))
        assert resolver.asked == asked


def test_the_cache_is_limited_in_entries() -> None:
    records = {f"d{n}.test": [dns.Record_MX(1, "mx.test", ttl=60)] for n in range(20)}
    zone = Zone(records)
    names = DnsNames(zone, Clock(), max_entries=10)
    for name in records:
        run(names.mx(name))
    before = len(zone.queries)
    run(names.mx("d19.test"))
    assert len(zone.queries) == before
    run(names.mx("d0.test"))
    assert len(zone.queries) == before + 1


class Delegated(Zone):
    """A zone whose answers of nothing come with its SOA record, as name servers give them."""

    minimum = 300

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        soa = header("test", dns.Record_SOA(minimum=self.minimum), ttl=900)
        found: Deferred[Any] = super()._lookup(name, cls, kind, timeout)
        return found.addCallbacks(
            lambda found: found if found[0] else ([], [soa], []), self._unknown, errbackArgs=[soa]
        )

    def _unknown(self, failure: Any, soa: Any) -> Any:
        failure.trap(DNSNameError)
        message = dns.Message(rCode=dns.ENAME)
        message.authority = [soa]
        raise DNSNameError(message)


def test_negative_answers_are_cached_for_the_time_of_the_soa_record() -> None:
    """RFC 2308 §5: the smaller one of its TTL and its minimum."""
    clock, zone = Clock(), Delegated({"home.test": []})
    names = DnsNames(zone, clock)
    for wait, asked in ((0, 2), (299, 2), (2, 4)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == ()
        with pytest.raises(NoSuchDomain, match=r"away\.test: no such name"):
            run(names.mx("away.test"))
        assert len(zone.queries) == asked


def test_negative_answers_without_a_soa_record_are_cached_for_a_second() -> None:
    clock, zone = Clock(), Zone({"home.test": []})
    names = DnsNames(zone, clock)
    for wait, asked in ((0, 1), (0.9, 1), (0.2, 2)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == ()
        assert len(zone.queries) == asked


def test_an_alias_with_a_short_ttl_shortens_a_negative_answer() -> None:
    clock, zone = Clock(), Delegated({"home.test": [dns.Record_CNAME("other.test", ttl=10)], "other.test": []})
    names = DnsNames(zone, clock)
    for wait, asked in ((0, 2), (9, 2), (2, 4)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == ()
        assert len(zone.queries) == asked


class Slow(common.ResolverBase):
    """Answers when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[Any]] = []
        self.cancelled = 0

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        self.waiting.append(Deferred(self._cancel))
        return self.waiting[-1]

    def _cancel(self, _: object) -> None:
        self.cancelled += 1


def test_equal_queries_are_shared_and_a_cancelled_caller_affects_no_other() -> None:
    slow, clock = Slow(), Clock()
    names = DnsNames(slow, clock)
    results: list[Any] = []
    asked = [Deferred.fromCoroutine(names.mx(name)) for name in ("home.test", "Home.test.", "home.test", "else.test")]
    for each in asked:
        each.addBoth(results.append)
    assert len(slow.waiting) == 2
    asked[0].cancel()
    assert slow.cancelled == 0
    slow.waiting[0].callback(([header("home.test", dns.Record_MX(10, "mx.test"))], [], []))
    assert results[1:] == [(MailExchange(10, "mx.test"),)] * 2
    asked[3].cancel()
    assert slow.cancelled == 1
    # Nothing of these is left: the next one asks anew.
    run(names.mx("home.test"))
    Deferred.fromCoroutine(names.mx("else.test"))
    assert len(slow.waiting) == 3


def test_shared_queries_fail_together() -> None:
    slow = Slow()
    names = DnsNames(slow, Clock())
    results: list[Any] = []
    for _ in range(3):
        Deferred.fromCoroutine(names.mx("home.test")).addBoth(lambda failed: results.append(failed.value))
    slow.waiting[0].errback(DNSServerError())
    assert [type(each) for each in results] == [DnsUnavailable] * 3
    assert len(slow.waiting) == 1


@pytest.mark.parametrize("implicit", [False, True], ids=["by MX", "itself"])
def test_a_retry_to_a_dead_host_uses_cached_answers(*, implicit: bool) -> None:
    """RLY-13: and when the answers are too old, each question once."""
    world = World()
    host = "dead.test" if implicit else "mx.dead.test"
    zone = Delegated({"dead.test": [], host: [dns.Record_A("127.0.0.9", ttl=300)]})
    if not implicit:
        zone.replace("dead.test", dns.Record_MX(10, host, ttl=300))
    relay = RelayAgent(DnsNames(zone, world.clock), world, world, OwnHost("mx.home.test"))
    letter = letter_to("bob@dead.test")
    for wait, questions in ((0, 3), (30, 0), (60, 0), (120, 0), (100, 3), (200, 0)):
        world.pass_time(wait)
        before = len(zone.queries)
        assert world.run(relay.deliver(letter, deliveries_of(letter, ""))).reached is False
        asked = zone.queries[before:]
        assert len(asked) == len(set(asked)) == questions


def test_a_long_ttl_is_limited() -> None:
    clock = Clock()
    zone = Zone({"home.test": [dns.Record_MX(1, "mx.test", ttl=10**6)]})
    names = DnsNames(zone, clock, max_age=3600)
    run(names.mx("home.test"))
    clock.advance(3601)
    run(names.mx("home.test"))
    assert len(zone.queries) == 2


class Silent(common.ResolverBase):
    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        return Deferred()


def test_a_silent_resolver_times_out() -> None:
    clock = Clock()
    results: list[Any] = []
    work = DnsNames(Silent(), clock, timeouts=(1, 2)).mx("home.test")
    Deferred.fromCoroutine(work).addBoth(results.append)
    clock.advance(15.9)
    assert not results
    clock.advance(0.2)
    assert isinstance(results[0].value, DnsUnavailable)
    assert not clock.getDelayedCalls()


class Dripping(common.ResolverBase):
    """Answers each question after some seconds, with an alias that leads to the next."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self._clock = clock
        self._seconds = seconds
        self.asked = 0

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        self.asked += 1
        alias = header(name.decode(), dns.Record_CNAME(f"alias{self.asked}.test"))
        answer: Deferred[Any] = Deferred()

        def give() -> None:
            if not answer.called:
                answer.callback(([alias], [], []))

        self._clock.callLater(self._seconds, give)
        return answer


def test_a_chain_of_slow_aliases_has_one_timeout() -> None:
    """Else nine slow answers would be a wait of minutes for each host, and an attempt longer than its lease."""
    clock = Clock()
    results: list[Any] = []
    slow = Dripping(clock, 5.0)
    Deferred.fromCoroutine(DnsNames(slow, clock, timeouts=(1, 2)).mx("home.test")).addBoth(results.append)
    for _ in range(17):
        clock.advance(1.0)
    assert isinstance(results[0].value, DnsUnavailable)
    assert slow.asked == 4


def test_the_cache_is_limited_in_memory() -> None:
    """A TXT record may hold 64,000 strings of no octet: half a megabyte of objects, in each of 2,000 places."""
    zone = Zone(
        {
            "large.test": [dns.Record_TXT(*[b""] * 60_000, ttl=60)],
            "long.test": [dns.Record_TXT(*[b"x" * 255] * 200, ttl=60)],
            "many.test": [dns.Record_A(f"127.0.0.{n}", ttl=60) for n in range(50)],
            "small.test": [dns.Record_TXT(b"v=spf1 -all", ttl=60)],
        }
    )
    names = DnsNames(zone, Clock())
    for ask, name, asked in (
        (names.txt, "large.test", 2),
        (names.txt, "long.test", 2),
        (names.addresses, "many.test", 3),
        (names.txt, "small.test", 1),
    ):
        before = len(zone.queries)
        run(ask(name))
        run(ask(name))
        assert len(zone.queries) - before == asked, name
