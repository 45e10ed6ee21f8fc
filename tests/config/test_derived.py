"""Claim owners and shares of limits of worker slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.config.derived import MAX_WORKERS, WorkerSlot

SERVER = "mx.home.test"
COUNTS = st.integers(1, MAX_WORKERS)


def slots(count: int) -> list[WorkerSlot]:
    return [WorkerSlot(number, count) for number in range(1, count + 1)]


@given(COUNTS, st.integers(0, 100_000))
def test_the_shares_of_all_seats_are_the_limit(count: int, limit: int) -> None:
    shares = [slot.share(limit) for slot in slots(count)]
    assert sum(shares) == limit
    assert max(shares) - min(shares) <= 1


@given(COUNTS, COUNTS)
def test_whoever_held_claims_before_somebody_lets_go_of_them(before: int, now: int) -> None:
    """Also when the server starts with more workers, or fewer, than when it died."""
    recovered = [owner for slot in slots(now) for owner in (slot.owner(SERVER), *slot.stale_owners(SERVER))]
    assert {slot.owner(SERVER) for slot in slots(before)} <= set(recovered)
    assert len(recovered) == len(set(recovered))


@given(COUNTS, COUNTS)
def test_nodes_let_go_of_nothing_that_is_another_ones(one: int, two: int) -> None:
    here = [WorkerSlot(number, one, "here") for number in range(1, one + 1)]
    there = [WorkerSlot(number, two, "there") for number in range(1, two + 1)]
    held = {slot.owner(SERVER) for slot in there}
    for slot in here:
        assert not held & {slot.owner(SERVER), *slot.stale_owners(SERVER)}


@given(COUNTS)
def test_nobody_lets_go_of_the_claims_of_the_living(count: int) -> None:
    for slot in slots(count):
        others = {other.owner(SERVER) for other in slots(count)} - {slot.owner(SERVER)}
        assert not others & set(slot.stale_owners(SERVER))


def test_the_first_slot_is_primary() -> None:
    assert [slot.is_primary for slot in slots(3)] == [True, False, False]
    assert WorkerSlot().owner(SERVER) == SERVER
