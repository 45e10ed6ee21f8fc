"""DNS client: answers, aliases, errors and DNSSEC."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import Clock
from twisted.names import dns
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

from mailstack.net.dns import TLSA, DnsNames
from mailstack.net.resolver import authenticated
from mailstack.net.zone import Zone
from mailstack.protocols.connection import Tlsa
from mailstack.relay.hosts import DnsUnavailable, MailExchange, NoSuchDomain
from tests.aid import run
from tests.net.resolvers import Recursive, header


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


def test_services_are_in_the_form_of_a_zone_file() -> None:
    """RFC 2782; RFC 6186 §3.4: the root as a target says that there is none."""
    names = names_of(
        {
            "_pop3s._tcp.home.test": [dns.Record_SRV(10, 1, 995, "mx.home.test")],
            "_imap._tcp.home.test": [dns.Record_SRV(0, 0, 0, b".")],
        }
    )
    assert run(names.srv("_pop3s._tcp.home.test")) == ("10 1 995 mx.home.test.",)
    assert run(names.srv("_imap._tcp.home.test")) == ("0 0 0 .",)


def test_addresses_of_both_families_are_looked_up() -> None:
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
        (DNSServerError, "SERVFAIL"), (DNSQueryRefusedError, "REFUSED"), (DNSNotImplementedError, "NOTIMP"),
        (DNSFormatError, "FORMERR"), (DNSUnknownError, "DNSUnknownError"), (DeferredTimeout, "in time"),
        (ResolverError, "ResolverError"), (OSError, "OSError"), (ValueError, "ValueError"),
    ],
)  # fmt: skip
def test_all_other_errors_are_temporary(error: type[Exception], text: str) -> None:
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


def test_an_error_of_one_family_is_reported_if_the_other_is_empty() -> None:
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


def test_the_number_of_records_is_limited() -> None:
    names = names_of({"home.test": [dns.Record_MX(n, f"mx{n}.test") for n in range(500)]}, max_records=50)
    assert len(run(names.mx("home.test"))) == 50


@pytest.mark.parametrize("name", ["localhost", "mx.localhost"])
def test_localhost_is_never_asked_for(name: str) -> None:
    zone = Zone({})
    assert run(DnsNames(zone, Clock()).addresses(name)) == ("127.0.0.1", "::1")
    assert zone.queries == []


@pytest.mark.parametrize("octets", [b"\x1b]0;owned\x07.test", b"a\r\n2026 forged.test", b"\xff.test", b"a\0b.test"])
def test_no_control_character_of_an_alias_gets_into_messages(octets: bytes) -> None:
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


# --- DNSSEC and other types


def tlsa(octets: bytes, ttl: int = 0) -> dns.RRHeader:
    return dns.RRHeader(b"_25._tcp.mx.test", TLSA, dns.IN, ttl, dns.UnknownRecord(octets))


def test_the_strings_of_a_txt_record_are_joined() -> None:
    """RLY-21."""
    names = names_of({"x.test": [dns.Record_TXT(b"v=STSv1; ", b"id=1"), dns.Record_TXT(b"\xff")]})
    assert run(names.txt("x.test")) == ("v=STSv1; id=1", "\ufffd")


def test_only_authenticated_tlsa_records_are_used() -> None:
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


def test_an_unsigned_alias_makes_the_answer_unsigned() -> None:
    """RLY-20: whoever wrote the alias could have written another."""
    zone = Zone({"x.test": [dns.Record_CNAME("y.test")], "y.test": [dns.Record_A("127.0.0.1")]})
    zone.sign("y.test")
    assert run(DnsNames(zone, Clock()).signed_name("x.test")) is None
    assert run(DnsNames(zone, Clock()).signed_name("y.test")) == "y.test"
    zone.sign("x.test")
    assert run(DnsNames(zone, Clock()).signed_name("x.test")) == "y.test"
