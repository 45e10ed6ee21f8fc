"""Waking journal: wakes the outbox dispatchers after each durable step."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter.step import Journal, Step
from mailstack.queue.webhooks.dispatcher import OutboxDispatcher


class WakingJournal:
    """Tells another journal first."""

    def __init__(self, journal: Journal, announcers: Sequence[OutboxDispatcher]) -> None:
        self._journal = journal
        self._announcers = announcers

    def tell(self, steps: Sequence[Step]) -> None:
        self._journal.tell(steps)
        for announcer in self._announcers:
            announcer.wake()
