"""Policies over time: kept while they hold, fetched again when they change, and never lost to who makes them vanish."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.relay.dns import DnsUnavailable, NoSuchDomain
from mailstack.relay.mta_sts import CachedPolicy, MemoryPolicyCache, Mode, MtaStsPolicies, PolicyUnavailable, StsLimits
from tests.relay.world import World

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


def test_it_is_fetched_once_and_asked_for_seldom(rig: Rig) -> None:
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


def test_it_is_renewed_while_it_is_used(rig: Rig) -> None:
    """RLY-21: so that it does not end while the domain goes on to publish it."""
    for _ in range(20):
        assert rig.mode() is Mode.ENFORCE
        rig.later(80_000)
    assert 8 <= rig.site.fetched <= 20


def test_it_holds_across_a_restart(rig: Rig) -> None:
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
