"""Whether claimers of one queue stand in each other's way: `python -m tests.benchmarks.bench_claims [--claimers 1 2 4 8]`.

So many processes claim what is due from one PostgreSQL, each as fast as it can, until nothing is. Told are claims a
second, statements, commits and processor time of the database for a claim, and what the database's processes waited
for, looked at two hundred times a second (pg_stat_activity, pg_locks).
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from typing import Any

from tests.benchmarks.database_work import SETTINGS, Looks, Work
from tests.benchmarks.letters import SERVER
from tests.benchmarks.passing import Life
from tests.postgresql.cluster import Cluster
from tests.postgresql.server import Server

AT_ONCE = 50
"""Deliveries that are claimed with one call."""


def claim_all(url: str, number: int, begin: Any, told: Any) -> None:
    """In a process of its own: from the barrier on, until there is nothing more."""
    with Life.over(url, f"{SERVER}@c{number}") as life:
        begin.wait(60)
        begun, mine, calls = time.monotonic(), 0, 0
        while claims := life.claim(AT_ONCE):
            mine += sum(len(claim.deliveries) for claim in claims)
            calls += 1
        told.put((mine, calls + 1, begun, time.monotonic()))


def measure(claimers: int, letters: int) -> None:
    spawning = multiprocessing.get_context("spawn")
    with Cluster(SETTINGS) as cluster, Server.of(cluster).database() as url:
        with Life.over(url) as life:
            life.accept(letters, away=True)
        begin, told = spawning.Barrier(claimers + 1), spawning.Queue()
        processes = [spawning.Process(target=claim_all, args=(url, number, begin, told)) for number in range(claimers)]
        for process in processes:
            process.start()
        before = Work.of(cluster)
        with Looks(cluster.url()) as looks:
            begin.wait(60)
            results = [told.get(timeout=300) for _ in processes]
        work = Work.of(cluster).since(before, letters)
        for process in processes:
            process.join()
    claimed = sum(mine for mine, _, _, _ in results)
    assert claimed == letters, f"{claimed} claims of {letters} deliveries: {'lost' if claimed < letters else 'doubled'}"
    seconds = max(end for *_, end in results) - min(begun for *_, begun, _ in results)
    waits = ", ".join(f"{name} {count}" for name, count in looks.waits.most_common(6))
    calls = sum(calls for _, calls, _, _ in results)
    print(  # noqa: T201
        f"| {claimers} | {letters / seconds:,.0f} | {calls} | {min(mine for mine, *_ in results)}"
        f" to {max(mine for mine, *_ in results)} | {work.statements:.3f} | {work.commits:.4f}"
        f" | {work.seconds * 1000:.3f} ms | {looks.blocked} | {waits} |",
        flush=True,
    )


_HEAD = (
    "| claimers | claims a second | calls | for each | statements a claim | commits | processor time | waits for locks | seen |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.bench_claims", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--claimers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--letters", type=int, default=20_000)
    given = parser.parse_args()
    print(_HEAD)  # noqa: T201
    for claimers in given.claimers:
        measure(claimers, given.letters)


if __name__ == "__main__":
    main()
