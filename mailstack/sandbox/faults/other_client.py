"""Removal of a message by another client, just before a command."""

from __future__ import annotations

import math

from mailstack.protocols.imap.commands import Fetch, ImapCopy, StoreFlags
from mailstack.sandbox.imap.stored_messages import entries_of, mailbox_of, uids_in
from mailstack.store import Store


async def remove_first(store: Store, account: str, folder: str, command: Fetch | StoreFlags | ImapCopy) -> None:
    """Removes the first message of a command from its folder, if it is there. Raises StoreError.

    It is not kept for sessions that do not know yet, as it is on most servers. Nor are messages that were removed before.
    """
    mailbox = await mailbox_of(store, account, folder)
    if mailbox:
        uids = [entry.uid for entry in await entries_of(store, mailbox)]
        uid = next(uids_in(command.messages, uids, by_uid=command.by_uid), None)
        if uid is not None:
            await store.mailboxes.update(mailbox, collected=(), deleted=(uid,), steps=())
            await store.mailboxes.purge_removed(math.inf)
