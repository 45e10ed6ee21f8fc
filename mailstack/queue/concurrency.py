"""Concurrency of destinations: adaptive windows, and proven, unknown or silent standing."""

from __future__ import annotations

from collections import OrderedDict


class ConcurrencyWindows:
    """A window grows by one with as many successes as it is wide, and shrinks by one with each failure, down to one.

    So a destination that accepts four connections and refuses the fifth settles near four, and a dead one gets one
    attempt at a time.
    """

    def __init__(self, *, first: int, max_width: int, max_remembered: int = 10_000) -> None:
        """Each window starts with `first` attempts and grows to `max_width`. At most `max_remembered` are kept."""
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


SILENT, UNKNOWN, PROVEN = range(3)
"""Reputation of a destination: silent at the last attempt, unknown, or proven by a whole session."""
REPUTATIONS = 3


class DestinationReputations:
    """Destinations known as silent or as proven: of each kind the last `max_remembered`."""

    def __init__(self, max_remembered: int = 10_000) -> None:
        self._max_remembered = max_remembered
        self._hosts: dict[int, OrderedDict[str, None]] = {SILENT: OrderedDict(), PROVEN: OrderedDict()}

    def lookup(self, destination: str) -> int:
        if destination in self._hosts[PROVEN]:
            return PROVEN
        return SILENT if destination in self._hosts[SILENT] else UNKNOWN

    def mark_proven(self, destination: str) -> None:
        """Records that a session with the destination ran to its end."""
        self._put(destination, PROVEN, SILENT)

    def mark_silent(self, destination: str) -> None:
        """Records that the hosts of the destination did not respond."""
        self._put(destination, SILENT, PROVEN)

    def _put(self, destination: str, reputation: int, other: int) -> None:
        self._hosts[other].pop(destination, None)
        hosts = self._hosts[reputation]
        hosts[destination] = None
        hosts.move_to_end(destination)
        if len(hosts) > self._max_remembered:
            hosts.popitem(last=False)
