"""Who of a server's workers holds which claims, and which part of a limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.config.worker_slot import MOST_WORKERS, WorkerSlot

SERVER = "mx.home.test"
COUNTS = st.integers(1, MOST_WORKERS)


def seats(count: int) -> list[WorkerSlot]:
    return [WorkerSlot(number, count) for number in range(1, count + 1)]


@given(COUNTS, st.integers(0, 100_000))
def test_the_shares_of_all_seats_are_the_limit(count: int, limit: int) -> None:
    shares = [seat.share(limit) for seat in seats(count)]
    assert sum(shares) == limit
    assert max(shares) - min(shares) <= 1


@given(COUNTS, COUNTS)
def test_whoever_held_claims_before_somebody_lets_go_of_them(before: int, now: int) -> None:
    """Also when the server starts with more workers, or fewer, than when it died."""
    recovered = [owner for seat in seats(now) for owner in (seat.owner(SERVER), *seat.left_behind(SERVER))]
    assert {seat.owner(SERVER) for seat in seats(before)} <= set(recovered)
    assert len(recovered) == len(set(recovered))


@given(COUNTS, COUNTS)
def test_nodes_let_go_of_nothing_that_is_another_ones(one: int, two: int) -> None:
    here = [WorkerSlot(number, one, "here") for number in range(1, one + 1)]
    there = [WorkerSlot(number, two, "there") for number in range(1, two + 1)]
    held = {seat.owner(SERVER) for seat in there}
    for seat in here:
        assert not held & {seat.owner(SERVER), *seat.left_behind(SERVER)}


@given(COUNTS)
def test_nobody_lets_go_of_the_claims_of_the_living(count: int) -> None:
    for seat in seats(count):
        others = {other.owner(SERVER) for other in seats(count)} - {seat.owner(SERVER)}
        assert not others & set(seat.left_behind(SERVER))


def test_one_of_them_keeps_house() -> None:
    assert [seat.keeps_house for seat in seats(3)] == [True, False, False]
    assert WorkerSlot().owner(SERVER) == SERVER
