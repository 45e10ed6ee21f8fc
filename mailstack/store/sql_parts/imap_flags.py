"""IMAP flag writes: STORE, keywords and EXPUNGE of one mailbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mailstack.store import imap_sql, rows
from mailstack.store.batch import Transaction, pieces
from mailstack.store.mailboxes import DELETED, MAX_KEYWORDS, SEEN, Expunged, FlagChange, Flags, FlagsStored
from mailstack.store.sql_parts import removals
from mailstack.store.sql_parts.imap_reads import signed, unsigned
from mailstack.store.sql_parts.removals import HeldMailbox, hold_existing
from mailstack.store.uid_ranges import UidRange, ranges_of

SYSTEM = 31
"""All system flags."""
_FEW = 8
"""Ranges of uids that are asked for one by one."""


class _Store:
    """One STORE under the lock of its mailbox: what it changes, and what it leaves."""

    def __init__(self, change: FlagChange, unchanged_since: int | None) -> None:
        self._change = change
        self._unchanged_since = unchanged_since
        self.changed: list[int] = []
        self.flags: list[tuple[int, Flags]] = []
        self.refused: list[int] = []
        self.unseen = 0
        """Unseen messages that it adds."""
        self.deleted = 0

    @property
    def found(self) -> list[int]:
        """Uids of messages that exist."""
        return [uid for uid, _ in self.flags] + self.refused

    def add(self, uid: int, before: Flags, modseq: int) -> None:
        if self._unchanged_since is not None and modseq > self._unchanged_since:
            self.refused.append(uid)
            return
        removed, added = self._change.removed, self._change.added
        after = Flags(
            (before.system & ~removed.system | added.system) & SYSTEM,
            before.keywords & ~removed.keywords | added.keywords,
        )
        self.flags.append((uid, after))
        if after != before:
            self.changed.append(uid)
            self.unseen += (before.system & SEEN) - (after.system & SEEN)
            self.deleted += bool(after.system & DELETED) - bool(before.system & DELETED)

    def values(self) -> tuple[int, int, int, int]:
        """Kept and set flags, kept and set keywords."""
        removed, added = self._change.removed, self._change.added
        return (
            SYSTEM & ~removed.system,
            added.system & SYSTEM,
            signed(~removed.keywords),
            signed(added.keywords),
        )


def store_flags(
    transaction: Transaction, name: str, uids: Sequence[int], change: FlagChange, unchanged_since: int | None
) -> FlagsStored:
    """See `MailboxStore.store_flags`. The lock of the mailbox makes it atomic."""
    held = hold_existing(transaction, name)
    store = _Store(change, unchanged_since)
    for uid, flags, keywords, modseq in _flagged(transaction, held, uids):
        store.add(uid, Flags(flags, unsigned(keywords)), modseq)
    removed = _change_kept(transaction, held, set(uids).difference(store.found), store)
    if not store.changed:
        return FlagsStored(held.modseq, store.flags, store.refused, removed=removed)
    modseq = held.modseq + 1
    values = (*store.values(), modseq, held.id)
    ranges = _few_ranges(store.changed)
    for first, last in ranges or ():
        transaction.execute(imap_sql.CHANGE_FLAGS_BETWEEN, (*values, first, last))
    for part in pieces([] if ranges else store.changed, 1):
        transaction.execute(imap_sql.change_flags(len(part)), (*values, *part))
    transaction.execute(imap_sql.COUNT_FLAGS, (modseq, store.unseen, store.deleted, held.id))
    transaction.changed.add(name)
    return FlagsStored(modseq, store.flags, store.refused, store.changed, removed)


def _change_kept(transaction: Transaction, held: HeldMailbox, uids: Collection[int], store: _Store) -> Sequence[int]:
    """Change the flags of removed messages that are kept; returns their uids. They get no new mod-sequence."""
    if not uids or not held.keeps_removed:
        return ()
    columns, kept = ("uid",), []
    for part in pieces(sorted(uids), 1):
        kept += transaction.connection.fetch(imap_sql.entries_at(columns, len(part)), columns, (-held.id, *part))
        transaction.execute(imap_sql.change_flags(len(part)), (*store.values(), held.modseq, -held.id, *part))
    return [uid for (uid,) in kept]


def _flagged(transaction: Transaction, held: HeldMailbox, uids: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Rows of `imap_sql.FLAGGED` of those messages that exist, by uid."""
    columns, found = imap_sql.FLAGGED, []
    wanted = sorted(set(uids))
    if (ranges := _few_ranges(wanted)) is not None:
        for each in ranges:
            found += transaction.connection.fetch(imap_sql.entries_between(columns), columns, (held.id, *each))
        return found
    for part in pieces(wanted, 1):
        found += transaction.connection.fetch(imap_sql.entries_at(columns, len(part)), columns, (held.id, *part))
    return found


def _few_ranges(uids: Sequence[int]) -> list[UidRange] | None:
    """Ranges of uids if there are few; None otherwise."""
    ranges = ranges_of(uids)
    return ranges if len(ranges) <= _FEW else None


def claim_recent(transaction: Transaction, name: str, below: int) -> int:
    """See `MailboxStore.claim_recent`. No client sees a change by it."""
    held = hold_existing(transaction, name)
    if below > held.recent_from:
        transaction.execute(imap_sql.CLAIM_RECENT, (min(below, held.next_uid), held.id))
    return held.recent_from


def expunge(transaction: Transaction, name: str, uids: Sequence[int] | None) -> Expunged:
    """See `MailboxStore.expunge`."""
    held = hold_existing(transaction, name)
    if not held.deleted:
        return Expunged([], held.modseq)
    marked = [uid for (uid,) in transaction.connection.fetch(imap_sql.DELETED_IN, ("uid",), (held.id,))]
    if uids is not None:
        wanted = set(uids)
        marked = [uid for uid in marked if uid in wanted]
    letters, expunged = removals.remove(transaction, held, marked)
    transaction.drop_contents(letters)
    return expunged


def add_keywords(transaction: Transaction, name: str, names: Sequence[str]) -> dict[str, int]:
    """See `MailboxStore.add_keywords`."""
    return numbers_of(transaction, hold_existing(transaction, name), names)


def numbers_of(transaction: Transaction, held: HeldMailbox, names: Sequence[str]) -> dict[str, int]:
    """Numbers of keywords of a held mailbox; new ones are added. Keywords beyond the limit are left out."""
    known = {keyword.lower(): number for number, keyword in keywords_of(transaction, held)}
    found: dict[str, int] = {}
    for name in names:
        number = known.get(name.lower())
        if number is None:
            number = len(known)
            if number >= MAX_KEYWORDS:
                continue
            transaction.insert("keywords", imap_sql.KEYWORDS, [held.id, number, name])
            known[name.lower()] = number
            transaction.changed.add(held.name)
        found[name] = number
    return found


def keywords_of(transaction: Transaction, held: HeldMailbox) -> list[tuple[int, str]]:
    """Numbers and names of the keywords of a held mailbox."""
    found = transaction.execute(imap_sql.KEYWORDS_IN, (held.id,)).fetchall()
    return rows.checked("keywords", held.name, lambda: [(rows.number(each), rows.text(name)) for each, name in found])
