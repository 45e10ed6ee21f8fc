"""Tarpit: growing delays of replies to a client with many errors."""

from __future__ import annotations

from typing import Protocol


class PausingClock(Protocol):
    """A clock that can be waited for."""

    async def pause(self, seconds: float) -> None: ...


class Tarpit:
    """Delays of error replies, by connection.

    At most `max_waiting` replies wait at a time, which bounds the timers. Beyond that, replies are sent at once; such
    connections are closed after as many errors as all others.
    """

    def __init__(
        self,
        clock: PausingClock,
        *,
        first: float,
        longest: float,
        free: int = 5,
        max_waiting: int = 100,
    ) -> None:
        """`first` and `longest` are in seconds. After `free` errors the delay is `first`, and doubles up to `longest`."""
        self._clock = clock
        self._first = first
        self._longest = longest
        self._free = free
        self._max_waiting = max_waiting
        self.waiting = 0
        """Number of replies that wait now."""

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""
        await self._clock.pause(seconds)

    def delay(self, errors: int) -> float:
        """Return the delay of the reply to the `errors`-th error of a connection, in seconds."""
        beyond = errors - self._free - 1
        return 0.0 if beyond < 0 else min(self._longest, self._first * 2.0 ** min(beyond, 60))

    async def hold(self, errors: int) -> None:
        """Return when the reply may be sent."""
        delay = self.delay(errors)
        if delay <= 0 or self.waiting >= self._max_waiting:
            return
        self.waiting += 1
        try:
            await self._clock.pause(delay)
        finally:
            self.waiting -= 1
