"""A worker counts as hung when it was silent for as long as its master says, as the master's own beats count it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from mailstack.server.workers.control_channel import BEATS, HeartbeatMonitor, HeartbeatSender
from mailstack.server.workers.master import _how_it_ended


def test_beats_come_four_times_in_the_patience_until_they_stop() -> None:
    clock, beats = Clock(), list[float]()
    beating = HeartbeatSender(clock, 60.0, lambda: beats.append(clock.seconds()))
    beating.start()
    clock.pump([5.0] * 12)
    assert beats == [15.0, 30.0, 45.0, 60.0]
    beating.stop()
    clock.pump([60.0] * 2)
    assert len(beats) == 4
    assert not clock.getDelayedCalls()


def test_a_patience_of_0_is_without_end() -> None:
    clock = Clock()
    beating = HeartbeatSender(clock, 0.0, lambda: pytest.fail("it beats"))
    beating.start()
    assert not clock.getDelayedCalls()
    beating.stop()


def test_who_is_heard_once_in_a_while_lives() -> None:
    pulse = HeartbeatMonitor()
    for _ in range(3):
        assert [pulse.is_gone() for _ in range(BEATS)] == [False] * BEATS
        pulse.heard()
    assert [pulse.is_gone() for _ in range(BEATS + 1)] == [False] * BEATS + [True]


def test_a_machine_that_slept_does_not_find_its_workers_hung() -> None:
    """For hours; what a worker said before is read after the first beat."""
    clock, pulse, found = Clock(), HeartbeatMonitor(), list[bool]()
    beating = HeartbeatSender(clock, 60.0, lambda: found.append(pulse.is_gone()))
    beating.start()
    clock.advance(8 * 3600.0)
    assert found == [False]


def test_a_worker_is_replaced_whatever_ended_it() -> None:
    """Real-time signals have no name of their own."""
    assert _how_it_ended(9, hung=False) == "was killed by SIGKILL"
    assert _how_it_ended(9, hung=True) == "hung, and was killed"
    assert _how_it_ended(40, hung=False) == "was killed by signal 40"
    assert _how_it_ended(3 << 8, hung=False) == "ended with status 3"
