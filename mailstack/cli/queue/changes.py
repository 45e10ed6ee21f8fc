"""What has happened in a queue since one looked last: the steps of the letters that have moved."""

from __future__ import annotations

from mailstack.cli.store_runner import OpenStore
from mailstack.letter import LetterId
from mailstack.letter.delivery import OWED
from mailstack.letter.step import Step
from mailstack.store import Filter, Record

MOST = 1000
"""Letters that wait, and as many that came last, which one look goes through."""

_Mark = tuple[object, ...]


class Changes:
    """Looks at an open store again and again. What came and went between two looks is seen too."""

    def __init__(self, server: OpenStore, began: float) -> None:
        """Steps from before `began` (seconds since 1970) are not told."""
        self._server = server
        self._began = began
        self._last = began
        self._marks: dict[LetterId, _Mark] = {}
        self._told: dict[LetterId, list[Step]] = {}
        self.waiting: list[Record] = []
        """What waited at the last look, the newest first."""
        self._first = True

    def look(self, now: float) -> list[Step]:
        """The steps since the last look, the oldest first."""
        store = self._server.store
        self.waiting = self._server.run(store.records(Filter(states=OWED, limit=MOST)))
        # A letter that was accepted a moment ago may carry a time from before the last look.
        fresh = self._server.run(store.records(Filter(since=self._last - 5.0, limit=MOST)))
        self._last = now
        here = {record.letter.id: record for record in (*fresh, *self.waiting)}
        gone = [letter for letter in self._marks if letter not in here]
        for letter in gone:
            here.update({record.letter.id: record for record in self._server.run(store.records(Filter(ids=(letter,))))})
        new = [step for record in here.values() for step in self._of(record)]
        for letter in gone:
            self._marks.pop(letter, None)
            self._told.pop(letter, None)
        self._first = False
        return sorted(new, key=lambda step: step.at)

    def _of(self, record: Record) -> list[Step]:
        letter = record.letter.id
        mark = tuple([(one.state, one.attempts, one.due, one.claimed_by) for one in record.deliveries])
        if self._marks.get(letter) == mark:
            return []
        known = letter in self._marks
        self._marks[letter] = mark
        if self._first and not known and record.letter.arrival.at < self._began:
            return []
        steps = self._server.run(self._server.store.steps(letter))
        told = self._told.setdefault(letter, [])
        new = [step for step in steps if step.at >= self._began and step not in told]
        told += new
        return new
