"""Time travel: moves the clock of a dev environment to the next event."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from mailstack.letter.times import LONGEST, read_duration
from mailstack.net.clock import AdjustableClock

_LOOK = 0.005
"""Real seconds between looks whether everything is quiet."""
_STILL = 3
"""Looks in a row that must find it so: an answer may be under way between two hosts."""
PATIENCE = 30.0
"""Real seconds that what is under way may take before the journey goes on."""
LONGEST_JOURNEY = 300.0
"""Maximum real seconds of one advance."""


class ClockBusy(Exception):
    """The journey stopped on its way, because something takes its (real) time; str() says until when it came."""


class TimeTravel:
    """Moves a clock from one moment at which something is due to the next, and waits there until it is done.

    Connections keep the real time: none of them breaks, and no client's patience ends.
    """

    def __init__(self, clock: AdjustableClock, dues: Iterable[Callable[[], Coroutine[Any, Any, float | None]]]) -> None:
        """`dues` ask the stores and queues when something is due next (seconds since 1970), or None."""
        self._clock = clock
        self._dues = tuple(dues)
        self._travelling = False
        self.arrived: list[Callable[[], object]] = []
        """Called after each journey, however far it came."""

    @property
    def now(self) -> float:
        """The travelled time, seconds since 1970."""
        return self._clock.now()

    @property
    def ahead(self) -> float:
        """Seconds before the real time."""
        return self._clock.ahead

    async def advance(self, span: float | str) -> float:
        """Let so much time pass (seconds, or "5d") and everything happen that is due in it; the time it is then.

        Raises ValueError for no span, Delayed when another journey is under way, or something took too long.
        """
        seconds = float(read_duration(span) if isinstance(span, str) else span)
        if not 0 <= seconds <= LONGEST:
            raise ValueError("a span from 0 to ten years, forwards")
        if self._travelling:
            raise ClockBusy("another journey is under way: wait until it has arrived")
        self._travelling = True
        try:
            await self._go(self._clock.now() + seconds)
        finally:
            self._travelling = False
            for tell in self.arrived:
                tell()
        return self._clock.now()

    async def _go(self, target: float) -> None:
        before, began = 0.0, self._real()
        while True:
            await self._be_still()
            if self._real() - began > LONGEST_JOURNEY:
                raise ClockBusy(f"it has been on its way for {LONGEST_JOURNEY:g} s: ask again, and it goes on")
            due = await self._next_due()
            if due is None or due > target:
                break
            # A due event that does not happen, such as a letter claimed elsewhere, must not block the clock.
            due = max(due, self._clock.now()) if due > before else max(due, self._clock.now()) + 1.0
            if due > target:
                break
            # A little later: sums of times are not exact.
            self._clock.move_to(due + 0.001)
            before = due
        self._clock.move_to(target)
        await self._be_still()

    def _real(self) -> float:
        return self._clock.now() - self._clock.ahead

    async def _next_due(self) -> float | None:
        known = [due for ask in self._dues if (due := await ask()) is not None]
        return min(known, default=None)

    async def _be_still(self) -> None:
        quiet, waited = 0, 0.0
        while quiet < _STILL:
            await self._clock.pause(_LOOK)
            waited += _LOOK
            quiet = quiet + 1 if not self._clock.busy else 0
            if waited > PATIENCE:
                raise ClockBusy("something is under way that takes its real time: try again when it has ended")
