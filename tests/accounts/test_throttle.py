"""Login throttle (AUTH-14)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.accounts.throttle import Throttle
from mailstack.policy.counters import LocalCounterTable
from mailstack.protocols.sasl import Unavailable
from tests.clock import HandClock

HERE, THERE = "192.0.2.1", "198.51.100.1"
ALICE, BOB = "alice@home.test", "bob@home.test"


def fail(throttle: Throttle, times: int, host: str = HERE, account: str = ALICE) -> None:
    for _ in range(times):
        throttle.failed(host, account)


def test_after_some_free_failures_the_delay_doubles_up_to_its_maximum() -> None:
    clock = HandClock()
    throttle = Throttle(clock, first=1, max_delay=15, free=3)
    delays = []
    for _ in range(10):
        clock.advance(100)
        delays.append(throttle.delay(HERE, ALICE))
        throttle.failed(HERE, ALICE)
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 15, 15]


def spray(throttle: Throttle, times: int, host: str = HERE) -> None:
    """One password tried on so many accounts."""
    for number in range(times):
        throttle.failed(host, f"sprayed{number}@home.test")


def test_one_client_is_delayed_for_every_account() -> None:
    throttle = Throttle(HandClock())
    spray(throttle, 20)
    assert throttle.delay(HERE, BOB) == 1
    assert throttle.delay(HERE, ALICE) == 2, "one after the other"
    assert throttle.delay(THERE, BOB) == 0


@pytest.mark.parametrize("accounts", [1, 10])
def test_ten_failures_at_a_shared_address_delay_no_other_account(accounts: int) -> None:
    throttle = Throttle(HandClock())
    for number in range(10):
        throttle.failed(HERE, f"wrong{number % accounts}@home.test")
    assert [throttle.delay(HERE, f"right{number}@home.test") for number in range(100)] == [0] * 100


def test_correct_logins_from_a_spraying_client_wait_and_are_never_refused() -> None:
    clock = HandClock()
    throttle = Throttle(clock, max_delay=15)
    spray(throttle, 1000)
    assert all(throttle.delay(HERE, f"u{number}@home.test") <= 30 for number in range(500))
    throttle.succeeded(HERE, BOB)
    assert throttle.delay(HERE, BOB) == 0, "who is known there does not wait"
    clock.advance(31)
    assert throttle.delay(HERE, ALICE) == 15


def test_a_spraying_client_is_delayed_more_and_more() -> None:
    """Attempts one after the other: the hundredth guess of an address takes ten times as long as the twentieth."""
    clock = HandClock()
    throttle = Throttle(clock)
    begun = clock.steady()
    for number in range(200):
        clock.advance(throttle.delay(HERE, f"u{number}@home.test"))
        throttle.failed(HERE, f"u{number}@home.test")
    assert clock.steady() - begun > 1500


def test_one_account_is_delayed_for_every_client() -> None:
    throttle = Throttle(HandClock())
    for number in range(4):
        throttle.failed(f"198.51.100.{number}", ALICE)
    assert throttle.delay(HERE, ALICE) == 1
    assert throttle.delay(HERE, BOB) == 0


def test_an_ipv6_site_is_one_client_of_the_throttle() -> None:
    throttle = Throttle(HandClock())
    for number in range(20):
        throttle.failed(f"2001:db8::{number}", f"u{number}@home.test")
    assert throttle.delay("2001:db8::ffff", BOB) == 1


def test_guesses_from_one_client_queue_and_too_many_are_unavailable() -> None:
    throttle = Throttle(HandClock(), first=1, max_delay=4, free=0)
    fail(throttle, 3)
    assert [throttle.delay(HERE, ALICE) for _ in range(2)] == [4, 8]
    with pytest.raises(Unavailable, match=HERE):
        throttle.delay(HERE, ALICE)


def test_a_user_logs_in_at_once_at_a_known_client_despite_other_failures() -> None:
    """AUTH-14: not locked out."""
    throttle = Throttle(HandClock())
    throttle.succeeded(HERE, ALICE)
    fail(throttle, 50, THERE)
    assert throttle.delay(HERE, ALICE) == 0


def test_a_user_waits_at_a_new_client_but_is_never_refused() -> None:
    """AUTH-14: not locked out."""
    throttle = Throttle(HandClock(), max_delay=15)
    fail(throttle, 500, THERE)
    assert [throttle.delay(f"192.0.2.{number}", ALICE) for number in range(100)] == [15] * 100


def test_guesses_from_a_known_client_are_delayed_too() -> None:
    throttle = Throttle(HandClock())
    throttle.succeeded(HERE, ALICE)
    fail(throttle, 4)
    assert throttle.delay(HERE, ALICE) == 1


def test_a_login_resets_the_failures_of_its_account_and_no_others() -> None:
    throttle = Throttle(HandClock())
    fail(throttle, 20, HERE, "guessed@home.test")
    fail(throttle, 3)
    throttle.succeeded(HERE, ALICE)
    assert throttle.delay(HERE, ALICE) == 0
    assert throttle.delay(HERE, BOB) == 1


def test_failures_expire() -> None:
    clock = HandClock()
    throttle = Throttle(clock, failure_ttl=600)
    fail(throttle, 10)
    clock.advance(600)
    assert throttle.delay(HERE, ALICE) == 0


@given(st.lists(st.tuples(st.sampled_from(["delay", "fail", "succeed", "turn"]), st.integers(0, 20)), max_size=60))
def test_no_delay_is_longer_than_the_bound_and_memory_is_bounded(moves: list[tuple[str, int]]) -> None:
    clock = HandClock()
    tables = LocalCounterTable(clock.now, 5), LocalCounterTable(clock.now, 5)
    throttle = Throttle(clock, max_delay=15, free=0, tables=tables)
    for move, number in moves:
        host, account = f"192.0.2.{number % 4}", f"u{number % 5}@home.test"
        if move == "fail":
            throttle.failed(host, account)
        elif move == "succeed":
            throttle.succeeded(host, account)
        elif move == "turn":
            clock.advance(number)
        else:
            with suppress(Unavailable):
                assert 0 <= throttle.delay(host, account) <= 30
        assert all(len(table) <= 5 for table in tables)


def test_a_clock_set_back_neither_prolongs_delays_nor_keeps_failures() -> None:
    clock = HandClock()
    throttle = Throttle(clock, first=1, max_delay=15, free=3, failure_ttl=600)
    fail(throttle, 6)
    clock.set_by(-86400)
    assert throttle.delay(HERE, ALICE) == 4
    clock.advance(5)
    assert throttle.delay(HERE, ALICE) == 4
    clock.advance(601)
    assert throttle.delay(HERE, ALICE) == 0


def test_a_clock_set_ahead_resets_no_failures() -> None:
    clock = HandClock()
    throttle = Throttle(clock, first=1, max_delay=15, free=3, failure_ttl=600)
    fail(throttle, 6)
    clock.set_by(86400)
    assert throttle.delay(HERE, ALICE) == 4
