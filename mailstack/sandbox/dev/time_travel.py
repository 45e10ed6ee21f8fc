"""Time travel: moves the clock of a dev environment to the next event."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from mailstack.letter.times import MAX_DURATION, read_duration
from mailstack.net.clock import AdjustableClock

_POLL_S = 0.005
"""Real seconds between two polls of the clock's activity."""
_IDLE_POLLS = 3
"""Consecutive idle polls that count as idle: a reply may be in transit between two hosts."""
IDLE_TIMEOUT_S = 30.0
"""Maximum real seconds to wait for pending work."""
MAX_ADVANCE_S = 300.0
"""Maximum real seconds of one advance."""


class ClockBusy(Exception):
    """Clock that could not advance, or only in part; str() is the reason."""


class TimeTravel:
    """Moves a clock from one due time to the next, and waits at each until the due work is done.

    Timeouts of connections run in real time.
    """

    def __init__(self, clock: AdjustableClock, dues: Iterable[Callable[[], Coroutine[Any, Any, float | None]]]) -> None:
        """`dues` return the next due time of a server (seconds since 1970), or None."""
        self._clock = clock
        self._dues = tuple(dues)
        self._advancing = False
        self.on_advanced: list[Callable[[], object]] = []
        """Callbacks after each advance, also after one that failed."""

    @property
    def now(self) -> float:
        """Time of the environment, in seconds since 1970."""
        return self._clock.now()

    @property
    def ahead(self) -> float:
        """Offset from the real time, in seconds."""
        return self._clock.ahead

    async def advance(self, span: float | str) -> float:
        """Advances the clock by seconds or a duration such as "5d", and returns the new time.

        Raises ValueError for an invalid duration, and ClockBusy during another advance or after a timeout.
        """
        seconds = float(read_duration(span) if isinstance(span, str) else span)
        if not 0 <= seconds <= MAX_DURATION:
            raise ValueError("the clock can advance by 0 seconds to ten years")
        if self._advancing:
            raise ClockBusy("the clock is already advancing; try again when it has finished")
        self._advancing = True
        try:
            await self._advance_to(self._clock.now() + seconds)
        finally:
            self._advancing = False
            for callback in self.on_advanced:
                callback()
        return self._clock.now()

    async def _advance_to(self, target: float) -> None:
        before, start = 0.0, self._real()
        while True:
            await self._wait_until_idle()
            if self._real() - start > MAX_ADVANCE_S:
                raise ClockBusy(f"advanced for {MAX_ADVANCE_S:g} s and stopped on the way; advance again to continue")
            due = await self._next_due()
            if due is None or due > target:
                break
            # A due event that does not happen, such as a letter claimed elsewhere, must not block the clock.
            due = max(due, self._clock.now()) if due > before else max(due, self._clock.now()) + 1.0
            if due > target:
                break
            # Sums of floating-point times are not exact.
            self._clock.move_to(due + 0.001)
            before = due
        self._clock.move_to(target)
        await self._wait_until_idle()

    def _real(self) -> float:
        return self._clock.now() - self._clock.ahead

    async def _next_due(self) -> float | None:
        found = [due for next_due in self._dues if (due := await next_due()) is not None]
        return min(found, default=None)

    async def _wait_until_idle(self) -> None:
        idle, waited = 0, 0.0
        while idle < _IDLE_POLLS:
            await self._clock.pause(_POLL_S)
            waited += _POLL_S
            idle = idle + 1 if not self._clock.busy else 0
            if waited > IDLE_TIMEOUT_S:
                raise ClockBusy(
                    f"a connection or delivery has been active for {IDLE_TIMEOUT_S:g} s; try again when it has finished"
                )
