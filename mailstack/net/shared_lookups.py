"""Joins equal look-ups that are under way at the same time, so that each question goes out once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure


class SharedLookups:
    """Look-ups under way, by what they ask. A caller that is cancelled leaves the others their answer."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, tuple[Deferred[Any], list[Deferred[Any]]]] = {}

    def join(self, question: Hashable, start: Callable[[], Deferred[Any]]) -> Deferred[Any]:
        """The answer to `question`, which `start` asks if it is not under way."""
        if (found := self._under_way.get(question)) is None:
            lookup = start()
            if lookup.called:
                return lookup
            found = self._under_way[question] = (lookup, [])
            lookup.addBoth(self._answer, question)
        lookup, callers = found
        caller: Deferred[Any] = Deferred(lambda cancelled: self._leave(question, cancelled))
        callers.append(caller)
        return caller

    def _answer(self, result: object, question: Hashable) -> None:
        _, callers = self._under_way.pop(question)
        for caller in callers:
            if isinstance(result, Failure):
                caller.errback(result)
            else:
                caller.callback(result)

    def _leave(self, question: Hashable, cancelled: Deferred[Any]) -> None:
        """A caller waits no longer; a look-up for which none waits is cancelled."""
        lookup, callers = self._under_way[question]
        callers.remove(cancelled)
        if not callers:
            lookup.cancel()
