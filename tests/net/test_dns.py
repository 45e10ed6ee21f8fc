"""DnsNames over a zone: what the relay hears of each answer that a resolver can give."""

from __future__ import annotations

import contextlib
import errno
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.names import common, dns
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSServerError,
    DNSUnknownError,
    ResolverError,
)

from mailstack.net.dns import TLSA, DnsNames, system_names
from mailstack.net.resolver import authenticated
from mailstack.net.zone import Zone
from mailstack.protocols.connection import Tlsa
from mailstack.relay.agent import RelayAgent
from mailstack.relay.dns import DnsUnavailable, MailExchange, NoSuchDomain
from mailstack.relay.routing import OwnHost
from tests.aid import run
from tests.relay.agents import deliveries_of, letter_to
from tests.relay.world import World


def names_of(records: dict[str, list[Any]], **settings: Any) -> DnsNames:
    return DnsNames(Zone(records), Clock(), **settings)


def test_exchanges_come_with_their_preference() -> None:
    names = names_of({"home.test": [dns.Record_MX(20, "b.home.test"), dns.Record_MX(10, "a.home.test.")]})
    assert set(run(names.mx("Home.TEST"))) == {MailExchange(20, "b.home.test"), MailExchange(10, "a.home.test")}


@pytest.mark.parametrize("name", ["a" * 64 + ".test", ".".join(["a" * 60] * 5), "a..test", "", "ä.test", "\ud800.test"])
def test_a_name_that_no_query_can_have_does_not_exist(name: str) -> None:
    """RFC 1035 §2.3.4: what a stranger's letter names is no failure of a name server."""
    zone = Zone({})
    with pytest.raises(NoSuchDomain):
        run(DnsNames(zone, Clock()).txt(name))
    assert zone.queries == []


def test_a_null_exchange_has_an_empty_host() -> None:
    """RLY-05."""
    assert run(names_of({"home.test": [dns.Record_MX(0, b".")]}).mx("home.test")) == (MailExchange(0, ""),)


def test_services_are_told_as_a_zone_file_has_them() -> None:
    """RFC 2782; RFC 6186 §3.4: the root as a target says that there is none."""
    names = names_of(
        {
            "_pop3s._tcp.home.test": [dns.Record_SRV(10, 1, 995, "mx.home.test")],
            "_imap._tcp.home.test": [dns.Record_SRV(0, 0, 0, b".")],
        }
    )
    assert run(names.srv("_pop3s._tcp.home.test")) == ("10 1 995 mx.home.test.",)
    assert run(names.srv("_imap._tcp.home.test")) == ("0 0 0 .",)


def test_both_families_are_asked() -> None:
    """RLY-03."""
    names = names_of({"mx.test": [dns.Record_AAAA("::1"), dns.Record_A("127.0.0.1"), dns.Record_A("127.0.0.2")]})
    assert set(run(names.addresses("mx.test"))) == {"::1", "127.0.0.1", "127.0.0.2"}


def test_no_records_is_an_empty_answer() -> None:
    names = names_of({"home.test": [dns.Record_TXT(b"nothing")]})
    assert run(names.mx("home.test")) == ()
    assert run(names.addresses("home.test")) == ()


def test_an_unknown_name_does_not_exist() -> None:
    names = names_of({})
    with pytest.raises(NoSuchDomain, match=r"home\.test"):
        run(names.mx("home.test"))
    with pytest.raises(NoSuchDomain):
        run(names.addresses("home.test"))


@pytest.mark.parametrize("error", [DNSNameError, AuthoritativeDomainError])
def test_errors_that_mean_no_such_name(error: type[Exception]) -> None:
    zone = Zone({})
    zone.fail("home.test", error)
    with pytest.raises(NoSuchDomain):
        run(DnsNames(zone, Clock()).mx("home.test"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DNSServerError, "SERVFAIL"),
        (DNSQueryRefusedError, "REFUSED"),
        (DNSNotImplementedError, "NOTIMP"),
        (DNSFormatError, "FORMERR"),
        (DNSUnknownError, "DNSUnknownError"),
        (DeferredTimeout, "in time"),
        (ResolverError, "ResolverError"),
        (OSError, "OSError"),
        (ValueError, "ValueError"),
    ],
)
def test_all_other_errors_may_pass(error: type[Exception], text: str) -> None:
    """RLY-04."""
    zone = Zone({})
    zone.fail("home.test", error)
    with pytest.raises(DnsUnavailable, match=text):
        run(DnsNames(zone, Clock()).mx("home.test"))
    with pytest.raises(DnsUnavailable, match=text):
        run(DnsNames(zone, Clock()).addresses("home.test"))


class OneFamily(Zone):
    """A name server that fails for AAAA, as some do."""

    def lookupIPV6Address(self, name: bytes, timeout: Any = None) -> Deferred[Any]:  # noqa: N802
        raise DNSServerError(name)


def test_one_family_is_enough() -> None:
    names = DnsNames(OneFamily({"mx.test": [dns.Record_A("127.0.0.1")]}), Clock())
    assert run(names.addresses("mx.test")) == ("127.0.0.1",)


def test_one_family_that_fails_leaves_an_empty_other_one_open() -> None:
    with pytest.raises(DnsUnavailable):
        run(DnsNames(OneFamily({"mx.test": []}), Clock()).addresses("mx.test"))


def test_aliases_are_followed_over_several_answers() -> None:
    """RLY-01."""
    names = names_of(
        {
            "home.test": [dns.Record_CNAME("Other.Test")],
            "other.test": [dns.Record_CNAME("third.test")],
            "third.test": [dns.Record_MX(10, "mx.test")],
        }
    )
    assert run(names.mx("home.test")) == (MailExchange(10, "mx.test"),)


class Recursive(common.ResolverBase):
    """Gives a whole chain in one answer, and what nobody asked for."""

    def __init__(self, *answers: dns.RRHeader) -> None:
        super().__init__()
        self._answers = list(answers)
        self.asked = 0

    def _lookup(self, name: bytes, cls: int, kind: int, timeout: Any) -> Deferred[Any]:
        self.asked += 1
        done: Deferred[Any] = Deferred()
        done.callback((self._answers, [], []))
        return done


def header(name: str, record: Any, ttl: int = 0) -> dns.RRHeader:
    return dns.RRHeader(name.encode(), record.TYPE, dns.IN, ttl, record)


def test_a_chain_in_one_answer_needs_no_further_question() -> None:
    resolver = Recursive(
        header("THIRD.test", dns.Record_MX(10, "mx.test")),
        header("home.test", dns.Record_CNAME("other.test")),
        header("other.test", dns.Record_CNAME("third.test")),
    )
    assert run(DnsNames(resolver, Clock()).mx("home.test")) == (MailExchange(10, "mx.test"),)
    assert resolver.asked == 1


def test_records_of_other_names_are_not_believed() -> None:
    resolver = Recursive(header("evil.test", dns.Record_MX(10, "mx.evil.test")))
    assert run(DnsNames(resolver, Clock()).mx("home.test")) == ()


@pytest.mark.parametrize("target", ["home.test", "other.test"])
def test_a_loop_of_aliases_ends(target: str) -> None:
    names = names_of({"home.test": [dns.Record_CNAME(target)], "other.test": [dns.Record_CNAME("home.test")]})
    with pytest.raises(DnsUnavailable, match="aliases"):
        run(names.mx("home.test"))


def test_an_alias_to_nowhere_does_not_exist() -> None:
    with pytest.raises(NoSuchDomain):
        run(names_of({"home.test": [dns.Record_CNAME("gone.test")]}).mx("home.test"))


def test_a_great_many_records_are_cut() -> None:
    names = names_of({"home.test": [dns.Record_MX(n, f"mx{n}.test") for n in range(500)]}, max_records=50)
    assert len(run(names.mx("home.test"))) == 50


@pytest.mark.parametrize("name", ["localhost", "mx.localhost"])
def test_localhost_is_never_asked_for(name: str) -> None:
    zone = Zone({})
    assert run(DnsNames(zone, Clock()).addresses(name)) == ("127.0.0.1", "::1")
    assert zone.queries == []


def test_answers_are_kept_for_their_ttl() -> None:
    clock = Clock()
    resolver = Recursive(header("home.test", dns.Record_MX(10, "mx.test"), ttl=60))
    names = DnsNames(resolver, clock)
    for wait, asked in ((0, 1), (59, 1), (2, 2)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == (MailExchange(10, "mx.test"),)
        assert resolver.asked == asked


def test_an_alias_of_short_life_shortens_the_answers() -> None:
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


def test_what_is_kept_is_bounded() -> None:
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


def test_that_there_is_no_record_and_no_name_is_kept_as_long_as_the_soa_record_says() -> None:
    """RFC 2308 §5: the smaller one of its TTL and its minimum."""
    clock, zone = Clock(), Delegated({"home.test": []})
    names = DnsNames(zone, clock)
    for wait, asked in ((0, 2), (299, 2), (2, 4)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == ()
        with pytest.raises(NoSuchDomain, match=r"away\.test: no such name"):
            run(names.mx("away.test"))
        assert len(zone.queries) == asked


def test_without_a_soa_record_nothing_is_kept_for_long() -> None:
    clock, zone = Clock(), Zone({"home.test": []})
    names = DnsNames(zone, clock)
    for wait, asked in ((0, 1), (0.9, 1), (0.2, 2)):
        clock.advance(wait)
        assert run(names.mx("home.test")) == ()
        assert len(zone.queries) == asked


def test_an_alias_of_short_life_shortens_how_long_there_is_no_record() -> None:
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


def test_equal_questions_under_way_are_one_and_who_goes_takes_nobodys_answer() -> None:
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


def test_equal_questions_under_way_fail_together() -> None:
    slow = Slow()
    names = DnsNames(slow, Clock())
    results: list[Any] = []
    for _ in range(3):
        Deferred.fromCoroutine(names.mx("home.test")).addBoth(lambda failed: results.append(failed.value))
    slow.waiting[0].errback(DNSServerError())
    assert [type(each) for each in results] == [DnsUnavailable] * 3
    assert len(slow.waiting) == 1


@pytest.mark.parametrize("implicit", [False, True], ids=["by MX", "itself"])
def test_a_retry_to_a_dead_host_asks_nothing_that_is_known(*, implicit: bool) -> None:
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


def test_a_long_ttl_is_cut() -> None:
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


def test_a_resolver_that_never_answers_is_given_up() -> None:
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


def test_a_chain_of_slow_aliases_has_one_time_for_all() -> None:
    """Else nine slow answers would be a wait of minutes for each host, and an attempt longer than its lease."""
    clock = Clock()
    results: list[Any] = []
    slow = Dripping(clock, 5.0)
    Deferred.fromCoroutine(DnsNames(slow, clock, timeouts=(1, 2)).mx("home.test")).addBoth(results.append)
    for _ in range(17):
        clock.advance(1.0)
    assert isinstance(results[0].value, DnsUnavailable)
    assert slow.asked == 4


def test_what_is_kept_is_bounded_in_memory() -> None:
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


@pytest.mark.parametrize("octets", [b"\x1b]0;owned\x07.test", b"a\r\n2026 forged.test", b"\xff.test", b"a\0b.test"])
def test_no_octet_of_an_alias_gets_into_what_people_read(octets: bytes) -> None:
    """What can't be looked up ends in the log, in the journey and in a terminal."""
    alias = dns.Record_CNAME("x")
    alias.name = dns.Name(octets)
    zone = Zone({"home.test": [alias]})
    zone.fail(octets.decode("ascii", "replace"), DNSServerError)
    with pytest.raises((DnsUnavailable, NoSuchDomain)) as found:
        run(DnsNames(zone, Clock()).mx("home.test"))
    assert str(found.value).isprintable()
    assert str(found.value).isascii()


@given(st.text(max_size=80))
def test_no_name_makes_it_raise_anything_else(name: str) -> None:
    names = names_of({})
    for ask in (names.mx, names.addresses):
        with contextlib.suppress(NoSuchDomain, DnsUnavailable):
            run(ask(name))


@given(st.binary(max_size=60))
def test_hostile_octets_in_an_answer_stay_text(octets: bytes) -> None:
    record = dns.Record_MX(10, "x")
    record.name = dns.Name(octets)
    (exchange,) = run(DnsNames(Recursive(header("home.test", record)), Clock()).mx("home.test"))
    assert isinstance(exchange.host, str)


def test_given_name_servers_are_asked_over_udp() -> None:
    """The wire, with a reactor in memory: the query goes out to the right place, and its answer comes back."""
    reactor = MemoryReactorClock()
    sent: list[tuple[bytes, tuple[str, int]]] = []
    protocols: list[Any] = []

    class Port:
        def write(self, octets: bytes, address: tuple[str, int]) -> None:
            sent.append((octets, address))

        def stopListening(self) -> None:  # noqa: N802
            pass

    def listen_udp(_port: int, protocol: Any, **_: Any) -> Port:
        protocols.append(protocol)
        port = Port()
        protocol.makeConnection(port)
        return port

    reactor.listenUDP = listen_udp  # type: ignore[method-assign]
    results: list[Any] = []
    names = system_names(reactor, [("127.0.0.1", 5353)])
    Deferred.fromCoroutine(names.mx("home.test")).addBoth(results.append)
    (octets, address), *_ = sent
    assert address == ("127.0.0.1", 5353)
    message = dns.Message()
    message.fromStr(octets)
    message.answer = 1
    message.answers = [header("home.test", dns.Record_MX(10, "mx.home.test"))]
    protocols[0].datagramReceived(message.toStr(), address)
    assert results == [(MailExchange(10, "mx.home.test"),)]


def test_a_question_for_which_no_port_was_to_be_had_is_asked_again() -> None:
    """Twisted's resolver would think for ever that it is under way, and so nobody would get an answer to it any more."""
    reactor = MemoryReactorClock()
    ports: list[Any] = []

    def listen_udp(_port: int, protocol: Any, interface: str = "", **_: Any) -> Any:
        if not ports:
            ports.append(None)
            raise CannotListenError(interface, 0, OSError(errno.EMFILE, "too many open files"))
        protocol.makeConnection(port := FakePort())
        ports.append(protocol)
        return port

    reactor.listenUDP = listen_udp  # type: ignore[method-assign]
    names = system_names(reactor, [("127.0.0.1", 5353)])
    with pytest.raises(DnsUnavailable, match="CannotListenError"):
        run(names.mx("home.test"))
    results: list[Any] = []
    Deferred.fromCoroutine(names.mx("home.test")).addBoth(results.append)
    message = dns.Message()
    message.fromStr(ports[1].transport.sent)
    message.answer = 1
    message.answers = [header("home.test", dns.Record_MX(10, "mx.home.test"))]
    ports[1].datagramReceived(message.toStr(), ("127.0.0.1", 5353))
    assert results == [(MailExchange(10, "mx.home.test"),)]


class FakePort:
    """A UDP port that remembers what went out."""

    sent = b""

    def write(self, octets: bytes, _address: tuple[str, int]) -> None:
        self.sent = octets

    def stopListening(self) -> None:  # noqa: N802
        pass


def test_the_system_is_asked_by_its_files(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailstack.net.dns.RESOLV_CONF", str(tmp_path / "resolv.conf"))
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    assert isinstance(system_names(MemoryReactorClock()), DnsNames)


# --- DNSSEC and other types


def tlsa(octets: bytes, ttl: int = 0) -> dns.RRHeader:
    return dns.RRHeader(b"_25._tcp.mx.test", TLSA, dns.IN, ttl, dns.UnknownRecord(octets))


def test_the_strings_of_a_txt_record_are_joined() -> None:
    """RLY-21."""
    names = names_of({"x.test": [dns.Record_TXT(b"v=STSv1; ", b"id=1"), dns.Record_TXT(b"\xff")]})
    assert run(names.txt("x.test")) == ("v=STSv1; id=1", "\ufffd")


def test_only_what_is_authenticated_is_a_tlsa_record() -> None:
    """RLY-20."""
    record = tlsa(b"\x03\x01\x01" + b"d" * 32)
    name = "_25._tcp.mx.test"
    assert run(DnsNames(Recursive(record), Clock()).tlsa(name)) == ()
    assert run(DnsNames(Recursive(*authenticated([record])), Clock()).tlsa(name)) == (Tlsa(3, 1, 1, b"d" * 32),)
    assert run(names_of({}).tlsa(name)) == ()


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_no_tlsa_record_makes_it_raise(records: list[bytes]) -> None:
    """RLY-20."""
    found = authenticated([tlsa(octets) for octets in records])
    for record in run(DnsNames(Recursive(*found), Clock()).tlsa("_25._tcp.mx.test")):
        assert record.data


def test_a_zone_can_be_signed() -> None:
    """RLY-20."""
    zone = Zone({"x.test": [dns.Record_MX(10, "mx.test")], "mx.test": [dns.Record_A("127.0.0.1")]})
    assert run(DnsNames(zone, Clock()).signed_name("mx.test")) is None
    zone.sign("x.test", "mx.test")
    names = DnsNames(zone, Clock())
    assert run(names.mx("x.test")) == (MailExchange(10, "mx.test", signed=True),)
    assert run(names.signed_name("mx.test")) == "mx.test"
    assert run(names.signed_name("gone.test")) is None


def test_an_alias_that_nobody_signed_vouches_for_nothing() -> None:
    """RLY-20: whoever wrote the alias could have written another."""
    zone = Zone({"x.test": [dns.Record_CNAME("y.test")], "y.test": [dns.Record_A("127.0.0.1")]})
    zone.sign("y.test")
    assert run(DnsNames(zone, Clock()).signed_name("x.test")) is None
    assert run(DnsNames(zone, Clock()).signed_name("y.test")) == "y.test"
    zone.sign("x.test")
    assert run(DnsNames(zone, Clock()).signed_name("x.test")) == "y.test"


@pytest.mark.parametrize("validated", [True, False])
def test_validation_is_asked_for_and_believed_only_where_it_is_trusted(*, validated: bool) -> None:
    """RLY-20: the AD bit, over UDP."""
    reactor = MemoryReactorClock()
    sent: list[tuple[bytes, tuple[str, int]]] = []
    protocols: list[Any] = []

    class Port:
        def write(self, octets: bytes, address: tuple[str, int]) -> None:
            sent.append((octets, address))

        def stopListening(self) -> None:  # noqa: N802
            pass

    def listen_udp(_port: int, protocol: Any, **_: Any) -> Port:
        protocols.append(protocol)
        protocol.makeConnection(port := Port())
        return port

    reactor.listenUDP = listen_udp  # type: ignore[method-assign]
    results: list[Any] = []
    names = system_names(reactor, [("127.0.0.1", 5353)], validated=validated)
    Deferred.fromCoroutine(names.mx("home.test")).addBoth(results.append)
    message = dns.Message()
    message.fromStr(sent[0][0])
    assert bool(message.authenticData) is validated
    message.answer, message.authenticData = 1, 1
    message.answers = [header("home.test", dns.Record_MX(10, "mx.home.test"))]
    protocols[0].datagramReceived(message.toStr(), sent[0][1])
    assert results == [(MailExchange(10, "mx.home.test", signed=validated),)]
