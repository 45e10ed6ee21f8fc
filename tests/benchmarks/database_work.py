"""What a PostgreSQL did between two looks at it: statements, commits, octets of its log, processor time, waits."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Self

import psycopg
from attrs import frozen

from tests.postgresql.cluster import Cluster
from tests.postgresql.guard import postmaster_of

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "1000"}
"""Of a cluster that is looked at. What belongs to safety is as PostgreSQL has it."""


LOOKS = 0.005
"""Seconds between two looks at what the database's processes are at."""
_ACTIVE = """
SELECT coalesce(wait_event_type || ': ' || wait_event, 'none: it runs') FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
"""
_BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@frozen
class Work:
    """Sums since the server began, or what was done between two of them."""

    statements: float
    commits: float
    """Of transactions that change something."""
    log_octets: float
    """Of the write-ahead log."""
    seconds: float
    """Processor time of all its processes."""

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            statements, commits = connection.execute(_CALLS).fetchone() or (0, 0)
            (octets,) = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone() or (0,)
        return cls(float(statements or 0), float(commits or 0), float(octets), _processor_time(cluster))

    def since(self, before: Work, letters: int) -> Work:
        """For each of so many letters."""
        names = [each.name for each in type(self).__attrs_attrs__]  # type: ignore[attr-defined]
        parts: list[Any] = [(getattr(self, name) - getattr(before, name)) / letters for name in names]
        return Work(*parts)


_CALLS = """
SELECT sum(calls), sum(calls) FILTER (WHERE query LIKE 'UPDATE commits %' OR query LIKE 'UPDATE process_leases %')
FROM pg_stat_statements
WHERE query NOT IN ('BEGIN', 'COMMIT', 'ROLLBACK')
"""
"""What ends a transaction is not counted when it was prepared; but each that changes something counts itself."""


class Looks:
    """What the processes of the database are at, looked at again and again within the `with` block."""

    def __init__(self, url: str) -> None:
        self.waits: Counter[str] = Counter()
        self.blocked = 0
        """Locks that somebody waited for, summed over all looks."""
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._over.wait(LOOKS):
                self.waits.update(what for (what,) in connection.execute(_ACTIVE))
                self.blocked += (connection.execute(_BLOCKED).fetchone() or (0,))[0]


def statements_of(cluster: Cluster, most: int = 20) -> list[tuple[int, float, str]]:
    """Those that took the most time: calls, milliseconds in all, text."""
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        return connection.execute(
            "SELECT calls, total_exec_time, query FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT %s",
            (most,),
        ).fetchall()


def _processor_time(cluster: Cluster) -> float:
    """Seconds, of the postmaster, of those it has waited for, and of those that are there."""
    postmaster = postmaster_of(cluster.directory / "data")
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if stat.parent.name == str(postmaster):
            ticks += sum(map(int, parts[11:15]))
        elif parts[1] == str(postmaster):
            ticks += int(parts[11]) + int(parts[12])
    return ticks / os.sysconf("SC_CLK_TCK")
