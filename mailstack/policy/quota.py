"""Mailbox quotas: a full mailbox defers or refuses letters (RFC 3463 X.2.2)."""

from __future__ import annotations

from typing import Protocol

from mailstack.policy import PASS, Defer, Refuse, Verdict
from mailstack.protocols.smtp.replies import reply
from mailstack.store import Account

FULL_NOW = reply(452, "4.2.2", "mailbox full, try again later")
FULL = reply(552, "5.2.2", "mailbox full")


class MailboxUsage(Protocol):
    """The part of a Store that is asked."""

    async def account(self, address: str) -> Account | None: ...

    async def octets_in(self, mailbox: str) -> int: ...


class Quotas:
    """An opinion on letters for mailboxes here. A mailbox without a limit costs one look at an account that is remembered.

    Letters that enter at the same instant don't see one another, so a mailbox may end a little above its limit.
    """

    def __init__(self, store: MailboxUsage, *, default: int = 0, permanent: bool = False) -> None:
        """`default` is in octets, for accounts without a quota of their own; 0 is no limit.

        `permanent`: a letter for a full mailbox is refused for good, and not until there is room.
        """
        self._store = store
        self._default = default
        self._permanent = permanent

    async def room(self, mailbox: str, size: int) -> Verdict:
        """Whether `size` octets more may enter; a mailbox that is full refuses the empty letter too.

        Raises StoreError.
        """
        account = await self._store.account(mailbox)
        limit = self._default if account is None or account.quota is None else account.quota
        if not limit:
            return PASS
        held = await self._store.octets_in(mailbox)
        if held < limit and held + size <= limit:
            return PASS
        reason = f"{mailbox} holds {held} of {limit} octets, and {size} more should enter"
        return Refuse(FULL, reason) if self._permanent else Defer(FULL_NOW, reason)
