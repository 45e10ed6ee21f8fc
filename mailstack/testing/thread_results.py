"""Waits for a result from another thread: in plain code, and in coroutines of asyncio or Twisted."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def is_in_loop() -> bool:
    """Whether to block here is to block an event loop of asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def awaited(future: Future[T]) -> T:
    """The result, in whatever kind of coroutine this is."""
    if is_in_loop() and asyncio.current_task() is not None:
        return await asyncio.wrap_future(future)
    return await _deferred(future)  # type: ignore[no-any-return]


def _deferred(future: Future[Any]) -> Any:
    """A Deferred that fires in the turns of the reactor that is installed: who drives this coroutine runs under it."""
    from twisted.internet import reactor as installed  # noqa: PLC0415 - only where it runs already
    from twisted.internet.defer import Deferred  # noqa: PLC0415

    def given_up(_: object) -> None:
        future.cancel()

    reactor: Any = installed
    deferred: Deferred[Any] = Deferred(given_up)

    def fire() -> None:
        if deferred.called:
            return
        error = future.exception()
        if error is None:
            deferred.callback(future.result())
        else:
            deferred.errback(error)

    def done(finished: Future[Any]) -> None:
        if not finished.cancelled():
            reactor.callFromThread(fire)

    future.add_done_callback(done)
    return deferred
