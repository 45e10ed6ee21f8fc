"""Tarpit: growing delays of replies to a client with many errors."""

from __future__ import annotations

from typing import Protocol


class PausingClock(Protocol):
    """A clock that can be waited for."""

    async def pause(self, seconds: float) -> None: ...


class Tarpit:
    """Delays of error replies, for each connection by itself.

    Only `most` replies wait at a time, so that very many bad clients don't cost as many timers. Beyond that, replies are
    sent at once; such connections are closed after as many errors as the others.
    """

    def __init__(
        self,
        clock: PausingClock,
        *,
        first: float,
        longest: float,
        free: int = 5,
        most: int = 100,
    ) -> None:
        """Seconds. `free` errors of a connection cost nothing; the next delay is `first`, and doubles to `longest`."""
        self._clock = clock
        self._first = first
        self._longest = longest
        self._free = free
        self._most = most
        self.waiting = 0
        """How many are in it now."""

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""
        await self._clock.pause(seconds)

    def delay(self, errors: int) -> float:
        """How long the answer to a connection's `errors`-th error waits, in seconds."""
        beyond = errors - self._free - 1
        return 0.0 if beyond < 0 else min(self._longest, self._first * 2.0 ** min(beyond, 60))

    async def hold(self, errors: int) -> None:
        """Return when the answer may be given."""
        delay = self.delay(errors)
        if delay <= 0 or self.waiting >= self._most:
            return
        self.waiting += 1
        try:
            await self._clock.pause(delay)
        finally:
            self.waiting -= 1
