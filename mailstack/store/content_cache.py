"""Bounded cache of recently written or read values."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class RecentOctets:
    """Contents by name, the least recently used of them forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        """Octets in all."""
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def add(self, name: str, octets: bytes) -> None:
        """Contents never change, so one that is there stays."""
        if name in self._contents or len(octets) > self._limit:
            return
        self._contents[name] = octets
        self._held += len(octets)
        while self._held > self._limit:
            self._held -= len(self._contents.popitem(last=False)[1])

    def get(self, name: str) -> bytes | None:
        octets = self._contents.get(name)
        if octets is not None:
            self._contents.move_to_end(name)
        return octets


class ContentCache(Generic[T]):
    """Cache for values that other processes may change, with expiry and an optional change mark."""

    def __init__(
        self,
        seconds: float,
        limit: int,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        sign: Callable[[], object] | None = None,
        longest: float = 30.0,
    ) -> None:
        """`limit`: number of values. `sign`: returns a mark that differs after each change by any process.

        The mark is read every `seconds`; while it stays the same, a value is valid for `longest` seconds.
        """
        self._seconds = seconds
        self._limit = limit
        self._monotonic = monotonic
        self._sign = sign
        self._longest = longest
        self._answers: OrderedDict[str, _Answer[T]] = OrderedDict()
        self._forgotten = 0
        """Counts the times that all was forgotten."""
        self._seen: object = None
        self._seen_until = -1.0

    @property
    def age(self) -> tuple[int, object]:
        """What `add` wants to know of the moment when the question is asked."""
        return self._forgotten, self._look(self._monotonic())

    def add(self, name: str, answer: T, age: tuple[int, object]) -> None:
        """An answer to a question from before a change of ours is not kept."""
        forgotten, seen = age
        if forgotten != self._forgotten:
            return
        now = self._monotonic()
        self._answers[name] = _Answer(answer, now + self._seconds, now + self._longest, seen)
        self._answers.move_to_end(name)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def get(self, name: str) -> tuple[T] | None:
        """The answer in a tuple, since it may be None itself."""
        found = self._answers.get(name)
        if found is None:
            return None
        now = self._monotonic()
        if found.until < now:
            if self._sign is None or found.longest < now or self._look(now) != found.seen:
                return None
            found.until = min(self._seen_until, found.longest)
        return (found.answer,)

    def forget(self) -> None:
        """We have changed something."""
        self._answers.clear()
        self._forgotten += 1

    def _look(self, now: float) -> object:
        """The sign, as it was not longer ago than answers are believed without it."""
        if self._sign is not None and self._seen_until < now:
            self._seen, self._seen_until = self._sign(), now + self._seconds
        return self._seen


class _Answer(Generic[T]):
    __slots__ = ("answer", "longest", "seen", "until")

    def __init__(self, answer: T, until: float, longest: float, seen: object) -> None:
        self.answer = answer
        self.until = until
        """Monotonic time of the next check of the change mark."""
        self.longest = longest
        self.seen = seen
        """The sign when the question was asked."""
