"""What a session, or the end of an account, does to a mailbox."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import LetterId
from mailstack.store import sql
from mailstack.store.batch import Batch, Transaction, pieces


def update(transaction: Transaction, name: str, collected: Sequence[int], deleted: Sequence[int], steps: Batch) -> None:
    """Mark as collected, remove what is deleted, and write the steps that tell of it. A uid that is gone is no trouble."""
    for mailbox, _ in transaction.execute(sql.MAILBOX, (name,)).fetchall():
        for part in _slices(collected):
            transaction.execute(sql.collect(len(part)), (mailbox, *part))
        letters: list[LetterId] = []
        for part in _slices(deleted):
            letters += [letter for (letter,) in transaction.execute(sql.letters_at(len(part)), (mailbox, *part))]
            transaction.execute(sql.remove_entries(len(part)), (mailbox, *part))
        transaction.drop_contents(letters)
    steps.write(transaction)


def empty(transaction: Transaction, name: str) -> None:
    """Remove all entries; the next mailbox of this name has another validity."""
    for mailbox, _ in transaction.execute(sql.MAILBOX, (name,)).fetchall():
        letters = [letter for (letter,) in transaction.execute(sql.LETTERS_IN, (mailbox,))]
        transaction.execute(sql.EMPTY_MAILBOX, (mailbox,))
        transaction.execute(sql.RENEW_MAILBOX, (mailbox,))
        transaction.drop_contents(letters)


def _slices(uids: Sequence[int]) -> list[list[int]]:
    return list(pieces(list(uids), 1))
