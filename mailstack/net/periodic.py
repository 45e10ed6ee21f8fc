"""Work that is done again and again, on the time of the reactor that is given: Twisted's LoopingCall asks for the installed one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from mailstack.net.clock import ReactorClock


class PeriodicTask:
    """One piece of work every so many seconds, counted from its end; never twice at a time.

    What it raises is a bug: it is logged, and the work goes on.
    """

    def __init__(self, clock: ReactorClock, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._clock = clock
        self._work = work
        self._interval = 0.0
        self._cancel: Callable[[], None] | None = None
        self.running = False

    def start(self, interval: float) -> None:
        """Do it `interval` seconds from now, and so on. It is not running yet."""
        assert not self.running, "it is running already"
        self.running, self._interval = True, interval
        self._wait()

    def stop(self) -> None:
        """Not again; what is under way goes on to its end. Harmless when it isn't running."""
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
