"""Mailbox changes by POP3 sessions and account removal."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import LetterId
from mailstack.letter.step import Step
from mailstack.store import sql
from mailstack.store.batch import Batch, Transaction, pieces
from mailstack.store.mark_fetched import Fetched
from mailstack.store.outbox import OutboxSubscriptions


def update(
    transaction: Transaction,
    name: str,
    collected: Sequence[int],
    deleted: Sequence[int],
    steps: Sequence[Step],
    *,
    subscriptions: OutboxSubscriptions,
) -> list[Step]:
    """Mark as collected, remove what is deleted, and write the steps that tell of it; no letter is collected twice.

    The steps that were written. A uid that is gone is no trouble.
    """
    batch = Batch(subscriptions)
    # Both raise for what can't be stored before anything is changed.
    batch.add_steps([step for step in steps if step.step != "collected"])
    fetched = Fetched(step for step in steps if step.step == "collected")
    for mailbox, _ in transaction.connection.hold_mailbox(name):
        for part in _slices(list(dict.fromkeys(collected))):
            fetched.find(transaction, mailbox, part)
        letters: list[LetterId] = []
        for part in _slices(deleted):
            letters += transaction.connection.take_out(mailbox, part)
        transaction.drop_contents(letters)
    fetched.write(transaction)
    batch.announce(fetched.told)
    batch.write(transaction)
    told = set(map(id, fetched.told))
    return [step for step in steps if step.step != "collected" or id(step) in told]


def empty(transaction: Transaction, name: str) -> None:
    """Remove all entries; the next mailbox of this name has another validity."""
    for mailbox, _ in transaction.connection.hold_mailbox(name):
        letters = [letter for (letter,) in transaction.execute(sql.LETTERS_IN, (mailbox,))]
        transaction.execute(sql.EMPTY_MAILBOX, (mailbox,))
        transaction.execute(sql.RENEW_MAILBOX, (mailbox,))
        transaction.drop_contents(letters)


def _slices(uids: Sequence[int]) -> list[list[int]]:
    return list(pieces(list(uids), 1))
