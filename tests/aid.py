"""Runs coroutines to their end, without a reactor or with calls from threads; counts examples of properties."""

from __future__ import annotations

import queue
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from twisted.internet.defer import Deferred

T = TypeVar("T")
QUICK_EXAMPLES = 10
"""Maximum number of examples of a property with `--quick`."""


def examples(count: int) -> int:
    """Number of examples of a property: `count`, or a few of them with `--quick`."""
    return min(count, QUICK_EXAMPLES) if settings().max_examples == QUICK_EXAMPLES else count


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait."""
    return result_of(Deferred.fromCoroutine(work))


def result_of(deferred: Deferred[T]) -> T:
    """The result of a Deferred that has fired."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "the result depends on something that nobody does"
    if hasattr(results[0], "raiseException"):
        results[0].raiseException()
    return results[0]


class Pump:
    """The least of a reactor that a store with threads needs: `callFromThread`, and a way to wait."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()

    def callFromThread(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> None:  # noqa: N802
        self._calls.put(lambda: do(*args, **kwargs))

    def start(self, work: Coroutine[Any, Any, T]) -> list[Any]:
        """Begin; the list gets the result, or a Failure, when it is there."""
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        return results

    def wait(self, seconds: float) -> None:
        """Do what threads ask for, until none has asked for so long."""
        try:
            while True:
                self._calls.get(timeout=seconds)()
        except queue.Empty:
            pass

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 20.0) -> T:
        """The result of a coroutine, waiting for threads as long as need be."""
        results = self.start(work)
        while not results:
            self._calls.get(timeout=timeout)()
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]
