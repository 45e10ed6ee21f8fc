"""Periodic task on a given clock, and the monitor of reactor latency."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mailstack.net.clock import ReactorClock


class PeriodicTask:
    """Coroutine function called again a fixed time after its last run ended.

    An exception is a bug: it is logged, and the next run follows.
    """

    def __init__(self, clock: ReactorClock, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._clock = clock
        self._work = work
        self._interval = 0.0
        self._cancel: Callable[[], None] | None = None
        self.running = False

    def start(self, interval: float) -> None:
        """Make the first run `interval` seconds from now. The task must not be running."""
        assert not self.running, "it is running already"
        self.running, self._interval = True, interval
        self._wait()

    def stop(self) -> None:
        """Make no further run; a run in progress continues. Does nothing if the task isn't running."""
        self.running = False
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _wait(self) -> None:
        self._cancel = self._clock.call_later(self._interval, lambda: self._clock.spawn(self._once()))

    async def _once(self) -> None:
        try:
            await self._work()
        finally:
            if self.running:
                self._wait()


_log = Logger()

INTERVAL_S = 0.05
"""Seconds between two measurements."""
WARN_AFTER_S = 0.25
"""Seconds of blocking from which a warning is logged."""


class Heartbeat:
    """Timer that fires each `INTERVAL_S`; its delay is the time that the reactor was blocked."""

    def __init__(self, reactor: IReactorTime) -> None:
        self.longest = 0.0
        """Maximum seconds of blocking since `start`."""
        self._reactor = reactor
        self._expected = 0.0
        self._beats = LoopingCall(self._beat)
        self._beats.clock = reactor

    def start(self) -> None:
        self._expected = self._reactor.seconds() + INTERVAL_S
        self._beats.start(INTERVAL_S, now=False)

    def stop(self) -> None:
        """Log the maximum; does nothing if it never started."""
        if self._beats.running:
            self._beats.stop()
            _log.info("the reactor was blocked for {ms:.0f} ms at most", ms=self.longest * 1000)

    def _beat(self) -> None:
        now = self._reactor.seconds()
        held = now - self._expected
        self._expected = now + INTERVAL_S
        self.longest = max(self.longest, held)
        if held > WARN_AFTER_S:
            _log.warn("the reactor was blocked for {ms:.0f} ms", ms=held * 1000)
