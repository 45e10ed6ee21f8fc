"""Standings of destinations: proven, unknown or silent."""

from __future__ import annotations

from collections import OrderedDict

SILENT, UNKNOWN, PROVEN = range(3)
"""Standings of a destination: silent at the last attempt, unknown, or proven by an accepted letter."""
STANDINGS = 3


class Standings:
    """Remembers as many destinations of each kind as `max_remembered`; beyond that the oldest are unknown again."""

    def __init__(self, max_remembered: int = 10_000) -> None:
        self._max_remembered = max_remembered
        self._known: dict[int, OrderedDict[str, None]] = {SILENT: OrderedDict(), PROVEN: OrderedDict()}

    def of(self, destination: str) -> int:
        """The standing of a destination."""
        if destination in self._known[PROVEN]:
            return PROVEN
        return SILENT if destination in self._known[SILENT] else UNKNOWN

    def took_letter(self, destination: str) -> None:
        """A host of the destination went through a session to its end."""
        self._put(destination, PROVEN, SILENT)

    def fell_silent(self, destination: str) -> None:
        """The hosts of the destination did not respond."""
        self._put(destination, SILENT, PROVEN)

    def _put(self, destination: str, standing: int, other: int) -> None:
        self._known[other].pop(destination, None)
        known = self._known[standing]
        known[destination] = None
        known.move_to_end(destination)
        if len(known) > self._max_remembered:
            known.popitem(last=False)
