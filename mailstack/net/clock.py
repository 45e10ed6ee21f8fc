"""Clocks and periodic tasks of a reactor, and the monitor of its latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.net.scheduler import Task

_log = Logger()


def install_monotonic_time(reactor: Any) -> Callable[[], float]:
    """Switches a reactor's timers to the monotonic clock; returns the function that gives the time of day.

    Otherwise a clock set back by an hour would delay every timer by an hour. `reactor.seconds` is still UTC: the time of
    this call plus the seconds since. A reactor with a clock of its own (a simulated one) stays as it is.
    """
    time_of_day, own = time.time, reactor.seconds
    if own is time_of_day:
        ahead = time.time() - time.monotonic()
        reactor.seconds = lambda: time.monotonic() + ahead
        reactor.is_steady = True
    now: Callable[[], float] = time_of_day if getattr(reactor, "is_steady", False) else own
    return now


class ReactorClock:
    """Clock of a Twisted reactor; `reactor.seconds` is UTC since 1970."""

    def __init__(self, reactor: IReactorTime, now: Callable[[], float] | None = None) -> None:
        """`now` returns the time of day; None: the reactor's."""
        self._reactor = reactor
        self.now: Callable[[], float] = now or reactor.seconds
        self.steady: Callable[[], float] = reactor.seconds

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        """Call `do` once after `seconds`; the returned function cancels it, and can be called at any time."""
        call = self._reactor.callLater(max(0.0, seconds), do)

        def cancel() -> None:
            with suppress(AlreadyCalled, AlreadyCancelled):
                call.cancel()

        return cancel

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""
        waiting: Deferred[None] = Deferred()
        self._reactor.callLater(max(0.0, seconds), waiting.callback, None)
        await waiting

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background. An exception is a bug, and is logged with its traceback."""
        Task(work, _log_failure).resume()


def _log_failure(failure: Failure | None) -> None:
    if failure is not None:
        _log.failure("unhandled error in a task", failure)


class _Timer:
    """One pending call."""

    __slots__ = ("call", "do", "due")

    def __init__(self, due: float, do: Callable[[], None]) -> None:
        self.due = due
        """Time of the call, in seconds since 1970 by the adjustable clock."""
        self.do = do
        self.call: IDelayedCall


class AdjustableClock(ReactorClock):
    """Clock that runs `ahead` of its reactor. `pause` waits in real time, `call_later` in the clock's own time."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.ahead = 0.0
        """Seconds ahead of the reactor; the number only grows."""
        self.now = self.steady = self._now
        self.busy = 0
        """Number of spawned tasks under way."""
        self._seconds: Callable[[], float] = reactor.seconds
        self._timers: dict[_Timer, None] = {}

    def _now(self) -> float:
        return self._seconds() + self.ahead

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        """Call `do` once after `seconds` of this clock; the returned function cancels it, and can be called at any time."""
        timer = _Timer(self._now() + max(0.0, seconds), do)
        timer.call = self._reactor.callLater(max(0.0, seconds), self._fire, timer)
        self._timers[timer] = None

        def cancel() -> None:
            if timer in self._timers:
                del self._timers[timer]
                timer.call.cancel()

        return cancel

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine, and count it as `busy` until it ends."""
        self.busy += 1
        Task(work, self._finish).resume()

    def move_to(self, at: float) -> None:
        """Move to a later time (seconds since 1970), and make the calls due until then, in order."""
        self.ahead += max(0.0, at - self._now())
        due = sorted((timer for timer in self._timers if timer.due <= at), key=lambda timer: timer.due)
        for timer in due:
            if timer in self._timers:
                timer.call.cancel()
                self._fire(timer)
        for timer in self._timers:
            timer.call.reset(max(0.0, timer.due - self._now()))

    def _fire(self, timer: _Timer) -> None:
        self._timers.pop(timer, None)
        try:
            timer.do()
        except Exception:  # noqa: BLE001 - as in a reactor, a failed call stops no other
            _log.failure("unhandled error in a delayed call")

    def _finish(self, failure: Failure | None) -> None:
        self.busy -= 1
        if failure is not None:
            _log.failure("unhandled error in a task", failure)


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
        delay = now - self._expected
        self._expected = now + INTERVAL_S
        self.longest = max(self.longest, delay)
        if delay > WARN_AFTER_S:
            _log.warn("the reactor was blocked for {ms:.0f} ms", ms=delay * 1000)
