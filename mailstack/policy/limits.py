"""Limits of concurrent connections (RFC 5321 §7.8), and tarpit after errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from mailstack.letter.envelope import HostPort
from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.counters import ConnectionCounts, CounterTable, LocalConnectionCounts
from mailstack.policy.networks import IpNetwork, client_network, is_exempt
from mailstack.policy.rates import MINUTE, TOO_FAST, Rate
from mailstack.protocols.smtp.replies import reply

TOO_MANY = reply(421, "4.3.2", "too many connections, try again later", closes=True)


class Admission(Protocol):
    """Decides which connections a listener serves."""

    def admit(self, remote: HostPort) -> Verdict:
        """A Pass counts the connection, and `release` must follow; after a Defer it must not."""

    def release(self, remote: HostPort) -> None:
        """An admitted connection has ended."""


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
        """`per_minute`: new connections of one client; 0 is no limit. `busy`: the part of `total` from which we are.

        `counts` and `rates` may be shared with other processes. `exempt`: networks for which only `total` holds.
        """
        self._exempt = exempt
        self._total = total
        self._per_address = per_address
        self._rate = Rate(now, per_minute, MINUTE, table=rates, kind="connections") if per_minute else None
        self._busy = busy * total
        self._counts = counts or LocalConnectionCounts()

    @property
    def open(self) -> int:
        """Connections admitted and not released."""
        return self._counts.total()

    def is_busy(self) -> bool:
        """Return whether so many connections are open that timeouts must be shorter."""
        return self._counts.total() >= self._busy

    def admit(self, remote: HostPort) -> Verdict:
        """A Pass counts the connection, and `release` must follow; after a Defer it must not."""
        client = client_network(remote.host)
        count, total = self._counts.of(client), self._counts.total()
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
        """An admitted connection has ended."""
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
        """`per_address`: maximum for one client. `counts` may be shared with other processes. `exempt`: networks without it."""
        self._limits = limits
        self._per_address = per_address
        self._counts = counts or LocalConnectionCounts()
        self._exempt = exempt

    def admit(self, remote: HostPort) -> Verdict:
        """See Admission."""
        client = client_network(remote.host)
        count = self._counts.of(client)
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
    """A clock that can be waited for."""

    async def pause(self, seconds: float) -> None: ...


class Tarpit:
    """Delays of error replies, by connection.

    At most `max_waiting` replies wait at a time, which bounds the timers. Beyond that, replies are sent at once; such
    connections are closed after as many errors as all others.
    """

    def __init__(
        self,
        clock: PausingClock,
        *,
        first: float,
        longest: float,
        free: int = 5,
        max_waiting: int = 100,
    ) -> None:
        """`first` and `longest` are in seconds. After `free` errors the delay is `first`, and doubles up to `longest`."""
        self._clock = clock
        self._first = first
        self._longest = longest
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
        return 0.0 if beyond < 0 else min(self._longest, self._first * 2.0 ** min(beyond, 60))

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
