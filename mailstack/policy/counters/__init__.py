"""What all processes of an office count together, for limits that hold for them as a whole: interfaces, and the lone case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from msgspec import Struct

from mailstack.protocols.connection import Clock


class CounterTable(Protocol):
    """Three numbers under each name, none of which is kept longer than need be."""

    def row(self, name: str) -> AbstractContextManager[list[float]]:
        """The numbers of a name, to be read and set within the block, which waits for nothing.

        The first is the time until which the row is kept, by the clock of the ledger: all are 0 where there is none.
        That clock is `Clock.steady`; for the ends of browsers' sessions it is `Clock.now`.
        """


class ConnectionCounts(Protocol):
    """How many connections there are."""

    def total(self) -> int:
        """In all."""

    def of(self, client: str) -> int:
        """Of one client; never fewer than there are."""

    def add(self, client: str) -> None:
        """One more, in this process."""

    def remove(self, client: str) -> None:
        """One that was added in this process has ended."""


class SharedCounters(Struct, frozen=True):
    """All that is counted together."""

    connections: ConnectionCounts
    rates: CounterTable
    """What clients and accounts took lately."""
    failures: CounterTable
    """Logins that failed lately."""
    places: CounterTable
    """Where accounts logged in from."""
    logins: CounterTable
    """When readers logged in last."""
    streams: ConnectionCounts
    """Requests that may go on for long."""
    watchers: ConnectionCounts
    """Of these, those that are told what happens to letters."""
    exchange: ConnectionCounts
    """Connections to the mail exchange, which are among `connections`."""


class LocalCounterTable:
    """The ledger of a process that serves alone."""

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
    """The connections of a process that serves alone."""

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
