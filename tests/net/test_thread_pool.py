"""Bounded thread pool: refused, dropped and unfinished jobs."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailstack.net.thread_pool import BoundedPool, PoolFull
from tests.aid import Pump
from tests.waiting import PATIENCE


class Stuck:
    """Jobs that end when they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        self.begun.release()
        assert self.gate.wait(PATIENCE)
        return "done"


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def pool(pump: Pump) -> Iterator[BoundedPool]:
    pool = BoundedPool(pump, "test", threads=1, max_waiting=2)
    yield pool
    pool.close()


async def ended(deferred: Deferred[Any]) -> Any:
    return await deferred


def test_work_is_done_in_a_thread_and_its_result_or_error_comes_back(pump: Pump, pool: BoundedPool) -> None:
    assert pump.run(ended(pool.run(threading.get_ident))) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        pump.run(ended(pool.run(lambda: 1 / 0)))


def test_more_than_may_wait_is_refused_until_there_is_room(pump: Pump, pool: BoundedPool) -> None:
    stuck = Stuck()
    asked = [pool.run(stuck) for _ in range(3)]
    with pytest.raises(PoolFull):
        pool.run(stuck)
    stuck.gate.set()
    assert [pump.run(ended(each)) for each in asked] == ["done"] * 3
    assert pump.run(ended(pool.run(lambda: "again"))) == "again"


def test_what_is_cancelled_before_it_begins_is_never_done_and_makes_room(pump: Pump, pool: BoundedPool) -> None:
    stuck = Stuck()
    first = pool.run(stuck)
    assert stuck.begun.acquire(timeout=PATIENCE)
    waiting = [pool.run(stuck) for _ in range(2)]
    for each in waiting:
        each.cancel()
        with pytest.raises(CancelledError):
            pump.run(ended(each))
    other = pool.run(lambda: "other")
    stuck.gate.set()
    assert pump.run(ended(first)) == "done"
    assert pump.run(ended(other)) == "other"
    assert stuck.count == 1


def test_cancelled_job_keeps_its_thread_until_it_ends(pump: Pump, pool: BoundedPool) -> None:
    """Else a client that leaves and comes again would have all threads."""
    stuck = Stuck()
    first = pool.run(stuck)
    assert stuck.begun.acquire(timeout=PATIENCE)
    first.cancel()
    with pytest.raises(CancelledError):
        pump.run(ended(first))
    asked = [pool.run(lambda: "later") for _ in range(2)]
    with pytest.raises(PoolFull):
        pool.run(stuck)
    stuck.gate.set()
    assert [pump.run(ended(each)) for each in asked] == ["later"] * 2


def test_a_pool_that_closes_waits_for_nothing(pump: Pump, pool: BoundedPool) -> None:
    stuck = Stuck()
    first = pool.run(stuck)
    assert stuck.begun.acquire(timeout=PATIENCE)
    failures: list[Failure] = []
    second = pool.run(stuck)
    second.addErrback(failures.append)
    pool.close()
    assert [each.type for each in failures] == [PoolFull]
    with pytest.raises(PoolFull):
        pool.run(stuck)
    assert not first.called
    stuck.gate.set()


PROGRAM = """
import sys
from mailstack.net import thread_pool
from twisted.internet import reactor
thread_pool.JOIN_TIMEOUT_S, thread_pool.EXIT_TIMEOUT_S = 0.3, 0.6 if sys.argv[1] == "shutdown" else 60
def for_ever():
    print("stuck", flush=True)
    while True:
        pass
thread_pool.limit_shutdown_time(reactor)
pool = thread_pool.BoundedPool(reactor, "web", 1, 1)
if sys.argv[1] == "bounded":
    reactor.callWhenRunning(pool.run, for_ever)
else:
    reactor.callWhenRunning(reactor.callInThread, for_ever)
if sys.argv[1] == "shutdown":
    from twisted.internet.defer import Deferred
    reactor.addSystemEventTrigger("before", "shutdown", Deferred)
reactor.run()
"""


@pytest.mark.parametrize(
    ("stuck", "status"),
    [("bounded", (0, -15)), ("reactor's", (0, -15)), ("shutdown", (1,))],
    ids=["in the pool", "in the reactor's pool", "in a shutdown that waits for ever"],
)
def test_a_process_ends_though_a_thread_is_stuck(stuck: str, status: tuple[int, ...]) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, stuck], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "stuck\n"
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) in status
            assert time.monotonic() - begun < 10
        finally:
            process.kill()
