"""Expunged messages in IMAP sessions without news of it (RFC 2180 §4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.letter import Content
from mailstack.mailbox.imap.selected import SelectedMailbox
from mailstack.store import MailboxStore


class RemovedContents:
    """Contents of removed messages, in the place of a `MailboxStore`."""

    def __init__(self, mailboxes: MailboxStore) -> None:
        self._mailboxes = mailboxes

    async def read(self, mailbox: str, uid: int) -> Content:
        """Raises KeyError for a message that is not kept, StoreError."""
        return await self._mailboxes.read_removed(mailbox, uid)

    async def read_together(self, _mailbox: str, _uids: Sequence[int]) -> dict[int, Content]:
        """None: removed messages are few, and are read one by one."""
        return {}


async def removed_messages(
    mailboxes: MailboxStore, selected: SelectedMailbox, indexes: Sequence[int]
) -> SelectedMailbox:
    """The selected mailbox, read-only, with these messages alone, as far as the store keeps them. Raises StoreError."""
    uids = [selected.uids[index] for index in indexes]
    messages = await mailboxes.removed_messages(selected.view.mailbox, uids)
    return selected.with_view(selected.view.detached(messages))
