"""Removal of a message by another client, just before a command."""

from __future__ import annotations

from collections.abc import Iterator

from mailstack.protocols.imap.commands import Fetch, ImapCopy, StoreFlags
from mailstack.protocols.imap.sequence_set import SequenceOutOfRange, SequenceSet, number_ranges, position_ranges
from mailstack.store import Store

BATCH = 10_000
"""Entries that are read together."""


async def remove_first(store: Store, account: str, folder: str, command: Fetch | StoreFlags | ImapCopy) -> None:
    """Removes the first message of a command from its folder, if it is there. Raises StoreError."""
    for each in await store.folders.list(account):
        if each.path == folder and each.mailbox:
            uids = await _uids(store, each.mailbox)
            uid = next(_named(command.messages, uids, by_uid=command.by_uid), None)
            if uid is not None:
                await store.mailboxes.update(each.mailbox, collected=(), deleted=(uid,), steps=())


async def _uids(store: Store, mailbox: str) -> list[int]:
    uids: list[int] = []
    while entries := await store.mailboxes.entries(mailbox, uids[-1] if uids else 0, BATCH):
        uids += [entry.uid for entry in entries]
    return uids


def _named(messages: SequenceSet, uids: list[int], *, by_uid: bool) -> Iterator[int]:
    """Uids of a set, the first one first."""
    if by_uid:
        for span in position_ranges(messages, uids):
            yield from uids[span.start : span.stop]
        return
    try:
        for first, last in number_ranges(messages, len(uids)):
            yield from uids[first - 1 : last]
    except SequenceOutOfRange:
        return
