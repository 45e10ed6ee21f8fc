"""Limits of rates (RFC 6409 §6.2), quotas and connections (RFC 5321 §7.8); tarpit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer, Refuse, Verdict
from mailstack.policy.counters import ConnectionCounts, CounterTable, LocalConnectionCounts, LocalCounterTable
from mailstack.policy.networks import IpNetwork, client_network, is_exempt
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply
from mailstack.store import Store

TOO_MANY_LETTERS = reply(450, "4.7.1", "too many messages at present, try again later")
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
        return Defer(TOO_MANY_LETTERS, f"{name} sent all the messages of an hour")

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
        used = await self._store.mailboxes.octets_in(mailbox)
        if used < limit and used + size <= limit:
            return PASS
        reason = f"{mailbox} holds {used} of {limit} octets, and the message has {size}"
        return Refuse(OVER_QUOTA_PERMANENT, reason) if self._permanent else Defer(OVER_QUOTA, reason)


TOO_MANY = reply(421, "4.3.2", "too many connections, try again later", closes=True)


class Admission(Protocol):
    """Admission of connections to a listener."""

    def admit(self, remote: HostPort) -> Verdict:
        """Verdict on a new connection. Only a Pass counts it, and requires a later `release`."""

    def release(self, remote: HostPort) -> None:
        """Uncount an admitted connection that has ended."""


class ConnectionLimiter:
    """Counts connections from `admit` to `release`. One IPv6 site counts as one client."""

    def __init__(
        self,
        total: int = 10000,
        per_address: int = 1000,
        *,
        per_minute: int = 0,
        busy: float = 0.8,
        now: Callable[[], float] = time.time,
        counts: ConnectionCounts | None = None,
        rates: CounterTable | None = None,
        exempt: Sequence[IpNetwork] = (),
    ) -> None:
        """`per_minute` limits new connections of one client; 0 is no limit. `busy` is a fraction of `total`.

        `counts` and `rates` may be shared with other processes. Networks in `exempt` are limited by `total` alone.
        """
        self._exempt = exempt
        self._total = total
        self._per_address = per_address
        self._rate = Rate(now, per_minute, MINUTE, table=rates, kind="connections") if per_minute else None
        self._busy = busy * total
        self._counts = counts or LocalConnectionCounts()

    @property
    def open(self) -> int:
        return self._counts.total()

    def is_busy(self) -> bool:
        """Return whether so many connections are open that timeouts must be shorter."""
        return self._counts.total() >= self._busy

    def admit(self, remote: HostPort) -> Verdict:
        """See Admission."""
        client = client_network(remote.host)
        count, total = self._counts.count(client), self._counts.total()
        if total >= self._total:
            return Defer(TOO_MANY, f"{total} connections are open in all")
        if not is_exempt(remote.host, self._exempt):
            if count >= self._per_address:
                return Defer(TOO_MANY, f"{client} has {count} connections open")
            if self._rate is not None and not self._rate.consume(client):
                return Defer(TOO_FAST, f"{client} opened too many connections within a minute")
        self._counts.add(client)
        return PASS

    def release(self, remote: HostPort) -> None:
        """See Admission."""
        self._counts.remove(client_network(remote.host))


class ServiceLimiter:
    """Counts the connections of one service by address, within the limits of all services."""

    def __init__(
        self,
        limits: Admission,
        per_address: int,
        *,
        counts: ConnectionCounts | None = None,
        exempt: Sequence[IpNetwork] = (),
    ) -> None:
        """`per_address` limits one client outside the networks in `exempt`. `counts` may be shared with other processes."""
        self._limits = limits
        self._per_address = per_address
        self._counts = counts or LocalConnectionCounts()
        self._exempt = exempt

    def admit(self, remote: HostPort) -> Verdict:
        """See Admission."""
        client = client_network(remote.host)
        count = self._counts.count(client)
        if count >= self._per_address and not is_exempt(remote.host, self._exempt):
            return Defer(TOO_MANY, f"{client} has {count} connections open to this service")
        verdict = self._limits.admit(remote)
        if verdict is PASS:
            self._counts.add(client)
        return verdict

    def release(self, remote: HostPort) -> None:
        """See Admission."""
        self._counts.remove(client_network(remote.host))
        self._limits.release(remote)


class PausingClock(Protocol):
    """Clock with `pause`."""

    async def pause(self, seconds: float) -> None: ...


class Tarpit:
    """Delays of error replies, by connection.

    At most `max_waiting` replies wait at a time, which bounds the timers. Beyond that, replies are sent at once; such
    connections are closed after the usual number of errors.
    """

    def __init__(
        self, clock: PausingClock, *, first: float, max_delay: float, free: int = 5, max_waiting: int = 100
    ) -> None:
        """`first` and `max_delay` are in seconds. After `free` errors the delay is `first`, and doubles up to `max_delay`."""
        self._clock = clock
        self._first = first
        self._max_delay = max_delay
        self._free = free
        self._max_waiting = max_waiting
        self.waiting = 0
        """Number of replies that wait now."""

    async def pause(self, seconds: float) -> None:
        """Return after `seconds`."""
        await self._clock.pause(seconds)

    def delay(self, errors: int) -> float:
        """Return the delay of the reply to the `errors`-th error of a connection, in seconds."""
        beyond = errors - self._free - 1
        return 0.0 if beyond < 0 else min(self._max_delay, self._first * 2.0 ** min(beyond, 60))

    async def hold(self, errors: int) -> None:
        """Return when the reply may be sent."""
        delay = self.delay(errors)
        if delay <= 0 or self.waiting >= self._max_waiting:
            return
        self.waiting += 1
        try:
            await self._clock.pause(delay)
        finally:
            self.waiting -= 1
