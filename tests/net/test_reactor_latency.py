"""How long the reactor is held."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from mailstack.net.clock import INTERVAL_S, Heartbeat


def test_what_a_call_is_late_by_was_held() -> None:
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
