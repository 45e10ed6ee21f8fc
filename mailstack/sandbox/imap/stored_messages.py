"""Stored messages of a folder, as another client of the account reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailstack.protocols.imap.sequence_set import SequenceOutOfRange, SequenceSet, number_ranges, position_ranges
from mailstack.store import Store
from mailstack.store.mailboxes import Entry

BATCH = 10_000
"""Entries that are read together."""


async def mailbox_of(store: Store, account: str, folder: str) -> str:
    """Mailbox of a folder; "" if there is none. Raises StoreError."""
    for each in await store.folders.list(account):
        if each.path == folder:
            return each.mailbox
    return ""


async def entries_of(store: Store, mailbox: str) -> list[Entry]:
    """All entries of a mailbox. Raises StoreError."""
    found: list[Entry] = []
    while entries := await store.mailboxes.entries(mailbox, found[-1].uid if found else 0, BATCH):
        found += entries
    return found


def uids_in(messages: SequenceSet, uids: Sequence[int], *, by_uid: bool) -> Iterator[int]:
    """Uids of a set, the first one first; none for a message number that is out of range."""
    if by_uid:
        for span in position_ranges(messages, uids):
            yield from uids[span.start : span.stop]
        return
    try:
        for first, last in number_ranges(messages, len(uids)):
            yield from uids[first - 1 : last]
    except SequenceOutOfRange:
        return
