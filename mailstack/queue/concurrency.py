"""Adaptive concurrency windows of destinations."""

from __future__ import annotations

from collections import OrderedDict


class ConcurrencyWindows:
    """A window grows by one with as many successes as it is wide, and shrinks by one with each failure, down to one.

    So a destination that takes four connections and refuses the fifth settles near four, and one that is dead is tried
    by one letter at a time.
    """

    def __init__(self, *, first: int, max_width: int, max_remembered: int = 10_000) -> None:
        """Each window begins with `first` attempts and grows to `max_width`. At most `max_remembered` are kept."""
        self._first = float(min(first, max_width))
        self._max_width = float(max_width)
        self._max_remembered = max_remembered
        self._widths: OrderedDict[str, float] = OrderedDict()

    def width(self, destination: str) -> int:
        """Maximum number of attempts under way."""
        return int(self._widths.get(destination, self._first))

    def attempted(self, destination: str, *, reached: bool | None) -> None:
        """Adapts the window after an attempt; see `Attempt.reached`."""
        if reached is None:
            return
        width = self._widths.pop(destination, self._first)
        self._widths[destination] = min(width + 1 / width, self._max_width) if reached else max(width - 1, 1.0)
        if len(self._widths) > self._max_remembered:
            self._widths.popitem(last=False)
