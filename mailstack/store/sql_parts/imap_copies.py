"""IMAP additions to a mailbox: APPEND, COPY and MOVE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from mailstack.store import imap_sql
from mailstack.store.batch import Batch, Transaction, pieces
from mailstack.store.mailboxes import DELETED, MAX_KEYWORDS, SEEN, AppendedLetter, Copied, Expunged
from mailstack.store.sql_parts import removals
from mailstack.store.sql_parts.imap_flags import SYSTEM, keywords_of, numbers_of
from mailstack.store.sql_parts.imap_reads import signed, unsigned
from mailstack.store.sql_parts.removals import HeldMailbox, hold_existing

_MOVED_AT_ONCE = 5000
"""Messages of one part, when a whole mailbox moves."""


def append(
    transaction: Transaction,
    name: str,
    letters: Sequence[AppendedLetter],
    batch: Batch,
    replaced: tuple[str, int] | None = None,
) -> Copied:
    """See `MailboxStore.append`. `batch`: rows of the letters, their contents and steps."""
    _, held = _hold_both(transaction, replaced[0] if replaced else name, name)
    batch.write(transaction)
    modseq = held.modseq + 1
    flat: list[Any] = []
    for uid, each in enumerate(letters, held.next_uid):
        number = imap_sql.own_number(held.id, uid)
        flat += (held.id, uid, each.letter.id, number, each.letter.content.size, each.at, b"")
        flat += (each.flags.system & SYSTEM, signed(each.flags.keywords), modseq, each.letter.arrival.at)
    transaction.insert("entries", imap_sql.APPENDED, flat)
    _count_added(transaction, held, [(each.letter.content.size, each.flags.system) for each in letters])
    if replaced is not None:
        source, uid = replaced
        removed, _ = removals.remove(transaction, hold_existing(transaction, source), [uid])
        transaction.drop_contents(removed)
    return Copied(held.validity, [], list(range(held.next_uid, held.next_uid + len(letters))))


def copy(transaction: Transaction, source: str, uids: Sequence[int], target: str, now: float) -> Copied:
    """See `MailboxStore.copy`."""
    here, there = _hold_both(transaction, source, target)
    return _copy(transaction, here, there, _existing(transaction, here, uids), now)


def _copy(
    transaction: Transaction,
    here: HeldMailbox,
    there: HeldMailbox,
    found: Sequence[tuple[int, int, int, int]],
    now: float,
) -> Copied:
    if not found:
        return Copied(there.validity, [], [])
    keywords = imap_sql.mapped_keywords(_new_numbers(transaction, here, there, found))
    copied, uid_map = _numbered(there, found)
    for part in pieces(uid_map, 2):
        statement = imap_sql.copy_entries(len(part) // 2, keywords)
        transaction.execute(statement, (there.id, there.id, there.modseq + 1, now, *part, here.id))
    _count_added(transaction, there, [(size, flags) for _, size, flags, _ in found])
    return copied


def move(
    transaction: Transaction, source: str, uids: Sequence[int], target: str, now: float
) -> tuple[Copied, Expunged]:
    """See `MailboxStore.move`. Entries keep letter and number, so no delivery loses its entry, and none has two."""
    here, there = _hold_both(transaction, source, target)
    found = _existing(transaction, here, uids)
    if not found:
        return Copied(there.validity, [], []), Expunged([], here.modseq)
    keywords = imap_sql.mapped_keywords(_new_numbers(transaction, here, there, found))
    copied, uid_map = _numbered(there, found)
    taken = [(uid, "", size, flags) for uid, size, flags, _ in found]
    # In the same mailbox, the removal is counted first: the messages are newer than it.
    removed = removals.count_removed(transaction, here, copied.source_uids, taken)
    if here.id == there.id:
        there = hold_existing(transaction, target)
    removals.keep_moved(transaction, here, copied.source_uids)
    for part in pieces(uid_map, 2):
        statement = imap_sql.move_entries(len(part) // 2, keywords)
        transaction.execute(statement, (there.id, there.modseq + 1, now, *part, here.id))
    _count_added(transaction, there, [(size, flags) for _, size, flags, _ in found])
    return copied, Expunged(copied.source_uids, removed)


def move_all(transaction: Transaction, source: str, target: str, now: float) -> None:
    """Move all messages of a mailbox."""
    while True:
        held = hold_existing(transaction, source)
        found = transaction.connection.fetch(imap_sql.UIDS_IN, ("uid",), (held.id, 0, _MOVED_AT_ONCE))
        if not found:
            return
        move(transaction, source, [uid for (uid,) in found], target, now)


def _hold_both(transaction: Transaction, source: str, target: str) -> tuple[HeldMailbox, HeldMailbox]:
    """Lock two mailboxes in the order of their names, so that concurrent writers can't deadlock. Raises NoSuchFolder."""
    held = {name: hold_existing(transaction, name) for name in sorted({source, target})}
    return held[source], held[target]


def _existing(transaction: Transaction, here: HeldMailbox, uids: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Rows of `imap_sql.COPIED` of those messages that exist, by uid."""
    columns, found = imap_sql.COPIED, []
    for part in pieces(sorted(set(uids)), 1):
        found += transaction.connection.fetch(imap_sql.entries_at(columns, len(part)), columns, (here.id, *part))
    return found


def _numbered(there: HeldMailbox, found: Sequence[tuple[int, int, int, int]]) -> tuple[Copied, list[int]]:
    """The result, and rows of `imap_sql.MAP` in one list."""
    sources = [uid for uid, *_ in found]
    new = range(there.next_uid, there.next_uid + len(sources))
    flat = [uid for pair in zip(sources, new, strict=True) for uid in pair]
    return Copied(there.validity, sources, list(new)), flat


def _new_numbers(
    transaction: Transaction, here: HeldMailbox, there: HeldMailbox, found: Sequence[tuple[int, int, int, int]]
) -> Mapping[int, int]:
    """Numbers in the target of the keywords that the messages have; those beyond its limit are missing."""
    used = unsigned(reduce(or_, (keywords for *_, keywords in found), 0))
    numbers = [number for number in range(MAX_KEYWORDS) if used >> number & 1]
    if here.id == there.id or not numbers:
        return {number: number for number in numbers}
    names = dict(keywords_of(transaction, here))
    known = numbers_of(transaction, there, [names[number] for number in numbers if number in names])
    return {number: known[names[number]] for number in numbers if names.get(number) in known}


def _count_added(transaction: Transaction, there: HeldMailbox, added: Sequence[tuple[int, int]]) -> None:
    """Count added messages, of which size and flags are given."""
    octets = sum(size for size, _ in added)
    unseen = sum(not flags & SEEN for _, flags in added)
    deleted = sum(bool(flags & DELETED) for _, flags in added)
    next_uid = there.next_uid + len(added)
    counts = (next_uid, octets, len(added), unseen, deleted, there.modseq + 1, there.id)
    transaction.execute(imap_sql.COUNT_ADDED, counts)
    transaction.changed.add(there.name)
