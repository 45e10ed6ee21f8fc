"""Counts what happened to letters since the start."""

from __future__ import annotations

from mailstack.catalogue.feed import Event, Feed


class Tally:
    """Of one feed, from now on."""

    def __init__(self, feed: Feed, now: float) -> None:
        self.begun = now
        """Seconds since 1970."""
        self.accepted = 0
        self.octets = 0
        """Of those that were accepted."""
        self.deleted = 0
        feed.listen(self._count)

    def _count(self, event: Event) -> None:
        if event.name == "letter":
            self.accepted += 1
            self.octets += event.data.item.size
        elif event.name in {"deleted", "pruned"}:
            self.deleted += event.data.count
