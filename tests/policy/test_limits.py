"""Limits: connections (SMTP-26, CODE-16), rates (CODE-11, SUBM-09), quotas and tarpit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer, Refuse
from mailstack.policy.counters import LocalCounterTable
from mailstack.policy.limits import (
    OVER_QUOTA,
    OVER_QUOTA_PERMANENT,
    ConnectionLimiter,
    Quotas,
    Rate,
    Rates,
    ServiceLimiter,
    Tarpit,
)
from mailstack.policy.networks import parse_networks
from mailstack.store.accounts import Account
from tests.aid import run
from tests.policy.visitor import Now, Visitor, mail, rcpt, said


def at(host: str) -> HostPort:
    return HostPort(host, 4000)


def test_beyond_the_total_every_client_gets_421_4_3_2() -> None:
    """CODE-16"""
    limits = ConnectionLimiter(total=2, per_address=10)
    assert limits.admit(at("192.0.2.1")) is PASS
    assert limits.admit(at("192.0.2.2")) is PASS
    verdict = limits.admit(at("192.0.2.3"))
    assert isinstance(verdict, Defer)
    assert str(verdict.reply).startswith("421 4.3.2 too many connections")
    assert verdict.reply.closes


def test_one_client_cannot_use_all_connections() -> None:
    limits = ConnectionLimiter(total=10, per_address=1)
    assert limits.admit(at("192.0.2.1")) is PASS
    assert isinstance(limits.admit(at("192.0.2.1")), Defer)
    assert isinstance(limits.admit(at("::ffff:192.0.2.1")), Defer)
    assert limits.admit(at("192.0.2.2")) is PASS


def test_an_ipv6_site_is_one_client() -> None:
    limits = ConnectionLimiter(total=10, per_address=1)
    assert limits.admit(at("2001:db8::1")) is PASS
    assert isinstance(limits.admit(at("2001:db8::2")), Defer)
    assert limits.admit(at("2001:db8:0:1::1")) is PASS


def test_a_released_connection_is_uncounted() -> None:
    limits = ConnectionLimiter(total=1, per_address=1)
    assert limits.admit(at("192.0.2.1")) is PASS
    limits.release(at("192.0.2.1"))
    assert limits.open == 0
    assert limits.admit(at("192.0.2.2")) is PASS


def test_a_service_has_its_own_limit_within_that_of_all() -> None:
    everything = ConnectionLimiter(total=3, per_address=10)
    service = ServiceLimiter(everything, 2)
    assert [service.admit(at("192.0.2.1")) is PASS for _ in range(3)] == [True, True, False]
    assert everything.open == 2
    assert service.admit(at("192.0.2.2")) is PASS
    assert isinstance(service.admit(at("192.0.2.3")), Defer)
    service.release(at("192.0.2.1"))
    assert service.admit(at("192.0.2.1")) is PASS
    for host in ("192.0.2.1", "192.0.2.1", "192.0.2.2"):
        service.release(at(host))
    assert (everything.open, service._counts.total()) == (0, 0)


def test_exempt_networks_are_only_within_the_total() -> None:
    exempt = parse_networks(["127.0.0.0/8", "::1/128"])
    everything = ConnectionLimiter(total=8, per_address=1, per_minute=1, exempt=exempt)
    service = ServiceLimiter(everything, 1, exempt=exempt)
    for host in ("127.0.0.1", "127.0.0.1", "::1", "::1", "::ffff:127.0.0.1", "", ""):
        assert service.admit(at(host)) is PASS
    assert service.admit(at("192.0.2.1")) is PASS
    assert isinstance(service.admit(at("127.0.0.1")), Defer)
    everything.release(at(""))
    assert isinstance(service.admit(at("192.0.2.1")), Defer)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:1::1"]))))
def test_the_counts_are_those_of_a_plain_list(moves: list[tuple[bool, str]]) -> None:
    limits = ConnectionLimiter(total=4, per_address=2)
    held: list[str] = []
    for comes, host in moves:
        if comes:
            admitted = limits.admit(at(host)) is PASS
            assert admitted == (len(held) < 4 and held.count(host) < 2)
            held += [host] if admitted else []
        elif host in held:
            limits.release(at(host))
            held.remove(host)
        assert limits.open == len(held)


def test_a_rate_permits_a_burst_and_then_refills_evenly() -> None:
    now = Now()
    rate = Rate(now, 3, 60.0)
    assert [rate.consume("alice") for _ in range(5)] == [True, True, True, False, False]
    assert rate.consume("bob")
    now.at += 20
    assert [rate.consume("alice"), rate.consume("alice")] == [True, False]
    now.at += 60
    assert [rate.consume("alice") for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 100), max_size=200), st.integers(1, 10))
def test_no_period_exceeds_a_burst_and_its_refill(waits: list[float], most: int) -> None:
    now = Now()
    rate = Rate(now, most, 60.0)
    begun, taken = now.at, 0
    for wait in waits:
        now.at += wait
        taken += rate.consume("alice")
        assert taken <= most + (now.at - begun) * most / 60.0 + 1e-3


def test_rates_in_one_table_are_independent() -> None:
    now = Now()
    table = LocalCounterTable(now)
    letters, recipients = (Rate(now, 1, table=table, kind=kind) for kind in ("letters", "recipients"))
    assert [letters.consume("alice"), recipients.consume("alice"), letters.consume("alice")] == [True, True, False]


def test_an_account_is_counted_at_any_address_and_other_clients_by_address() -> None:
    rates = Rates(Now(), letters=1, recipients=2)
    alice = Visitor(account="alice@home.test")
    elsewhere = Visitor(HostPort("192.0.2.99", 1), account="alice@home.test")
    assert said(run(rates.at_sender(alice, mail("")))) == ""
    assert said(run(rates.at_sender(elsewhere, mail("")))) == "450 4.7.1"
    assert said(run(rates.at_sender(Visitor(), mail("")))) == ""
    assert said(run(rates.at_sender(Visitor(HostPort("198.51.100.7", 2)), mail("")))) == "450 4.7.1"
    assert [said(run(rates.at_recipient(alice, rcpt()))) for _ in range(3)] == ["", "", "450 4.7.1"]


def test_no_limit_is_no_limit() -> None:
    rates = Rates(Now(), 0, 0)
    assert all(said(run(rates.at_sender(Visitor(), mail("")))) == "" for _ in range(1000))
    assert all(said(run(rates.at_recipient(Visitor(), rcpt()))) == "" for _ in range(1000))


class Holdings:
    """One mailbox, and how often it was weighed."""

    def __init__(self, octets: int, quota: int | None = None, *, account: bool = True) -> None:
        self.octets = octets
        self.given = Account("bob@home.test", b"-", 0.0, quota) if account else None
        self.weighed = 0

    @property
    def accounts(self) -> Holdings:
        return self

    @property
    def mailboxes(self) -> Holdings:
        return self

    async def get(self, address: str) -> Account | None:
        return self.given

    async def octets_in(self, mailbox: str) -> int:
        self.weighed += 1
        return self.octets


@pytest.mark.parametrize(
    ("held", "size", "room"), [(0, 100, True), (99, 1, True), (50, 51, False), (100, 0, False), (200, 1, False)]
)
def test_a_letter_must_fit_into_the_quota(held: int, size: int, room: bool) -> None:
    """CODE-05."""
    for holdings, default in ((Holdings(held), 100), (Holdings(held, 100), 5), (Holdings(held, account=False), 100)):
        verdict = run(Quotas(holdings, default=default).check("bob@home.test", size))
        assert (verdict is PASS) is room
        if not room:
            assert isinstance(verdict, Defer)
            assert verdict.reply is OVER_QUOTA
            assert f"{held} of 100 octets" in verdict.reason


def test_a_full_mailbox_may_be_a_permanent_refusal() -> None:
    """CODE-05."""
    verdict = run(Quotas(Holdings(10), default=10, permanent=True).check("bob@home.test", 1))
    assert isinstance(verdict, Refuse)
    assert verdict.reply is OVER_QUOTA_PERMANENT


@pytest.mark.parametrize(("quota", "default"), [(None, 0), (0, 5)])
def test_without_a_limit_no_size_is_looked_up(quota: int | None, default: int) -> None:
    holdings = Holdings(10**12, quota)
    assert run(Quotas(holdings, default=default).check("bob@home.test", 10**9)) is PASS
    assert not holdings.weighed


class Pausing:
    def __init__(self) -> None:
        self.clock = Clock()

    async def pause(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        self.clock.callLater(seconds, waiting.callback, None)
        await waiting


def test_the_delay_grows_to_its_maximum() -> None:
    tarpit = Tarpit(Pausing(), first=1.0, max_delay=10.0, free=2)
    assert [tarpit.delay(errors) for errors in range(8)] == [0, 0, 0, 1, 2, 4, 8, 10]
    assert tarpit.delay(10_000) == 10


def test_the_number_of_delayed_replies_is_limited() -> None:
    time = Pausing()
    tarpit = Tarpit(time, first=5.0, max_delay=5.0, free=0, max_waiting=2)
    answered: list[int] = []
    for number in range(4):
        Deferred.fromCoroutine(tarpit.hold(1)).addCallback(lambda _, number=number: answered.append(number))
    assert answered == [2, 3]
    assert tarpit.waiting == 2
    time.clock.advance(5)
    assert answered == [2, 3, 0, 1]
    assert tarpit.waiting == 0


def test_a_tarpit_can_be_disabled() -> None:
    assert Tarpit(Pausing(), first=0.0, max_delay=10.0).delay(1000) == 0
