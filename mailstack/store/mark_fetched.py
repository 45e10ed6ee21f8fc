"""Retrieval marks: the delivery state `collected` and its journey steps.

Every letter has its own page of `steps`, and another of `deliveries`. A session that fetches a hundred letters would
write both for each. So this step alone is stored in the row of its delivery.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from mailstack.letter import LetterId
from mailstack.letter.step import Step
from mailstack.store import rows, sql
from mailstack.store.batch import Transaction, next_in_sequence, pieces


class Fetched:
    """The "collected" steps of one session, until it is known which of them are new."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """Raises StoreError for facts that can't be stored."""
        self._waiting: dict[LetterId, deque[tuple[Step, str]]] = {}
        for step in steps:
            told = (step, rows.collected_text(step, next_in_sequence()))
            self._waiting.setdefault(step.letter, deque()).append(told)
        self._found: list[str | int | None] = []
        self.told: list[Step] = []
        """New steps of this transaction, to be published."""

    def find(self, transaction: Transaction, mailbox: int, uids: Sequence[int]) -> None:
        """Among what was delivered into a mailbox that is held, and is in it still."""
        for letter, number, before in transaction.connection.uncollected(mailbox, uids):
            self._found += (letter, number, rows.collected_again(before, self._take(letter)))

    def write(self, transaction: Transaction) -> None:
        """That what was found is collected. It takes room, so what gives some back comes before."""
        for part in pieces(self._found, len(sql.COLLECT)):
            transaction.execute(sql.collect(len(part) // len(sql.COLLECT)), part)

    def _take(self, letter: LetterId) -> str | None:
        """The next step of a letter, if there is one; of two deliveries of it each has its own."""
        waiting = self._waiting.get(letter)
        if not waiting:
            return None
        step, text = waiting.popleft()
        self.told.append(step)
        return text
