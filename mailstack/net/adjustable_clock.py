"""A clock that can be moved ahead: what waits on it then happens at once and in order, while connections keep the real time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.net.clock import ReactorClock
from mailstack.net.task import Task

_log = Logger()


class _Timer:
    """A call that waits."""

    __slots__ = ("call", "do", "due")

    def __init__(self, due: float, do: Callable[[], None]) -> None:
        self.due = due
        """In the time of the clock."""
        self.do = do
        self.call: IDelayedCall


class AdjustableClock(ReactorClock):
    """A ReactorClock that is `ahead` of its reactor. `pause` waits in real time; `call_later` waits in the clock's own."""

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.ahead = 0.0
        """Seconds; never less than before."""
        self.now = self.steady = self._now
        self.busy = 0
        """Tasks that were spawned and have not ended."""
        self._seconds: Callable[[], float] = reactor.seconds
        self._timers: dict[_Timer, None] = {}

    def _now(self) -> float:
        return self._seconds() + self.ahead

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        """Call `do` once after `seconds` of this clock; the function returned cancels that, and may be called at any time."""
        timer = _Timer(self._now() + max(0.0, seconds), do)
        timer.call = self._reactor.callLater(max(0.0, seconds), self._fire, timer)
        self._timers[timer] = None

        def cancel() -> None:
            if timer in self._timers:
                del self._timers[timer]
                timer.call.cancel()

        return cancel

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """As ReactorClock does; it is counted."""
        self.busy += 1
        Task(work, self._over).resume()

    def move_to(self, at: float) -> None:
        """Be at a later time (seconds since 1970). What was to happen until then happens now, each once and in order."""
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
        except Exception:  # noqa: BLE001 - as a reactor does: the others happen all the same
            _log.failure("a call that was due failed")

    def _over(self, failure: Failure | None) -> None:
        self.busy -= 1
        if failure is not None:
            _log.failure("a task failed", failure)
