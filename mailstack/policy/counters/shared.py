"""Counters in shared memory for forked workers."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import BinaryIO

from mailstack.policy.counters import SharedCounters

_ROW = struct.Struct("=16sddd")
"""The digest of a name, and its numbers."""
_WAYS = 8
"""Rows that a name may be in; of these the one that is over first makes room."""
_BUCKET = _WAYS * _ROW.size
_PATIENCE = 0.5
"""Seconds for which a lock is asked for. It is held for some microseconds, unless its process was stopped just then."""

_SLOTS = 65_536


class MmapCounterTable:
    """Rows in shared memory, found by a keyed digest of their name, so that no client can choose its row."""

    def __init__(self, buckets: int = 16_384, now: Callable[[], float] = time.time) -> None:
        """Room for eight times as many rows; memory is taken as they are used.

        `now` gives the same seconds in every process that shares the rows.
        """
        self._now = now
        self._buckets = buckets
        self._memory = mmap.mmap(-1, buckets * _BUCKET)
        self._locks: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the ledger is there
        weakref.finalize(self, self._locks.close)
        self._key = os.urandom(16)

    @contextmanager
    def row(self, name: str) -> Iterator[list[float]]:
        """See Ledger. Rather than wait for a process that was stopped, two may count as one."""
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=16, key=self._key).digest()
        bucket = int.from_bytes(digest[:4]) % self._buckets
        locked = self._lock(bucket)
        try:
            now = self._now()
            place, row = self._find(digest, bucket * _BUCKET, now)
            before = list(row)
            yield row
            # Reading a missing row adds none.
            if row != before:
                _ROW.pack_into(self._memory, place, digest, *row)
        finally:
            if locked:
                fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, bucket)

    def _lock(self, bucket: int) -> bool:
        end = 0.0
        while True:
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, bucket)
            except (BlockingIOError, PermissionError):
                end = end or time.monotonic() + _PATIENCE
                if time.monotonic() > end:
                    return False
                os.sched_yield()
            else:
                return True

    def _find(self, digest: bytes, start: int, now: float) -> tuple[int, list[float]]:
        """Where the row of a digest is, or is to be, and its numbers."""
        earliest, place = float("inf"), start
        for at in range(start, start + _BUCKET, _ROW.size):
            found, *row = _ROW.unpack_from(self._memory, at)
            if found == digest:
                return at, row if row[0] > now else [0.0, 0.0, 0.0]
            if row[0] < earliest:
                earliest, place = row[0], at
        return place, [0.0, 0.0, 0.0]


class MmapConnectionCounts:
    """Connections by worker and client: each worker writes its own counts, and reads those of all.

    Clients are told apart by a hash of which 65,536 values are counted: two may be counted as one, but none as less.
    """

    def __init__(self, seats: int) -> None:
        self._totals = _counts(seats)
        self._clients = _counts(seats * _SLOTS)
        self._seats = range(seats)
        self._key = os.urandom(16)
        self._seat = 0

    def sit(self, number: int) -> None:
        """In a worker: take a seat, counted from 1."""
        self._seat = number - 1

    def vacate(self, number: int) -> None:
        """The worker of this seat is gone, with all its connections."""
        self._totals[number - 1] = 0
        self._clients[(number - 1) * _SLOTS : number * _SLOTS] = _counts(_SLOTS)

    def total(self) -> int:
        """See Counts, for all of these."""
        return sum(self._totals)

    def by_seat(self) -> list[int]:
        """The connections of each worker."""
        return self._totals.tolist()

    def of(self, client: str) -> int:
        slot = self._slot(client)
        return sum([self._clients[seat * _SLOTS + slot] for seat in self._seats])

    def add(self, client: str) -> None:
        self._totals[self._seat] += 1
        self._clients[self._seat * _SLOTS + self._slot(client)] += 1

    def remove(self, client: str) -> None:
        self._totals[self._seat] -= 1
        self._clients[self._seat * _SLOTS + self._slot(client)] -= 1

    def _slot(self, client: str) -> int:
        digest = blake2b(client.encode(errors="surrogatepass"), digest_size=2, key=self._key).digest()
        return int.from_bytes(digest)


def _counts(number: int) -> memoryview[int]:
    """So many counts, 0 each, in memory that a fork shares; to read or write one is one step of the processor."""
    return memoryview(mmap.mmap(-1, 4 * number)).cast("i")


class SharedCommons(SharedCounters, frozen=True):
    """Made before the fork; what is counted has a seat for each worker."""

    connections: MmapConnectionCounts
    streams: MmapConnectionCounts
    watchers: MmapConnectionCounts
    exchange: MmapConnectionCounts

    @property
    def _counts(self) -> tuple[MmapConnectionCounts, ...]:
        return self.connections, self.streams, self.watchers, self.exchange

    def sit(self, number: int) -> None:
        """In a worker: take a seat, counted from 1."""
        for counts in self._counts:
            counts.sit(number)

    def vacate(self, number: int) -> None:
        """The worker of this seat is gone, with all that was its own."""
        for counts in self._counts:
            counts.vacate(number)


def shared_among(seats: int, steady: Callable[[], float]) -> SharedCommons:
    """Create the counters of a server with so many workers; their clocks agree with `steady`."""
    rates, failures, places, logins = (MmapCounterTable(now=steady) for _ in range(4))
    connections, streams, watchers, exchange = (MmapConnectionCounts(seats) for _ in range(4))
    return SharedCommons(connections, rates, failures, places, logins, streams, watchers, exchange)
