"""What was lately written or read, held in memory within bounds, so that it needn't be read again."""

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


class Recent(Generic[T]):
    """Answers that another process may make wrong, believed for a short time only."""

    def __init__(self, seconds: float, limit: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._limit = limit
        """How many answers."""
        self._monotonic = monotonic
        self._answers: OrderedDict[str, tuple[float, T]] = OrderedDict()
        self.age = 0
        """Counts the times that all was forgotten."""

    def add(self, name: str, answer: T, age: int) -> None:
        """`age` is what it was when the question was asked: an answer from before a change is not kept."""
        if age != self.age:
            return
        self._answers[name] = (self._monotonic() + self._seconds, answer)
        self._answers.move_to_end(name)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def get(self, name: str) -> tuple[T] | None:
        """The answer in a tuple, since it may be None itself."""
        found = self._answers.get(name)
        if found is None or found[0] < self._monotonic():
            return None
        return (found[1],)

    def forget(self) -> None:
        self._answers.clear()
        self.age += 1
