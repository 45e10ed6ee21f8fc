"""Counters in one process, or in memory shared by worker processes."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b
from typing import BinaryIO, Protocol

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

    def count(self, client: str) -> int:
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

    def count(self, client: str) -> int:
        return self._clients.get(client, 0)

    def add(self, client: str) -> None:
        self._total += 1
        self._clients[client] = self._clients.get(client, 0) + 1

    def remove(self, client: str) -> None:
        self._total -= 1
        count = self._clients[client] - 1
        if count:
            self._clients[client] = count
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


_ROW = struct.Struct("=16sddd")
"""Layout of an entry: digest of the name, and three numbers."""
_ENTRIES_PER_BUCKET = 8
"""Number of entries in a bucket; a new entry replaces the next entry to expire."""
_BUCKET = _ENTRIES_PER_BUCKET * _ROW.size
_LOCK_TIMEOUT_S = 0.5
"""Maximum seconds to wait for a lock. It is held for microseconds, unless its process is stopped."""

_SLOTS = 65_536


class MmapCounterTable:
    """Counter table in shared memory. Entries are found by a keyed digest, so that no client can choose its entry."""

    def __init__(self, buckets: int = 16_384, now: Callable[[], float] = time.time) -> None:
        """Each bucket holds eight entries; memory is used as they are written.

        `now` returns the same seconds in every process that shares the table.
        """
        self._now = now
        self._buckets = buckets
        self._memory = mmap.mmap(-1, buckets * _BUCKET)
        self._locks: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the table exists
        weakref.finalize(self, self._locks.close)
        self._key = os.urandom(16)

    @contextmanager
    def entry(self, name: str) -> Iterator[list[float]]:
        """See CounterTable. After a lock timeout the entry is used unlocked, so one of two changes may be lost."""
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=16, key=self._key).digest()
        bucket = int.from_bytes(digest[:4]) % self._buckets
        locked = self._lock(bucket)
        try:
            now = self._now()
            offset, row = self._find(digest, bucket * _BUCKET, now)
            before = list(row)
            yield row
            # Reading a missing entry adds none.
            if row != before:
                _ROW.pack_into(self._memory, offset, digest, *row)
        finally:
            if locked:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, bucket)

    def _lock(self, bucket: int) -> bool:
        end = 0.0
        while True:
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, bucket)
            except (BlockingIOError, PermissionError):
                end = end or time.monotonic() + _LOCK_TIMEOUT_S
                if time.monotonic() > end:
                    return False
                os.sched_yield()
            else:
                return True

    def _find(self, digest: bytes, start: int, now: float) -> tuple[int, list[float]]:
        """Return the offset of the entry of a digest, or of the entry to replace, and its numbers."""
        earliest, offset = float("inf"), start
        for at in range(start, start + _BUCKET, _ROW.size):
            found, *row = _ROW.unpack_from(self._memory, at)
            if found == digest:
                return at, row if row[0] > now else [0.0, 0.0, 0.0]
            if row[0] < earliest:
                earliest, offset = row[0], at
        return offset, [0.0, 0.0, 0.0]


class MmapConnectionCounts:
    """Connection counts by worker and client. Each worker writes its own counts and reads the counts of all workers.

    A client is a 16-bit hash: two clients may share a count, so a count is never too small.
    """

    def __init__(self, workers: int) -> None:
        self._totals = _counts(workers)
        self._clients = _counts(workers * _SLOTS)
        self._workers = range(workers)
        self._key = os.urandom(16)
        self._worker = 0

    def attach(self, number: int) -> None:
        """Count for a worker, in its process; numbers start at 1."""
        self._worker = number - 1

    def detach(self, number: int) -> None:
        """Reset the counts of a worker that has ended."""
        self._totals[number - 1] = 0
        self._clients[(number - 1) * _SLOTS : number * _SLOTS] = _counts(_SLOTS)

    def total(self) -> int:
        """See ConnectionCounts, also for the methods below."""
        return sum(self._totals)

    def by_worker(self) -> list[int]:
        return self._totals.tolist()

    def count(self, client: str) -> int:
        slot = self._slot(client)
        return sum([self._clients[worker * _SLOTS + slot] for worker in self._workers])

    def add(self, client: str) -> None:
        self._totals[self._worker] += 1
        self._clients[self._worker * _SLOTS + self._slot(client)] += 1

    def remove(self, client: str) -> None:
        self._totals[self._worker] -= 1
        self._clients[self._worker * _SLOTS + self._slot(client)] -= 1

    def _slot(self, client: str) -> int:
        digest = blake2b(client.encode(errors="surrogatepass"), digest_size=2, key=self._key).digest()
        return int.from_bytes(digest)


def _counts(number: int) -> memoryview[int]:
    """Return counts of 0 in memory shared across forks; each is read and written atomically."""
    return memoryview(mmap.mmap(-1, 4 * number)).cast("i")


class MmapCounters(SharedCounters, frozen=True):
    """Counters of a server with several workers; created before the fork."""

    connections: MmapConnectionCounts
    long_requests: MmapConnectionCounts
    event_listeners: MmapConnectionCounts
    exchange: MmapConnectionCounts

    @property
    def _counts(self) -> tuple[MmapConnectionCounts, ...]:
        return self.connections, self.long_requests, self.event_listeners, self.exchange

    def attach(self, number: int) -> None:
        """Count for a worker, in its process; numbers start at 1."""
        for counts in self._counts:
            counts.attach(number)

    def detach(self, number: int) -> None:
        """Reset all counts of a worker that has ended."""
        for counts in self._counts:
            counts.detach(number)


def mmap_counters(workers: int, steady: Callable[[], float]) -> MmapCounters:
    """Create the counters of a server with so many workers; their clocks agree with `steady`."""
    rates, failures, places, logins = (MmapCounterTable(now=steady) for _ in range(4))
    connections, streams, watchers, exchange = (MmapConnectionCounts(workers) for _ in range(4))
    return MmapCounters(connections, rates, failures, places, logins, streams, watchers, exchange)
