"""Periodic task on a given clock; Twisted's LoopingCall uses the installed reactor."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

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
