"""GETQUOTA and GETQUOTAROOT: one quota root for each account (RFC 9208 §4)."""

from __future__ import annotations

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.folders import FolderCommands
from mailstack.mailbox.imap.quota import AccountQuota
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import GetQuota, GetQuotaRoot

UNIT = 1024
"""Octets in a unit of STORAGE (RFC 9208 §5.1)."""


class QuotaCommands:
    """Quota commands of one session. The quota root is "" and has all folders of the account."""

    def __init__(self, dialogue: ImapDialogue, folders: FolderCommands, quota: AccountQuota, account: str) -> None:
        self._dialogue = dialogue
        self._folders = folders
        self._quota = quota
        self._account = account

    async def get(self, command: GetQuota) -> None:
        """GETQUOTA. Raises CommandRefused, StoreError."""
        if command.root:
            raise CommandRefused("no such quota root", "NONEXISTENT")
        await self._send_quota()

    async def get_root(self, command: GetQuotaRoot) -> None:
        """GETQUOTAROOT. Raises NoSuchFolder, StoreError."""
        await self._folders.find(command.folder)
        self._dialogue.send(responses.quota_root(command.folder, [""], utf8=self._dialogue.engine.utf8))
        await self._send_quota()

    async def _send_quota(self) -> None:
        """QUOTA; without a limit it has no resource (RFC 9208 §4.2.1)."""
        limit = await self._quota.limit(self._account)
        resources = []
        if limit:
            used = await self._quota.usage(self._account)
            resources.append(("STORAGE", -(-used // UNIT), limit // UNIT))
        self._dialogue.send(responses.quota("", resources))
