"""MTA-STS records and policies: parsers, discovery, cache and renewal."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mailstack.relay.hosts import DnsUnavailable, NoSuchDomain
from mailstack.relay.mta_sts import (
    MAX_AGE_S,
    CachedPolicy,
    MemoryPolicyCache,
    Mode,
    MtaStsPolicies,
    NotAPolicy,
    PolicyUnavailable,
    StsLimits,
    StsPolicy,
    read_policy,
    record_id,
)
from tests.relay.world import World

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.test\r\nmx: *.Example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    """RLY-21: the example of RFC 8461 §3.2."""
    assert read_policy(GOOD) == StsPolicy(Mode.ENFORCE, 604800, ("mail.example.test", "*.example.net"))


@pytest.mark.parametrize(
    "octets",
    [
        GOOD.replace(b"\r\n", b"\n"),
        GOOD.rstrip(),
        GOOD.replace(b": ", b" :\t"),
        GOOD + b"x-future: \xc3\xbc\r\n\r\nmode: none\r\nmax_age: 1\r\n",
        b"max_age: 604800\nmx: mail.example.test\nmx:*.example.net\nmode: enforce\nversion: STSv1",
    ],
)
def test_line_ends_order_and_unknown_fields_do_not_matter(octets: bytes) -> None:
    """RLY-21: of a field that stands there twice, the first counts (§3.2)."""
    assert read_policy(octets) == read_policy(GOOD)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<html>",
        GOOD.replace(b"STSv1", b"STSv2"),
        GOOD.replace(b"version: STSv1\r\n", b""),
        GOOD.replace(b"enforce", b"perhaps"),
        GOOD.replace(b"mode: enforce\r\n", b""),
        GOOD.replace(b"604800", b"-1"),
        GOOD.replace(b"604800", b"99999999999"),
        GOOD.replace(b"max_age: 604800\r\n", b""),
        b"version: STSv1\nmode: enforce\nmax_age: 5\n",
        GOOD.replace(b"mail.example.test", b"*.*.test"),
        GOOD.replace(b"mail.example.test", b"mail example"),
        GOOD + b"mx: a.test\n" * 200,
    ],
)
def test_what_is_no_policy_is_none(octets: bytes) -> None:
    with pytest.raises(NotAPolicy):
        read_policy(octets)


def test_no_host_is_needed_where_nothing_is_asked_and_an_age_is_cut() -> None:
    policy = read_policy(b"version: STSv1\nmode: none\nmax_age: 9999999999\n")
    assert policy == StsPolicy(Mode.NONE, MAX_AGE_S, ())


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("mail.example.test", True),
        ("MAIL.example.TEST.", True),
        ("a.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.test.evil.test", False),
        ("", False),
    ],
)
def test_a_wildcard_stands_for_one_label(host: str, *, named: bool) -> None:
    """RLY-21: §4.1."""
    assert read_policy(GOOD).matches(host) is named


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v=spf1 -all", "v=STSv1; x-y=z; id=7 ;"], "7"),
        ([], None),
        (["v=STSv1; id=1", "v=STSv1; id=2"], None),
        *(
            ([text], None)
            for text in (
                "v=STSv1", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b", "v=STSv1; id=" + "1" * 33,
                "v=STSv1; nonsense; id=1", "v=STSv2; id=1", " v=STSv1; id=1",
            )
        ),
    ],
)  # fmt: skip
def test_the_id_of_exactly_one_good_record_counts(texts: list[str], found: str | None) -> None:
    """RLY-21: §3.1."""
    assert record_id(texts) == found


@given(st.binary(max_size=300) | st.builds(lambda a, b: GOOD[: len(GOOD) // 2] + a + b, st.binary(), st.just(GOOD)))
def test_no_octets_make_it_raise_anything_else(octets: bytes) -> None:
    with contextlib.suppress(NotAPolicy):
        policy = read_policy(octets)
        assert 0 <= policy.max_age <= MAX_AGE_S
        assert all(host == host.lower() and " " not in host for host in policy.mx)


@given(st.lists(st.text(max_size=60) | st.builds("v=STSv1;{}".format, st.text(max_size=40)), max_size=3))
def test_no_record_makes_it_raise(texts: list[str]) -> None:
    found = record_id(texts)
    assert found is None or found.isalnum()


@given(st.text(max_size=80))
def test_no_host_name_makes_it_raise(host: str) -> None:
    assert read_policy(GOOD).matches(host) in {True, False}


def test_a_policy_costs_no_more_than_its_octets() -> None:
    """RLY-21: blanks within a line held the server up for eight seconds, for each domain that published them."""
    began = time.process_time()
    policy = read_policy(b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: mx.test  \nx: a" + b" " * 65_000 + b"b\n")
    assert policy.mx == ("mx.test",)
    assert time.process_time() - began < 1.0


DOMAIN = "elsewhere.test"


class Published:
    """A domain's TXT record and its policy file, which a test changes."""

    def __init__(self) -> None:
        self.id = "1"
        self.text = "version: STSv1\nmode: enforce\nmx: mx.elsewhere.test\nmax_age: 604800\n"
        self.looked = 0
        self.fetched = 0

    async def txt(self, name: str) -> tuple[str, ...]:
        self.looked += 1
        assert name == f"_mta-sts.{DOMAIN}"
        if self.id == "NXDOMAIN":
            raise NoSuchDomain(name)
        if self.id == "SERVFAIL":
            raise DnsUnavailable(name)
        return (f"v=STSv1; id={self.id}",)

    async def fetch(self, domain: str) -> bytes:
        self.fetched += 1
        assert domain == DOMAIN
        if not self.text:
            raise PolicyUnavailable("404")
        return self.text.encode()


class Rig:
    def __init__(self, **limits: Any) -> None:
        self.world, self.site, self.shelf = World(), Published(), MemoryPolicyCache()
        self.limits = StsLimits(**limits)
        self.restart()

    def restart(self) -> None:
        names: Any = self.site
        self.sts = MtaStsPolicies(names, self.site, self.shelf, self.world, limits=self.limits)

    def mode(self) -> Mode | None:
        policy = self.world.run(self.sts.policy(DOMAIN))
        return policy and policy.mode

    def later(self, seconds: float) -> None:
        self.world.clock.advance(seconds)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_policy_is_fetched_once_and_its_record_is_looked_up_seldom(rig: Rig) -> None:
    """RLY-21."""
    for _ in range(10):
        assert rig.mode() is Mode.ENFORCE
        rig.later(100)
    assert (rig.site.looked, rig.site.fetched) == (4, 1)


def test_a_new_id_means_a_new_policy(rig: Rig) -> None:
    """RLY-21."""
    rig.mode()
    rig.site.id, rig.site.text = "2", rig.site.text.replace("enforce", "none")
    rig.later(400)
    assert rig.mode() is Mode.NONE
    assert rig.site.fetched == 2


@pytest.mark.parametrize("id", ["NXDOMAIN", "SERVFAIL", "no good id", "2"])
def test_what_vanishes_or_breaks_leaves_the_earlier_policy_in_force(rig: Rig, id: str) -> None:  # noqa: A002
    """RLY-21: until max_age is over."""
    rig.mode()
    rig.site.id, rig.site.text = id, ""
    for _ in range(6):
        rig.later(100_000)
        assert rig.mode() is Mode.ENFORCE
    rig.later(10_000)
    assert rig.mode() is None


class Slow(Published):
    """Each answer comes when a test gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Deferred[tuple[str, ...]]] = []
        self.wanted: list[Deferred[bytes]] = []

    async def txt(self, name: str) -> tuple[str, ...]:
        self.asked.append(answer := Deferred())
        return await answer

    async def fetch(self, domain: str) -> bytes:
        self.wanted.append(answer := Deferred())
        return await answer


@pytest.mark.parametrize("fails", ["record", "policy"])
def test_a_look_that_fails_takes_nothing_from_another_that_did_not(fails: str) -> None:
    """RLY-21: several letters look at the same time; who can spoil one of the looks must not spoil all."""
    site, world, found = Slow(), World(), list[Any]()
    names: Any = site
    sts = MtaStsPolicies(names, site, MemoryPolicyCache(), world)
    for _ in range(2):
        Deferred.fromCoroutine(sts.policy(DOMAIN)).addBoth(found.append)
    good, bad = site.asked
    good.callback(("v=STSv1; id=1",))
    if fails == "policy":
        bad.callback(("v=STSv1; id=1",))
    site.wanted[0].callback(site.text.encode())
    if fails == "policy":
        site.wanted[1].errback(PolicyUnavailable("reset"))
    else:
        bad.errback(DnsUnavailable("SERVFAIL"))
    Deferred.fromCoroutine(sts.policy(DOMAIN)).addBoth(found.append)
    assert [each.mode for each in found] == [Mode.ENFORCE] * 3


def test_policy_is_renewed_while_it_is_used(rig: Rig) -> None:
    """RLY-21: so that it does not end while the domain goes on to publish it."""
    for _ in range(20):
        assert rig.mode() is Mode.ENFORCE
        rig.later(80_000)
    assert 8 <= rig.site.fetched <= 20


def test_policy_holds_across_a_restart(rig: Rig) -> None:
    """RLY-21."""
    rig.mode()
    rig.restart()
    rig.site.text = ""
    assert rig.mode() is Mode.ENFORCE
    assert rig.site.fetched == 1


def test_a_failed_fetch_is_not_tried_with_every_letter(rig: Rig) -> None:
    rig.site.text = "odd"
    for _ in range(20):
        assert rig.mode() is None
        rig.later(10)
    assert rig.site.fetched == 1


def test_a_clock_that_was_wrong_makes_no_policy_hold_for_ever(rig: Rig) -> None:
    rig.mode()
    kept = rig.shelf.get(DOMAIN)
    assert kept is not None
    rig.shelf.put(DOMAIN, CachedPolicy(kept.id, 10**12, kept.policy))
    rig.restart()
    assert rig.mode() is None or rig.site.fetched == 2


def test_what_is_remembered_is_bounded() -> None:
    rig = Rig(remembered=5)
    for number in range(50):
        rig.sts._remember(f"d{number}.test", 10.0, None)
    assert len(rig.sts._known) == 5
