"""Virtual time: order and time of delayed calls."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from zope.interface.verify import verifyObject

from mailstack.sandbox.simulation import SimulatedReactor
from mailstack.sandbox.simulation.clock import VirtualClock
from mailstack.sandbox.simulation.reactor import START


def test_the_clock_and_its_calls_are_what_twisted_says_they_are(reactor):
    assert verifyObject(IReactorTime, VirtualClock(0.0))
    assert verifyObject(IDelayedCall, reactor.callLater(1, int))


def test_calls_are_made_by_time_and_then_by_birth(reactor):
    made = []
    for name, delay in [("late", 2), ("first", 1), ("second", 1), ("now", 0), ("third", 1)]:
        reactor.callLater(delay, made.append, name)
    reactor.run()
    assert made == ["now", "first", "second", "third", "late"]


def test_a_call_finds_the_clock_at_its_own_time(reactor):
    seen = []
    for delay in (0.25, 86400.0, 3.5):
        reactor.callLater(delay, lambda: seen.append(reactor.seconds() - START))
    reactor.run()
    assert seen == [0.25, 3.5, 86400.0]


def test_advance_makes_exactly_the_time_pass_and_calls_what_is_due_in_it(reactor):
    made = []
    reactor.callLater(10, made.append, "at the end")
    reactor.callLater(10.5, made.append, "behind it")
    reactor.advance(10)
    assert made == ["at the end"]
    assert reactor.seconds() == START + 10
    reactor.advance(0.25)
    assert reactor.seconds() == START + 10.25
    assert made == ["at the end"]


def test_what_is_asked_for_with_no_delay_waits_for_the_next_turn(reactor):
    made = []

    def first():
        reactor.callLater(0, made.append, "asked for by the first")
        made.append("first")

    reactor.callLater(0, first)
    reactor.callLater(0, made.append, "second")
    reactor.run()
    assert made == ["first", "second", "asked for by the first"]


def test_reset_and_delay_move_a_call_either_way_and_last_in_its_moment(reactor):
    made = []
    sooner = reactor.callLater(10, made.append, "sooner")
    later = reactor.callLater(1, made.append, "later")
    shifted = reactor.callLater(2, made.append, "shifted")
    reactor.callLater(5, made.append, "five")
    sooner.reset(0.5)
    later.reset(5)
    shifted.delay(3)
    shifted.delay(-1)
    assert [call.getTime() - START for call in (sooner, later, shifted)] == [0.5, 5.0, 4.0]
    reactor.run()
    assert made == ["sooner", "shifted", "five", "later"]


def test_a_call_made_or_cancelled_can_no_more_be_changed(reactor):
    call = reactor.callLater(1, int)
    cancelled = reactor.callLater(1, pytest.fail)
    assert call.active()
    cancelled.cancel()
    assert not cancelled.active()
    reactor.run()
    assert not call.active()
    for change in (call.cancel, lambda: call.reset(1), lambda: call.delay(1)):
        with pytest.raises(AlreadyCalled):
            change()
    for change in (cancelled.cancel, lambda: cancelled.reset(1), lambda: cancelled.delay(1)):
        with pytest.raises(AlreadyCancelled):
            change()


def test_a_call_that_cancels_itself_is_told_that_it_is_made(reactor):
    calls = []
    calls.append(reactor.callLater(1, lambda: calls.pop().cancel()))
    with pytest.raises(AlreadyCalled):
        reactor.run()


def test_pending_calls_are_listed_soonest_first_without_those_that_are_off(reactor):
    late, soon, off = reactor.callLater(9, int), reactor.callLater(1, int), reactor.callLater(2, int)
    off.cancel()
    assert reactor.getDelayedCalls() == [soon, late]
    soon.reset(20)
    assert reactor.getDelayedCalls() == [late, soon]
    assert "int in 20 s" in repr(soon).replace("type.", "")


def test_time_never_runs_backwards(reactor):
    with pytest.raises(AssertionError, match="-1 is not greater"):
        reactor.callLater(-1, int)
    call = reactor.callLater(5, int)
    reactor.advance(3)
    call.delay(-4)
    reactor.run()
    assert reactor.seconds() == START + 3


Change = st.tuples(st.sampled_from(["later", "reset", "delay", "cancel"]), st.integers(0, 8), st.integers(0, 8))


@given(st.lists(Change, max_size=60))
def test_whatever_is_done_to_calls_their_order_is_that_of_a_sorted_list(changes):
    reactor = SimulatedReactor()
    made, expected, calls = [], {}, []
    for order, (what, which, seconds) in enumerate(changes):
        if what == "later":
            name = len(calls)
            calls.append(reactor.callLater(seconds, made.append, name))
            expected[name] = (seconds, order)
        elif calls and which % len(calls) in expected:
            name = which % len(calls)
            if what == "cancel":
                calls[name].cancel()
                del expected[name]
            elif what == "reset":
                calls[name].reset(seconds)
                expected[name] = (seconds, order)
            else:
                calls[name].delay(seconds)
                expected[name] = (expected[name][0] + seconds, order)
    assert len(reactor.getDelayedCalls()) == len(expected)
    reactor.run()
    assert made == sorted(expected, key=expected.__getitem__)


def test_a_timeout_that_is_reset_forever_fills_no_memory(reactor):
    clock = VirtualClock(0.0)
    call = clock.callLater(60, int)
    for _ in range(10_000):
        call.reset(60)
        call.reset(59)
        clock.callLater(60, int).cancel()
    assert len(clock._heap) < 200


def test_five_days_of_hourly_calls_take_no_time(reactor):
    hourly = []
    looping = LoopingCall(lambda: hourly.append(reactor.seconds()))
    looping.clock = reactor
    began = time.process_time()
    looping.start(3600)
    reactor.advance(5 * 86400)
    assert time.process_time() - began < 0.05
    assert len(hourly) == 121
    looping.stop()


@pytest.mark.slow
def test_a_hundred_thousand_timers_take_a_moment(reactor):
    made = []
    began = time.process_time()
    for number in range(100_000):
        reactor.callLater(number * 7919 % 1000, made.append, number)
    reactor.run()
    assert len(made) == 100_000
    assert time.process_time() - began < 5
