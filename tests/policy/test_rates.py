"""CODE-11, SUBM-09: how much one account, or one address, may send in an hour (RFC 6409 §6.2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.policy.counters import LocalCounterTable
from mailstack.policy.limits import Rate, Rates
from tests.aid import run
from tests.policy.visitor import Now, Visitor, mail, rcpt, said


def test_so_many_at_once_and_then_evenly() -> None:
    now = Now()
    rate = Rate(now, 3, 60.0)
    assert [rate.consume("alice") for _ in range(5)] == [True, True, True, False, False]
    assert rate.consume("bob")
    now.at += 20
    assert [rate.consume("alice"), rate.consume("alice")] == [True, False]
    now.at += 60
    assert [rate.consume("alice") for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 100), max_size=200), st.integers(1, 10))
def test_in_no_time_is_more_taken_than_a_burst_and_what_was_given_back(waits: list[float], most: int) -> None:
    now = Now()
    rate = Rate(now, most, 60.0)
    begun, taken = now.at, 0
    for wait in waits:
        now.at += wait
        taken += rate.consume("alice")
        assert taken <= most + (now.at - begun) * most / 60.0 + 1e-3


def test_rates_in_one_ledger_do_not_mix() -> None:
    now = Now()
    table = LocalCounterTable(now)
    letters, recipients = (Rate(now, 1, table=table, kind=kind) for kind in ("letters", "recipients"))
    assert [letters.consume("alice"), recipients.consume("alice"), letters.consume("alice")] == [True, True, False]


def test_an_account_is_counted_wherever_it_comes_from_and_a_stranger_by_address() -> None:
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
