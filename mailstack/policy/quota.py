"""Mailbox quotas: a full mailbox defers or refuses letters (RFC 3463 X.2.2)."""

from __future__ import annotations

from mailstack.policy import PASS, Defer, Refuse, Verdict
from mailstack.protocols.smtp.replies import reply
from mailstack.store import Store

OVER_QUOTA = reply(452, "4.2.2", "mailbox full, try again later")
OVER_QUOTA_PERMANENT = reply(552, "5.2.2", "mailbox full")


class Quotas:
    """Policy on the size of mailboxes. A mailbox without a quota costs one lookup of a cached account.

    Concurrent letters don't see each other, so a mailbox may exceed its quota slightly.
    """

    def __init__(self, store: Store, *, default: int = 0, permanent: bool = False) -> None:
        """`default` is in octets, for accounts without a quota of their own; 0 is no limit.

        `permanent`: a full mailbox refuses letters (552) instead of deferring them (452).
        """
        self._store = store
        self._default = default
        self._permanent = permanent

    async def check(self, mailbox: str, size: int) -> Verdict:
        """Return the verdict on `size` more octets. A full mailbox accepts no empty letter either.

        Raises StoreError.
        """
        account = await self._store.accounts.get(mailbox)
        limit = self._default if account is None or account.quota is None else account.quota
        if not limit:
            return PASS
        held = await self._store.octets_in(mailbox)
        if held < limit and held + size <= limit:
            return PASS
        reason = f"{mailbox} holds {held} of {limit} octets, and the letter has {size}"
        return Refuse(OVER_QUOTA_PERMANENT, reason) if self._permanent else Defer(OVER_QUOTA, reason)
