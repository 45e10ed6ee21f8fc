"""Who sets the machine's clock makes no timer late."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from mailstack.net.clock import ReactorClock, install_monotonic_time
from tests.nodes.node import NO_FAKETIME, faketime

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
def test_a_clock_that_is_set_back_by_an_hour_keeps_no_timer_waiting(tmp_path: Path) -> None:
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


def test_deadlines_in_memory_go_by_the_reactor_whatever_the_time_of_day_is() -> None:
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
