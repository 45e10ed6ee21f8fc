"""Quota of an account: octets of all its folders together (RFC 9208)."""

from __future__ import annotations

from mailstack.store import FolderStore, MailboxStore
from mailstack.store.accounts import AccountStore


class OverQuota(Exception):
    """The account has no capacity for the message."""


class AccountQuota:
    """Usage and limit of accounts."""

    def __init__(
        self, accounts: AccountStore, folders: FolderStore, mailboxes: MailboxStore, *, default: int = 0
    ) -> None:
        """`default` is in octets, for accounts without a quota of their own; 0 is no limit."""
        self._accounts = accounts
        self._folders = folders
        self._mailboxes = mailboxes
        self._default = default

    async def limit(self, account: str) -> int:
        """Octets that an account may hold; 0: any number. Raises StoreError."""
        found = await self._accounts.get(account)
        return self._default if found is None or found.quota is None else found.quota

    async def usage(self, account: str) -> int:
        """Octets in all folders of an account. Raises StoreError."""
        names = [folder.mailbox for folder in await self._folders.list(account) if folder.mailbox]
        return sum([status.octets for status in (await self._mailboxes.statuses(names)).values()])

    async def check(self, account: str, octets: int) -> None:
        """Raises OverQuota without capacity for so many more octets, and StoreError."""
        limit = await self.limit(account)
        if limit and await self.usage(account) + octets > limit:
            raise OverQuota
