"""Clocks, periodic tasks and the monitor of blocking."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailstack.net.clock import (
    INTERVAL_S,
    AdjustableClock,
    Heartbeat,
    PeriodicTask,
    ReactorClock,
    install_monotonic_time,
)
from mailstack.sandbox.simulation import SimulatedReactor
from tests.nodes.node import NO_FAKETIME, faketime


def test_a_periodic_task_runs_at_its_interval_until_it_is_stopped():
    reactor, times = SimulatedReactor(), []
    began = reactor.seconds()

    async def work():
        times.append(reactor.seconds() - began)

    repeating = PeriodicTask(ReactorClock(reactor), work)
    repeating.stop()
    repeating.start(10.0)
    reactor.advance(35)
    assert times == pytest.approx([10, 20, 30])
    repeating.stop()
    reactor.advance(35)
    assert len(times) == 3
    repeating.start(1.0)
    reactor.advance(1.5)
    assert len(times) == 4


def test_runs_of_a_periodic_task_do_not_overlap():
    reactor, under_way = SimulatedReactor(), []

    async def work():
        under_way.append(Deferred())
        await under_way[-1]

    repeating = PeriodicTask(ReactorClock(reactor), work)
    repeating.start(1.0)
    reactor.advance(10)
    assert len(under_way) == 1
    under_way[0].callback(None)
    reactor.advance(10)
    assert len(under_way) == 2
    repeating.stop()
    under_way[1].callback(None)
    reactor.advance(10)
    assert len(under_way) == 2


def test_an_exception_of_a_periodic_task_is_logged_and_the_next_run_follows():
    reactor, times = SimulatedReactor(forgiving=True), []

    async def work():
        times.append(reactor.seconds())
        raise ArithmeticError("a bug")

    PeriodicTask(ReactorClock(reactor), work).start(1.0)
    reactor.advance(3.5)
    assert len(times) == 3


PATIENCE = 20.0
PROGRAM = """
import os, sys, time
from twisted.internet import reactor
from mailstack.net.clock import install_monotonic_time

now = install_monotonic_time(reactor)
assert install_monotonic_time(reactor) is now
clock, began = sys.argv[1], time.monotonic()

def back():
    with open(clock + ".new", "w") as new:
        new.write("-3600s")
    os.replace(clock + ".new", clock)

def end():
    print(f"{now() - before:.0f} {time.monotonic() - began:.0f}")
    reactor.stop()

before = now()
reactor.callLater(0.1, back)
reactor.callLater(3, end)
reactor.run()
"""


@pytest.mark.skipif(faketime() is None, reason=NO_FAKETIME)
def test_a_clock_set_back_by_an_hour_delays_no_timer(tmp_path: Path) -> None:
    """Three seconds are three; the time of day is the new one."""
    (tmp_path / "clock").write_text("+0s")
    faked = {"LD_PRELOAD": str(faketime()), "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock")}
    faked |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0", "FAKETIME_NO_CACHE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "clock")],
        env={**os.environ, **faked},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    time_of_day, waited = map(int, ended.stdout.split())
    assert -3600 <= time_of_day <= -3590
    assert 3 <= waited < PATIENCE


def test_steady_time_is_independent_of_the_time_of_day() -> None:
    reactor, day = Clock(), [1e9]
    clock = ReactorClock(reactor, lambda: day[0])
    day[0] -= 86400
    reactor.advance(5)
    assert clock.now() == 1e9 - 86400
    assert clock.steady() == 5


def test_a_reactor_with_a_time_of_its_own_keeps_it() -> None:
    clock = Clock()
    now = install_monotonic_time(clock)
    clock.advance(5)
    assert now() == clock.seconds() == 5 != time.time()


HOUR = 3600.0


@pytest.fixture
def reactor() -> SimulatedReactor:
    return SimulatedReactor(start=1000.0)


@pytest.fixture
def clock(reactor: SimulatedReactor) -> AdjustableClock:
    return AdjustableClock(reactor)


def test_adjustable_clock_follows_its_reactor_until_it_is_moved(
    reactor: SimulatedReactor, clock: AdjustableClock
) -> None:
    done: list[float] = []
    clock.call_later(60, lambda: done.append(clock.now()))
    reactor.advance(59)
    assert (done, clock.now(), clock.ahead) == ([], 1059.0, 0.0)
    reactor.advance(1)
    assert done == [1060.0]


def test_due_calls_are_made_in_order_and_once(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    done: list[str] = []
    for hours, name in ((3, "third"), (1, "first"), (2, "second"), (9, "later")):
        clock.call_later(hours * HOUR, lambda name=name: done.append(name))  # type: ignore[misc]
    clock.move_to(clock.now() + 4 * HOUR)
    assert done == ["first", "second", "third"]
    assert clock.ahead == 4 * HOUR
    reactor.advance(5 * HOUR)
    assert done == ["first", "second", "third", "later"]


def test_a_repeated_call_is_made_once_and_continues_from_there(
    reactor: SimulatedReactor, clock: AdjustableClock
) -> None:
    done: list[float] = []

    def again() -> None:
        done.append(clock.now())
        clock.call_later(1, again)

    clock.call_later(1, again)
    clock.move_to(clock.now() + 5 * 24 * HOUR)
    assert len(done) == 1
    reactor.advance(3)
    assert len(done) == 4


def test_a_due_call_can_cancel_another(clock: AdjustableClock) -> None:
    done: list[str] = []
    clock.call_later(HOUR, lambda: (done.append("first"), cancel()))
    cancel = clock.call_later(2 * HOUR, lambda: done.append("second"))
    clock.move_to(clock.now() + 3 * HOUR)
    assert done == ["first"]
    cancel()


def test_steady_time_moves_too(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    before = clock.steady()
    clock.move_to(clock.now() + HOUR)
    reactor.advance(5)
    assert clock.steady() - before == HOUR + 5


def test_an_adjustable_clock_never_goes_back(clock: AdjustableClock) -> None:
    clock.move_to(clock.now() + HOUR)
    clock.move_to(clock.now() - HOUR)
    assert clock.ahead == HOUR


def test_pauses_are_in_real_time(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    paused = Deferred.fromCoroutine(clock.pause(10))
    clock.move_to(clock.now() + HOUR)
    assert not paused.called
    reactor.advance(10)
    assert paused.called


def test_spawned_tasks_are_counted_as_busy(reactor: SimulatedReactor, clock: AdjustableClock) -> None:
    clock.spawn(clock.pause(5))
    assert clock.busy == 1
    reactor.advance(5)
    assert clock.busy == 0


def test_the_delay_of_a_call_is_the_time_of_blocking() -> None:
    clock = Clock()
    heart = Heartbeat(clock)
    heart.start()
    clock.pump([INTERVAL_S] * 20)
    assert heart.longest == pytest.approx(0, abs=0.001)
    clock.advance(INTERVAL_S + 0.07)
    clock.pump([INTERVAL_S] * 20)
    assert heart.longest == pytest.approx(0.07, abs=0.001)
    heart.stop()
    assert clock.getDelayedCalls() == []


def test_stop_without_start_is_harmless() -> None:
    heart = Heartbeat(Clock())
    heart.stop()
    assert heart.longest == 0
