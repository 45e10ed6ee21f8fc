"""Counters shared by worker processes, with a single-process form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from msgspec import Struct

from mailstack.protocols.connection import Clock


class CounterTable(Protocol):
    """Table of three numbers for each name, with an expiry."""

    def entry(self, name: str) -> AbstractContextManager[list[float]]:
        """Lock the entry of a name and yield its numbers for reading and writing; the block must not wait.

        The first number is the expiry, in seconds of the clock of the table. All are 0 for a missing entry. The clock is
        `Clock.steady`; for the expiry of browser sessions it is `Clock.now`.
        """


class ConnectionCounts(Protocol):
    """Counts of open connections, in total and by client."""

    def total(self) -> int:
        """Return the number of all connections."""

    def of(self, client: str) -> int:
        """Return the number for one client; never less than the true number."""

    def add(self, client: str) -> None:
        """Count a connection of this process."""

    def remove(self, client: str) -> None:
        """Uncount a connection of this process."""


class SharedCounters(Struct, frozen=True):
    """Counters of a whole server."""

    connections: ConnectionCounts
    """Number of open connections of all services."""
    rates: CounterTable
    """Recent use of rate limits by clients and accounts."""
    failures: CounterTable
    """Recent failed logins."""
    login_addresses: CounterTable
    """Addresses from which an account has logged in."""
    logins: CounterTable
    """Time of the last POP3 login of each account."""
    long_requests: ConnectionCounts
    """Number of open event streams and long polls."""
    event_listeners: ConnectionCounts
    """Number of open event streams; part of `long_requests`."""
    exchange: ConnectionCounts
    """Number of open connections to the MX service; part of `connections`."""


class LocalCounterTable:
    """Counter table of a single process."""

    def __init__(self, now: Callable[[], float], capacity: int = 100_000) -> None:
        """`capacity` is in entries; beyond it the least recently used ones are evicted."""
        self._now = now
        self._capacity = capacity
        self._entries: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @contextmanager
    def entry(self, name: str) -> Iterator[list[float]]:
        """See CounterTable."""
        row = self._entries.pop(name, None)
        now = self._now()
        if row is None or row[0] <= now:
            row = [0.0, 0.0, 0.0]
        try:
            yield row
        finally:
            if row[0] > now:
                self._entries[name] = row
                if len(self._entries) > self._capacity:
                    self._evict(now)

    def _evict(self, now: float) -> None:
        self._entries = {name: row for name, row in self._entries.items() if row[0] > now}
        while len(self._entries) > self._capacity * 9 // 10:
            del self._entries[next(iter(self._entries))]


class LocalConnectionCounts:
    """Connection counts of a single process."""

    def __init__(self) -> None:
        self._total = 0
        self._clients: dict[str, int] = {}

    def total(self) -> int:
        """See ConnectionCounts, also for the methods below."""
        return self._total

    def of(self, client: str) -> int:
        return self._clients.get(client, 0)

    def add(self, client: str) -> None:
        self._total += 1
        self._clients[client] = self._clients.get(client, 0) + 1

    def remove(self, client: str) -> None:
        self._total -= 1
        left = self._clients[client] - 1
        if left:
            self._clients[client] = left
        else:
            del self._clients[client]


def single_process(clock: Clock) -> SharedCounters:
    """Create the counters of a server of one process."""
    steady = clock.steady
    failures, places = (LocalCounterTable(steady, 10_000) for _ in range(2))
    rates, logins = LocalCounterTable(steady), LocalCounterTable(steady)
    return SharedCounters(
        LocalConnectionCounts(),
        rates,
        failures,
        places,
        logins,
        LocalConnectionCounts(),
        LocalConnectionCounts(),
        LocalConnectionCounts(),
    )
