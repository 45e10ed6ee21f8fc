"""Forked workers that count concurrently; prints the sums."""

from __future__ import annotations

import os
import time

from mailstack.letter.envelope import HostPort
from mailstack.policy.counters import MmapCounters, mmap_counters
from mailstack.policy.limits import ConnectionLimiter, Rate

WORKERS, ROUNDS = 3, 2000
HERE = HostPort("192.0.2.1", 4000)


def in_worker(counters: MmapCounters, number: int) -> None:
    counters.connections.attach(number)
    for _ in range(ROUNDS):
        with counters.failures.entry("alice") as row:
            row[0] = time.time() + 60
            row[1] += 1
    rate = Rate(time.time, 5, 3600.0, table=counters.rates, kind="letters")
    limits = ConnectionLimiter(total=100, per_address=50, counts=counters.connections)
    allowed = sum(rate.consume("alice") for _ in range(10))
    for _ in range(number):
        limits.admit(HERE)
    with counters.logins.entry("allowed") as row:
        row[0] = time.time() + 60
        row[1] += allowed


def main() -> None:
    counters = mmap_counters(WORKERS, time.time)
    pids = []
    for number in range(1, WORKERS + 1):
        pid = os.fork()
        if not pid:
            in_worker(counters, number)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * WORKERS
    counts = counters.connections
    with counters.failures.entry("alice") as failures, counters.logins.entry("allowed") as allowed:
        print(int(failures[1]), int(allowed[1]), counts.by_worker(), counts.count("192.0.2.1"))  # noqa: T201
    counts.detach(2)
    limits = ConnectionLimiter(total=4, per_address=50, counts=counts)
    print(counts.total(), counts.count("192.0.2.1"), limits.admit(HERE))  # noqa: T201


if __name__ == "__main__":
    main()
