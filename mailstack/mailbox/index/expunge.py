"""Expunged messages: a letter leaves the index with its last entry."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import MailboxStore, StoreError
from mailstack.store.mailboxes import Expunged

_log = logging.getLogger(__name__)


class IndexedMailboxes:
    """Mailboxes for IMAP sessions: what they expunge is removed from the index as well."""

    def __init__(self, mailboxes: MailboxStore, index: LetterIndex) -> None:
        self._mailboxes = mailboxes
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mailboxes, name)

    async def expunge(self, mailbox: str, uids: Sequence[int] | None = None) -> Expunged:
        expunged = await self._mailboxes.expunge(mailbox, uids)
        try:
            await self._index.remove_expunged(expunged.letters)
        except StoreError as error:
            _log.error("expunged messages of %s stay in the index: %s", mailbox, error)
        return expunged
