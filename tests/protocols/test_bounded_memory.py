"""Answers are kept for a time and up to a number, never longer and never more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailstack.protocols.bounded_memory import TTLCache
from tests.clock import HandClock

KEYS = st.sampled_from("abcde")
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), KEYS), st.tuples(st.just("get"), KEYS), st.tuples(st.just("turn"), st.floats(0, 6))
    )
)


@given(MOVES)
def test_an_answer_is_what_a_plain_list_of_the_newest_ones_says(moves: list[tuple[str, str | float]]) -> None:
    clock = HandClock()
    cache: TTLCache[object, int] = TTLCache(clock.now, ttl=10, capacity=3)
    kept: list[tuple[object, float, int]] = []
    for number, (move, what) in enumerate(moves):
        if move == "turn":
            clock.advance(float(what))
        elif move == "put":
            cache.put(what, number)
            others = [entry for entry in kept if entry[0] != what]
            kept = [*others[-2:], (what, clock.now(), number)]
        else:
            alive = [entry for entry in kept if entry[0] == what and clock.now() - entry[1] < 10]
            assert cache.get(what) == (alive[0][2] if alive else None)
            if not alive:
                kept = [entry for entry in kept if entry[0] != what]
        assert len(cache) <= 3


def test_an_answer_is_too_old_at_its_time_to_the_second() -> None:
    clock = HandClock()
    cache: TTLCache[str, bool] = TTLCache(clock.now, ttl=10, capacity=3)
    cache.put("a", False)
    clock.advance(9.5)
    assert cache.get("a") is False
    clock.advance(0.5)
    assert cache.get("a") is None


def test_a_clock_that_was_set_back_does_not_keep_an_answer_for_ever() -> None:
    clock = HandClock()
    cache: TTLCache[str, bool] = TTLCache(clock.now, ttl=10, capacity=3)
    cache.put("a", True)
    clock.advance(-3600)
    assert cache.get("a") is None


def test_a_time_of_zero_keeps_nothing() -> None:
    cache: TTLCache[str, bool] = TTLCache(HandClock().now, ttl=0, capacity=3)
    cache.put("a", True)
    assert cache.get("a") is None


def test_an_answer_may_hold_for_less_than_the_usual_time_and_never_for_more() -> None:
    clock = HandClock()
    cache: TTLCache[str, bool] = TTLCache(clock.now, ttl=10, capacity=4)
    for key, ttl in (("never", 0.0), ("briefly", 3.0), ("usual", 10.0), ("longer", 1000.0)):
        cache.put(key, True, ttl)
    assert cache.get("never") is None
    assert cache.get("briefly")
    clock.advance(5)
    assert cache.get("briefly") is None
    assert cache.get("usual")
    clock.advance(5)
    assert cache.get("longer") is None
