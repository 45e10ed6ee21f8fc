"""Time and tasks from a Twisted reactor, real or simulated."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailstack.net.task import Task

_log = Logger()


def keep_steady(reactor: Any) -> Callable[[], float]:
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
        Task(work, _ended).resume()


def _ended(failure: Failure | None) -> None:
    if failure is not None:
        _log.failure("unhandled error in a task", failure)
