"""Clock that stands still until a test lets time pass."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

START = 1_763_931_600.0


class HandClock:
    """Clock with a heap of calls, run in the order of their time. `bugs` has the errors of spawned coroutines."""

    def __init__(self, start: float = START) -> None:
        self.bugs: list[Failure] = []
        self._now = start
        self._ahead = 0.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._numbers = itertools.count()

    def now(self) -> float:
        return self._now + self._ahead

    def steady(self) -> float:
        return self._now

    def set_by(self, seconds: float) -> None:
        """Sets the time of day, ahead or back; timers are not affected."""
        self._ahead += seconds

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        number = next(self._numbers)
        heapq.heappush(self._calls, (self._now + seconds, number, do))
        return lambda: self._cancelled.add(number)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self.bugs.append)

    async def pause(self, seconds: float) -> None:
        over: Deferred[None] = Deferred()
        self.call_later(seconds, lambda: over.callback(None))
        await over

    def advance(self, seconds: float) -> None:
        """Lets time pass, and stops at each call."""
        end = self._now + seconds
        while self._calls and self._calls[0][0] <= end:
            at, number, do = heapq.heappop(self._calls)
            self._now = max(self._now, at)
            if number not in self._cancelled:
                do()
        self._now = end
