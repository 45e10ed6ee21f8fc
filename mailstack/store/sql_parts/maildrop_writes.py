"""Maildrop writes: deletions, retrieval marks, and removal with an account."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.store import rows, sql
from mailstack.store.batch import Batch, Transaction, next_in_sequence, pieces
from mailstack.store.outbox import OutboxSubscriptions


class CollectedSteps:
    """The "collected" steps of one session, until it is known which of them are new."""

    def __init__(self, steps: Iterable[Step]) -> None:
        """Raises StoreError for facts that can't be stored."""
        self._waiting: dict[LetterId, deque[tuple[Step, str]]] = {}
        for step in steps:
            found = (step, rows.collected_text(step, next_in_sequence()))
            self._waiting.setdefault(step.letter, deque()).append(found)
        self._found: list[str | int | None] = []
        self.new: list[Step] = []
        """New steps of this transaction, to be published."""

    def find(self, transaction: Transaction, mailbox: int, uids: Sequence[int]) -> None:
        """Among what was delivered into a mailbox that is held, and is in it still."""
        for letter, number, before in transaction.connection.uncollected(mailbox, uids):
            self._found += (letter, number, rows.collected_again(before, self._take(letter)))

    def write(self, transaction: Transaction) -> None:
        """Marks letters as collected. This needs space, so removals come first."""
        for part in pieces(self._found, len(sql.COLLECT)):
            transaction.execute(sql.collect(len(part) // len(sql.COLLECT)), part)

    def _take(self, letter: LetterId) -> str | None:
        """The next step of a letter, if there is one; of two deliveries of it each has its own."""
        waiting = self._waiting.get(letter)
        if not waiting:
            return None
        step, text = waiting.popleft()
        self.new.append(step)
        return text


def update(
    transaction: Transaction,
    name: str,
    collected: Sequence[int],
    deleted: Sequence[int],
    steps: Sequence[Step],
    *,
    subscriptions: OutboxSubscriptions,
) -> list[Step]:
    """Marks letters as collected, removes the deleted ones, and writes the steps.

    Returns the written steps: each letter is collected once. Missing uids are ignored.
    """
    batch = Batch(subscriptions)
    # Both raise for what can't be stored before anything is changed.
    batch.add_steps([step for step in steps if step.step != "collected"])
    collected_steps = CollectedSteps(step for step in steps if step.step == "collected")
    for mailbox, _ in transaction.connection.hold_mailbox(name):
        for part in _slices(list(dict.fromkeys(collected))):
            collected_steps.find(transaction, mailbox, part)
        letters: list[LetterId] = []
        for part in _slices(deleted):
            letters += transaction.connection.take_out(mailbox, part)
        transaction.drop_contents(letters)
    collected_steps.write(transaction)
    batch.announce(collected_steps.new)
    batch.write(transaction)
    written = set(map(id, collected_steps.new))
    return [step for step in steps if step.step != "collected" or id(step) in written]


def empty(transaction: Transaction, name: str) -> None:
    """Remove all entries; the next mailbox of this name has another validity."""
    for mailbox, _ in transaction.connection.hold_mailbox(name):
        letters = [letter for (letter,) in transaction.execute(sql.LETTERS_IN, (mailbox,))]
        transaction.execute(sql.EMPTY_MAILBOX, (mailbox,))
        transaction.execute(sql.RENEW_MAILBOX, (mailbox,))
        transaction.drop_contents(letters)


def _slices(uids: Sequence[int]) -> list[list[int]]:
    return list(pieces(list(uids), 1))
