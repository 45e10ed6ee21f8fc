"""Removals of messages, and their log for synchronization (RFC 7162 §3.2.5)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mailstack.letter import LetterId
from mailstack.store import imap_sql, rows
from mailstack.store.batch import Transaction, pieces
from mailstack.store.folders import NoSuchFolder
from mailstack.store.mailboxes import DELETED, SEEN, Expunged
from mailstack.store.uid_ranges import ranges_of, text_of

LOGGED = 10_000
"""Mod-sequences of a mailbox for which removals are logged. An older client gets all uids that are unused."""
MAX_LOG_TEXT = 65_536
"""Characters of one removal in the log; a larger one cuts the log."""


class HeldMailbox(NamedTuple):
    """State of a mailbox with a row that is locked until the transaction ends; columns of `imap_sql.HELD`."""

    id: int
    name: str
    validity: int
    next_uid: int
    modseq: int
    deleted: int
    """Messages with \\Deleted."""
    recent_from: int
    """See `MailboxStatus.recent_from`."""
    selected_until: int
    """Time until which removed messages are kept, seconds since 1970."""

    @property
    def keeps_removed(self) -> bool:
        """Whether an IMAP session of any process may have the mailbox selected."""
        return self.selected_until > time.time()


def hold(transaction: Transaction, name: str) -> HeldMailbox | None:
    """Lock a mailbox; None if there is none. Raises Damaged."""
    found = transaction.connection.hold_mailbox(name)
    return rows.checked("mailboxes", name, lambda: _held(found[0])) if found else None


def hold_existing(transaction: Transaction, name: str) -> HeldMailbox:
    """Lock a mailbox. Raises NoSuchFolder, Damaged."""
    held = hold(transaction, name)
    if held is None:
        raise NoSuchFolder(name)
    return held


def _held(row: Sequence[object]) -> HeldMailbox:
    number, name, *numbers = row
    return HeldMailbox(rows.number(number), rows.text(name), *map(rows.number, numbers))


def remove(
    transaction: Transaction, held: HeldMailbox, uids: Iterable[int], *, keeps: bool = True
) -> tuple[list[LetterId], Expunged]:
    """Remove messages of a held mailbox; missing uids are ignored. Returns their letters: their contents may go.

    With `keeps`, messages are kept for sessions that have the mailbox selected, and no content may go. A mailbox is
    removed from once in a transaction, or held again in between.
    """
    keeps = keeps and held.keeps_removed
    taken: list[tuple[int, LetterId, int, int]] = []
    for part in pieces(list(dict.fromkeys(uids)), 1):
        taken += _keep(transaction, held, part) if keeps else transaction.connection.take_out(held.id, part)
    if not taken:
        return [], Expunged([], held.modseq)
    taken.sort()
    gone, of_gone = [uid for uid, *_ in taken], [letter for _, letter, *_ in taken]
    letters = [] if keeps else list(dict.fromkeys(of_gone))
    return letters, Expunged(gone, count_removed(transaction, held, gone, taken), of_gone)


def _keep(transaction: Transaction, held: HeldMailbox, uids: Sequence[int]) -> list[tuple[int, LetterId, int, int]]:
    """Rows of `imap_sql.TAKEN` of messages that are now kept."""
    columns = imap_sql.TAKEN
    taken = transaction.connection.fetch(imap_sql.entries_at(columns, len(uids)), columns, (held.id, *uids))
    transaction.execute(imap_sql.keep_entries(len(uids)), (time.time(), held.id, *uids))
    return taken


def keep_moved(transaction: Transaction, held: HeldMailbox, uids: Sequence[int]) -> None:
    """Keep copies of messages that are about to move, if sessions may have the mailbox selected."""
    if held.keeps_removed:
        for part in pieces(list(uids), 1):
            transaction.execute(imap_sql.keep_moved(len(part)), (time.time(), held.id, *part))


def count_removed(
    transaction: Transaction, held: HeldMailbox, uids: Sequence[int], taken: Sequence[tuple[int, str, int, int]]
) -> int:
    """Count and log removed messages, rows of `imap_sql.TAKEN`; returns the mod-sequence of their removal."""
    modseq = held.modseq + 1
    octets = sum(size for _, _, size, _ in taken)
    unseen = sum(not flags & SEEN for *_, flags in taken)
    deleted = sum(bool(flags & DELETED) for *_, flags in taken)
    transaction.execute(imap_sql.COUNT_REMOVED, (octets, len(taken), unseen, deleted, modseq, held.id))
    log(transaction, held.id, modseq, uids)
    transaction.changed.add(held.name)
    return modseq


def log(transaction: Transaction, mailbox: int, modseq: int, uids: Iterable[int]) -> None:
    """Log a removal, and drop what is too old."""
    text = text_of(ranges_of(uids))
    if len(text) > MAX_LOG_TEXT:
        transaction.execute(imap_sql.CUT_LOG, (mailbox, modseq))
        transaction.execute(imap_sql.SET_KNOWN_FROM, (modseq, mailbox))
        return
    transaction.execute(imap_sql.LOG_REMOVAL, (mailbox, modseq, text))
    if modseq > LOGGED:
        transaction.execute(imap_sql.CUT_LOG, (mailbox, modseq - LOGGED))


def empty(transaction: Transaction, held: HeldMailbox) -> list[LetterId]:
    """Remove all messages, keywords and the log; the next mailbox of this name has another validity.

    Returns the letters: their contents may go.
    """
    letters = [LetterId(letter) for (letter,) in transaction.execute(imap_sql.LETTERS_IN, (held.id, -held.id))]
    transaction.execute(imap_sql.EMPTY_MAILBOX, (held.id, -held.id))
    for statement in (imap_sql.REMOVE_KEYWORDS, imap_sql.RENEW_MAILBOX):
        transaction.execute(statement, (held.id,))
    transaction.execute(imap_sql.CUT_LOG, (held.id, held.modseq))
    transaction.changed.add(held.name)
    return letters
