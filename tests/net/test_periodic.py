"""Work that is done again and again."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailstack.net.clock import PeriodicTask, ReactorClock
from mailstack.sandbox.simulation import SimulatedReactor


def test_it_is_done_every_so_many_seconds_until_it_is_stopped():
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


def test_it_is_never_done_twice_at_a_time():
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


def test_a_bug_in_it_is_logged_and_it_goes_on():
    reactor, times = SimulatedReactor(forgiving=True), []

    async def work():
        times.append(reactor.seconds())
        raise ArithmeticError("a bug")

    PeriodicTask(ReactorClock(reactor), work).start(1.0)
    reactor.advance(3.5)
    assert len(times) == 3
