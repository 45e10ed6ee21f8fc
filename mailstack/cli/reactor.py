"""Reactor run for network commands."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def run_reactor(work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Start the reactor, run `work(reactor)` to its end, stop; once a process. Raises what the coroutine raises."""
    from twisted.internet import reactor

    results: list[T | Failure] = []

    def begin() -> None:
        done = Deferred.fromCoroutine(work(reactor))
        done.addBoth(results.append)
        done.addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    if not results:
        raise KeyboardInterrupt
    result = results[0]
    if isinstance(result, Failure):
        result.raiseException()
    return result
