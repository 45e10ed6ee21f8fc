"""Maildrop writes: deletions and retrieval marks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from mailstack.letter import LetterId
from mailstack.letter.delivery import Step
from mailstack.store import rows, sql
from mailstack.store.batch import Batch, Transaction, next_in_sequence, pieces
from mailstack.store.mailboxes import SEEN, FlagChange, Flags
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.sql_parts import imap_flags, removals


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
    sets_seen: bool,
    subscriptions: OutboxSubscriptions,
) -> list[Step]:
    """Marks letters as collected, removes the deleted ones, and writes the steps.

    Returns the written steps: each letter is collected once. Missing uids are ignored.
    """
    batch = Batch(subscriptions)
    # Both raise for what can't be stored before anything is changed.
    batch.add_steps([step for step in steps if step.step != "collected"])
    collected_steps = CollectedSteps(step for step in steps if step.step == "collected")
    if (held := removals.hold(transaction, name)) is not None:
        for part in pieces(list(dict.fromkeys(collected)), 1):
            collected_steps.find(transaction, held.id, part)
        letters, _ = removals.remove(transaction, held, deleted)
        transaction.drop_contents(letters)
        if sets_seen and (seen := set(collected) - set(deleted)):
            imap_flags.store_flags(transaction, name, sorted(seen), FlagChange(added=Flags(SEEN, 0)), None)
    collected_steps.write(transaction)
    batch.announce(collected_steps.new)
    batch.write(transaction)
    written = set(map(id, collected_steps.new))
    return [step for step in steps if step.step != "collected" or id(step) in written]
