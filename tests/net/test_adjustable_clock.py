"""A clock that is moved ahead: what was due happens once and in order, and what is later comes earlier."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailstack.net.clock import AdjustableClock
from mailstack.sandbox.simulation import SimulatedReactor

HOUR = 3600.0


@pytest.fixture
def reactor() -> SimulatedReactor:
    return SimulatedReactor(start=1000.0)


@pytest.fixture
def clock(reactor: SimulatedReactor) -> AdjustableClock:
    return AdjustableClock(reactor)


def test_it_is_its_reactors_until_it_is_moved(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    done: list[float] = []
    clock.call_later(60, lambda: done.append(clock.now()))
    reactor.advance(59)
    assert (done, clock.now(), clock.ahead) == ([], 1059.0, 0.0)
    reactor.advance(1)
    assert done == [1060.0]


def test_what_is_due_happens_in_order_and_once(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    done: list[str] = []
    for hours, name in ((3, "third"), (1, "first"), (2, "second"), (9, "later")):
        clock.call_later(hours * HOUR, lambda name=name: done.append(name))  # type: ignore[misc]
    clock.move_to(clock.now() + 4 * HOUR)
    assert done == ["first", "second", "third"]
    assert clock.ahead == 4 * HOUR
    reactor.advance(5 * HOUR)
    assert done == ["first", "second", "third", "later"]


def test_what_repeats_happens_once_and_goes_on_from_there(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    done: list[float] = []

    def again() -> None:
        done.append(clock.now())
        clock.call_later(1, again)

    clock.call_later(1, again)
    clock.move_to(clock.now() + 5 * 24 * HOUR)
    assert len(done) == 1
    reactor.advance(3)
    assert len(done) == 4


def test_what_was_cancelled_never_happens_even_by_one_that_is_due(clock: AdjustableClock) -> None:
    done: list[str] = []
    clock.call_later(HOUR, lambda: (done.append("first"), cancel()))
    cancel = clock.call_later(2 * HOUR, lambda: done.append("second"))
    clock.move_to(clock.now() + 3 * HOUR)
    assert done == ["first"]
    cancel()


def test_what_is_timed_by_the_steady_clock_travels_too(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    before = clock.steady()
    clock.move_to(clock.now() + HOUR)
    reactor.advance(5)
    assert clock.steady() - before == HOUR + 5


def test_it_never_goes_back(clock: AdjustableClock) -> None:
    clock.move_to(clock.now() + HOUR)
    clock.move_to(clock.now() - HOUR)
    assert clock.ahead == HOUR


def test_pauses_keep_the_real_time(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    paused = Deferred.fromCoroutine(clock.pause(10))
    clock.move_to(clock.now() + HOUR)
    assert not paused.called
    reactor.advance(10)
    assert paused.called


def test_it_knows_whether_tasks_are_under_way(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    clock.spawn(clock.pause(5))
    assert clock.busy == 1
    reactor.advance(5)
    assert clock.busy == 0
