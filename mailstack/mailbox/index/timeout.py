"""Timeout of a coroutine."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from mailstack.protocols.connection import Clock


async def with_timeout(clock: Clock, wait: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Whether it came to its end in time; else it is cancelled, as it is when we are."""
    waiting = Deferred.fromCoroutine(wait)
    late = False

    def end() -> None:
        nonlocal late
        late = True
        waiting.cancel()

    stop = clock.call_later(seconds, end)
    try:
        await waiting
    except CancelledError:
        if not late:
            raise
        return False
    finally:
        stop()
    return True
