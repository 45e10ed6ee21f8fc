"""Windows: how many attempts at a time each destination gets, by how the last ones went."""

from __future__ import annotations

from collections import OrderedDict


class ConcurrencyWindows:
    """A window grows by one with as many successes as it is wide, and shrinks by one with each failure, down to one.

    So a destination that takes four connections and refuses the fifth settles near four, and one that is dead is tried
    by one letter at a time.
    """

    def __init__(self, *, first: int, most: int, remembered: int = 10_000) -> None:
        """A destination begins with `first` and gets `most` at most. That many are `remembered` at a time."""
        self._first = float(min(first, most))
        self._most = float(most)
        self._remembered = remembered
        self._widths: OrderedDict[str, float] = OrderedDict()

    def width(self, destination: str) -> int:
        """How many attempts may be under way."""
        return int(self._widths.get(destination, self._first))

    def attempted(self, destination: str, *, reached: bool | None) -> None:
        """An attempt has ended; see `Attempt.reached`."""
        if reached is None:
            return
        width = self._widths.pop(destination, self._first)
        self._widths[destination] = min(width + 1 / width, self._most) if reached else max(width - 1, 1.0)
        if len(self._widths) > self._remembered:
            self._widths.popitem(last=False)
