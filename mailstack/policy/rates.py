"""Rate limits per name (RFC 6409 §6.2) and mailbox quotas (RFC 3463 X.2.2)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.policy import PASS, Defer, Refuse, Verdict
from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.policy.networks import client_network
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply
from mailstack.store import Store

TOO_MANY_LETTERS = reply(450, "4.7.1", "too many letters at present, try again later")
TOO_MANY_RECIPIENTS = reply(450, "4.7.1", "too many recipients at present, try again later")
TOO_FAST = reply(421, "4.7.0", "too many connections from you at present, try again later", closes=True)

HOUR = 3600.0
MINUTE = 60.0


class Rate:
    """Leaky bucket for each name: `limit` at once, refilled evenly over `period`.

    A bucket is one number: the time at which it is full again. A name without use for a period is dropped.
    """

    def __init__(
        self,
        now: Callable[[], float],
        limit: int,
        period: float = HOUR,
        *,
        table: CounterTable | None = None,
        kind: str = "",
    ) -> None:
        """`period` is in seconds. Rates that share a `table` differ in `kind`."""
        self._now = now
        self._each = period / limit
        self._period = period
        self._table = table or LocalCounterTable(now)
        self._kind = kind

    def consume(self, name: str) -> bool:
        """Return whether `name` is within its limit, and count the use if so."""
        now = self._now()
        with self._table.entry(f"{self._kind} {name}") as entry:
            before = max(now, entry[0])
            allowed = before + self._each - now <= self._period + self._each / 1000
            entry[0] = before + self._each if allowed else before
        return allowed


class Rates:
    """Limits of letters and recipients per hour, by account or else by client address; 0 is no limit."""

    def __init__(
        self,
        now: Callable[[], float],
        letters: int,
        recipients: int,
        *,
        table: CounterTable | None = None,
        service: str = "",
    ) -> None:
        """`service` distinguishes the counts of several services in one `table`."""
        self._letters = Rate(now, letters, table=table, kind=f"{service} letters") if letters else None
        self._recipients = Rate(now, recipients, table=table, kind=f"{service} recipients") if recipients else None

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._letters is None or self._letters.consume(name):
            return PASS
        return Defer(TOO_MANY_LETTERS, f"{name} sent all the letters of an hour")

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._recipients is None or self._recipients.consume(name):
            return PASS
        return Defer(TOO_MANY_RECIPIENTS, f"{name} named all the recipients of an hour")


def _name(client: Client) -> str:
    return client.account or client_network(client.remote.host)


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
