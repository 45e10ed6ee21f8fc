"""A worker counts as hung when it was silent for as long as its master says, as the master's own beats count it."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from mailstack.server.workers.control_channel import BEATS, HeartbeatMonitor, HeartbeatSender
from mailstack.server.workers.master import _exit_reason


def test_beats_come_four_times_in_the_timeout_until_they_stop() -> None:
    clock, beats = Clock(), list[float]()
    sender = HeartbeatSender(clock, 60.0, lambda: beats.append(clock.seconds()))
    sender.start()
    clock.pump([5.0] * 12)
    assert beats == [15.0, 30.0, 45.0, 60.0]
    sender.stop()
    clock.pump([60.0] * 2)
    assert len(beats) == 4
    assert not clock.getDelayedCalls()


def test_a_timeout_of_0_disables_heartbeats() -> None:
    clock = Clock()
    sender = HeartbeatSender(clock, 0.0, lambda: pytest.fail("it beats"))
    sender.start()
    assert not clock.getDelayedCalls()
    sender.stop()


def test_one_heartbeat_in_time_resets_the_monitor() -> None:
    monitor = HeartbeatMonitor()
    for _ in range(3):
        assert [monitor.is_hung() for _ in range(BEATS)] == [False] * BEATS
        monitor.reset()
    assert [monitor.is_hung() for _ in range(BEATS + 1)] == [False] * BEATS + [True]


def test_a_machine_that_slept_does_not_find_its_workers_hung() -> None:
    """For hours; what a worker said before is read after the first beat."""
    clock, monitor, found = Clock(), HeartbeatMonitor(), list[bool]()
    sender = HeartbeatSender(clock, 60.0, lambda: found.append(monitor.is_hung()))
    sender.start()
    clock.advance(8 * 3600.0)
    assert found == [False]


def test_a_worker_is_replaced_whatever_ended_it() -> None:
    """Real-time signals have no name of their own."""
    assert _exit_reason(9, hung=False) == "was killed by SIGKILL"
    assert _exit_reason(9, hung=True) == "hung and was killed"
    assert _exit_reason(40, hung=False) == "was killed by signal 40"
    assert _exit_reason(3 << 8, hung=False) == "ended with status 3"
