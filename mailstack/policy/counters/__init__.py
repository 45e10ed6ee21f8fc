"""Counters shared by worker processes, with a single-process form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from msgspec import Struct

from mailstack.protocols.connection import Clock


class CounterTable(Protocol):
    """Table of three numbers under each name, each row with an expiry."""

    def row(self, name: str) -> AbstractContextManager[list[float]]:
        """The numbers of a name, to be read and set within the block, which waits for nothing.

        The first is the time until which the row is kept, by the clock of the ledger: all are 0 where there is none.
        That clock is `Clock.steady`; for the ends of browsers' sessions it is `Clock.now`.
        """


class ConnectionCounts(Protocol):
    """Counts of connections."""

    def total(self) -> int:
        """In all."""

    def of(self, client: str) -> int:
        """Of one client; never fewer than there are."""

    def add(self, client: str) -> None:
        """One more, in this process."""

    def remove(self, client: str) -> None:
        """One that was added in this process has ended."""


class SharedCounters(Struct, frozen=True):
    """Counters of a whole server."""

    connections: ConnectionCounts
    rates: CounterTable
    """Recent use of rate limits by clients and accounts."""
    failures: CounterTable
    """Recent failed logins."""
    places: CounterTable
    """Clients that an account has logged in from."""
    logins: CounterTable
    """Time of the last login of each reader."""
    streams: ConnectionCounts
    """Long requests, such as streams and waits."""
    watchers: ConnectionCounts
    """Event streams, which are among `streams`."""
    exchange: ConnectionCounts
    """Connections to the mail exchange, which are among `connections`."""


class LocalCounterTable:
    """Counter table of a single process."""

    def __init__(self, now: Callable[[], float], capacity: int = 100_000) -> None:
        """Beyond `capacity` the rows go first that were used longest ago."""
        self._now = now
        self._capacity = capacity
        self._rows: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @contextmanager
    def row(self, name: str) -> Iterator[list[float]]:
        """See Ledger."""
        row = self._rows.pop(name, None)
        now = self._now()
        if row is None or row[0] <= now:
            row = [0.0, 0.0, 0.0]
        try:
            yield row
        finally:
            if row[0] > now:
                self._rows[name] = row
                if len(self._rows) > self._capacity:
                    self._make_room(now)

    def _make_room(self, now: float) -> None:
        self._rows = {name: row for name, row in self._rows.items() if row[0] > now}
        while len(self._rows) > self._capacity * 9 // 10:
            del self._rows[next(iter(self._rows))]


class LocalConnectionCounts:
    """Connection counts of a single process."""

    def __init__(self) -> None:
        self._total = 0
        self._clients: dict[str, int] = {}

    def total(self) -> int:
        """See Counts, for all of these."""
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
    """For an office of one process."""
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
