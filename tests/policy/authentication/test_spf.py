"""SPF: each mechanism, macro and limit of RFC 7208, and any octets."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.policy.authentication.spf import SpfResult, check_host
from mailstack.policy.authentication.spf_record import PermError, Values, expand, is_record, read_record
from mailstack.policy.networks import IpAddress
from tests.aid import run
from tests.policy.visitor import Dns

CLIENT = "192.0.2.7"


def spf(address: IpAddress, domain: str, sender: str, helo: str, names: Dns) -> Coroutine[Any, Any, SpfResult]:
    """The check with one DNS for both kinds of questions."""
    return check_host(address, domain, sender, helo, names, reverse_lookups=names)


def check(
    record: str, client: str = CLIENT, sender: str = "alice@home.test", helo: str = "mx.home.test", **records: object
) -> str:
    """The result for a domain that publishes this; other records as A__host_test=("192.0.2.1",)."""
    known = {name.replace("__", " ", 1).replace("__", "."): found for name, found in records.items()}
    dns = Dns({"TXT home.test": (record,), **known})  # type: ignore[dict-item]
    return run(spf(ipaddress.ip_address(client), "home.test", sender, helo, dns)).result


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 -all", "fail"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1 +all", "pass"),
        ("V=SPF1 ALL", "pass"),
        ("v=spf1", "neutral"),
        ("v=spf10 -all", "none"),
        ("v=spf2.0/pra -all", "none"),
        ("v=spf1 ip4:192.0.2.7 -all", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
        ("v=spf1 ip4:192.0.3.0/24 -all", "fail"),
        ("v=spf1 ip4:192.0.2.0/0 -all", "pass"),
        ("v=spf1 ip6:2001:db8::/32 -all", "fail"),
        ("v=spf1   -all   ", "fail"),
        ("v=spf1 unknown=a.%{d} -all", "fail"),
    ],
)
def test_what_needs_no_other_name(record: str, result: str) -> None:
    """SPF-01: qualifiers, all, ip4, ip6, unknown modifiers (RFC 7208 §4.6, §5.1, §5.6, §6)."""
    assert check(record) == result


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 all:x.test", "v=spf1 all/8", "v=spf1 ip4", "v=spf1 ip4:1.2.3", "v=spf1 ip4:192.0.2.0/33",
        "v=spf1 ip4:192.0.2.0/08", "v=spf1 ip4:192.0.2.0//24", "v=spf1 ip6:1.2.3.4", "v=spf1 ip6:::1/129",
        "v=spf1 ip6:fe80::1%eth0", "v=spf1 a:", "v=spf1 a/33", "v=spf1 a//129", "v=spf1 a:nolabel", "v=spf1 a:x.1",
        "v=spf1 a:x.%{", "v=spf1 a:%{y}.test", "v=spf1 a:%{d0}.test", "v=spf1 a:%{c}.test", "v=spf1 a:100%.test",
        "v=spf1 include", "v=spf1 include:", "v=spf1 exists", "v=spf1 exists:x.test/24", "v=spf1 ptr:",
        "v=spf1 redirect=", "v=spf1 redirect=a.test redirect=b.test", "v=spf1 exp=a.test exp=b.test",
        "v=spf1 moo", "v=spf1 =a", "v=spf1 -all moo", "v=spf1 a\ttest", "v=spf1 ä", "v=spf1 a,mx", "v=spf1 x=%{!}",
    ],
)  # fmt: skip
def test_an_error_of_syntax_is_one_wherever_it_stands(record: str) -> None:
    """SPF-01: permerror, also behind what matches (RFC 7208 §4.6)."""
    assert check(record) == "permerror"
    with pytest.raises(PermError):
        read_record(record)


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 a -all", "pass"),
        ("v=spf1 a:other.test -all", "fail"),
        ("v=spf1 a:other.test/24 -all", "pass"),
        ("v=spf1 a//64 -all", "pass"),
        ("v=spf1 mx -all", "pass"),
        ("v=spf1 mx:other.test -all", "fail"),
        ("v=spf1 ptr -all", "pass"),
        ("v=spf1 ptr:other.test -all", "fail"),
        ("v=spf1 exists:%{ir}.%{v}.list.test -all", "pass"),
        ("v=spf1 exists:%{i}.list.test -all", "fail"),
        ("v=spf1 include:good.test -all", "pass"),
        ("v=spf1 include:bad.test ?all", "neutral"),
        ("v=spf1 include:nothing.test all", "permerror"),
        ("v=spf1 redirect=bad.test", "fail"),
        ("v=spf1 redirect=nothing.test", "permerror"),
        ("v=spf1 all redirect=bad.test", "pass"),
        ("v=spf1 include:silent.test all", "temperror"),
        ("v=spf1 a:silent.test all", "temperror"),
        ("v=spf1 mx:silent.test all", "temperror"),
        ("v=spf1 exists:%{p2}.list.test -all", "pass"),
    ],
)
def test_what_other_names_say(record: str, result: str) -> None:
    """SPF-01: a, mx, ptr, exists, include, redirect (RFC 7208 §5, §6.1)."""
    found = check(
        record,
        A__home__test=(CLIENT, "2001:db8::1"),
        A__other__test=("192.0.2.99",),
        MX__home__test=("mx.home.test",),
        MX__other__test=("other.test",),
        A__mx__home__test=(CLIENT,),
        PTR__192__0__2__7=("x.other.test", "liar.home.test", "mx.home.test"),
        A__liar__home__test=("192.0.2.8",),
        TXT__good__test=("v=spf1 ip4:192.0.2.7 -all",),
        TXT__bad__test=("v=spf1 -all", "another text"),
        TXT__silent__test=None,
        A__silent__test=None,
        MX__silent__test=None,
        **{"A__7.2.0.192.in-addr.list.test": ("127.0.0.2",), "A__home.test.list.test": ("127.0.0.2",)},
    )
    assert found == result


def test_an_ipv6_client() -> None:
    """SPF-01: its own prefix lengths, addresses and reversed name."""
    client = "2001:db8::1:7"
    nibbles = ".".join(reversed(ipaddress.ip_address(client).exploded.replace(":", "")))
    assert check("v=spf1 a/8//112 -all", client, A__home__test=("2001:db8::1:1", CLIENT)) == "pass"
    assert check("v=spf1 a//128 -all", client, A__home__test=("2001:db8::1:1", CLIENT)) == "fail"
    assert check("v=spf1 ip4:0.0.0.0/0 -all", client) == "fail"
    assert check("v=spf1 exists:%{ir}.%{v}.test -all", client, **{f"A__{nibbles}.ip6.test": ("127.0.0.2",)}) == "pass"


def test_several_records_are_an_error_and_none_is_none() -> None:
    """SPF-01: RFC 7208 §4.4, §4.5."""
    assert run(spf(ipaddress.ip_address(CLIENT), "home.test", "a@home.test", "", Dns())).result == "none"
    two = Dns({"TXT home.test": ("v=spf1 all", "v=spf1 -all")})
    assert run(spf(ipaddress.ip_address(CLIENT), "home.test", "a@home.test", "", two)).result == "permerror"
    none = Dns({"TXT home.test": None})
    assert run(spf(ipaddress.ip_address(CLIENT), "home.test", "a@home.test", "", none)).result == "temperror"


@pytest.mark.parametrize("domain", ["", "test", ".", "a..test", "x" * 64 + ".test", "a." * 150 + "test"])
def test_what_is_no_domain_is_not_asked_about(domain: str) -> None:
    """SPF-01: RFC 7208 §4.3."""
    dns = Dns()
    assert run(spf(ipaddress.ip_address(CLIENT), domain, f"a@{domain}", "", dns)).result == "none"
    assert dns.asked == []


def test_ten_terms_ask_the_dns_and_no_more() -> None:
    """SPF-01: RFC 7208 §4.6.4, over includes as well."""
    ten = " ".join(["a"] * 10)
    assert check(f"v=spf1 {ten} -all", A__home__test=("192.0.2.1",)) == "fail"
    assert check(f"v=spf1 {ten} a -all", A__home__test=("192.0.2.1",)) == "permerror"
    assert check("v=spf1 include:home.test -all") == "permerror"
    assert check("v=spf1 redirect=home.test") == "permerror"
    nine = "v=spf1 " + " ".join(["a:home.test"] * 9)
    assert check("v=spf1 include:x.test a all", TXT__x__test=(nine,), A__home__test=("192.0.2.1",)) == "permerror"


def test_two_answers_may_be_empty_and_no_more() -> None:
    """SPF-01: void look-ups."""
    assert check("v=spf1 a:x.test a:y.test all") == "pass"
    assert check("v=spf1 a:x.test exists:y.test mx:z.test all") == "permerror"


def test_ten_mail_hosts_are_looked_at_and_ten_names() -> None:
    """SPF-01: an eleventh MX is permerror, an eleventh PTR is not looked at."""
    hosts = tuple(f"mx{number}.test" for number in range(11))
    there = {f"A__{host}": ("192.0.2.1",) for host in hosts}
    assert check("v=spf1 mx -all", MX__home__test=hosts[:10], **there) == "fail"
    assert check("v=spf1 mx -all", MX__home__test=hosts, **there) == "permerror"
    mine = {f"A__{host}": (CLIENT,) for host in hosts}
    assert check("v=spf1 ptr:mx9.test -all", PTR__192__0__2__7=hosts, **mine) == "pass"
    assert check("v=spf1 ptr:mx10.test -all", PTR__192__0__2__7=hosts, **mine) == "fail"


VALUES = Values(
    "strong-bad@email.example.com", "email.example.com", "email.example.com", "192.0.2.3", "in-addr", "mx.example.org"
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net.", "example.com.trusted-domains.example.net"),
        ("a%%b%_c%-d.test", "a%b c%20d.test"),
        ("%{S}.test", "strong-bad%40email.example.com.test"),
        ("%{h}.%{p}", "mx.example.org.unknown"),
    ],
)
def test_the_macros_of_the_standards_examples(text: str, name: str) -> None:
    """SPF-01: RFC 7208 §7.4."""
    assert expand(text, VALUES) == name


def test_a_name_that_is_too_long_loses_labels_from_the_left() -> None:
    """SPF-01: RFC 7208 §7.3."""
    for spare in range(4):
        name = expand("%{d}." + "ab." * 90 + "x" * spare + ".test", VALUES)
        assert 250 <= len(name) <= 253
        assert name.startswith("ab.ab.")


def test_macros_can_not_make_a_name_that_costs_much() -> None:
    """SPF-01: a record of macros for a sender of dots; each label taken off by itself took minutes."""
    values = Values(".".join("a" * 120) + "@home.test", "home.test", "home.test", CLIENT, "in-addr", "x")
    assert len(expand("%{s}" * 1000 + ".test", values)) <= 253


@given(st.text("ab.-+,/_=", max_size=20), st.text(".-+,/_=", max_size=7))
def test_any_of_the_delimiters_parts_a_value(local: str, delimiters: str) -> None:
    """SPF-01: RFC 7208 §7.3."""
    values = Values(f"{local}@home.test", "home.test", "home.test", CLIENT, "in-addr", "x")
    parts = re.split(f"[{re.escape(delimiters or '.')}]", local)
    assert expand(f"%{{l{delimiters}}}", values) == ".".join(parts).removesuffix(".")


TERMS = st.sampled_from(
    ["a", "mx", "ptr", "all", "-", "~", ":", "/", "//", "24", "=", "include:", "exists:", "redirect=", "exp=", " ", "%{d}",
     "%{ir}", "%", "x.test", "home.test", "ip4:", "ip6:", "1.2.3.4", "::1", "."]
)  # fmt: skip


@given(st.lists(TERMS, max_size=12).map("".join) | st.text(max_size=60))
def test_any_record_has_a_result(terms: str) -> None:
    results = {"none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"}
    assert check(f"v=spf1 {terms}", A__x__test=(CLIENT,), TXT__x__test=("v=spf1 a:home.test",)) in results


@given(st.text(max_size=40))
def test_a_record_is_known_by_its_beginning(text: str) -> None:
    assert is_record(f"v=spf1 {text}")
    assert is_record(text) == text.lower().startswith("v=spf1 ") or text.lower() == "v=spf1"
