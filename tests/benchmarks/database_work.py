"""What a PostgreSQL did between two looks at it: statements, commits, octets of its log, processor time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

import psycopg
from attrs import frozen

from tests.postgresql.cluster import Cluster
from tests.postgresql.guard import postmaster_of

SETTINGS = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "1000"}
"""Of a cluster that is looked at. What belongs to safety is as PostgreSQL has it."""


@frozen
class Work:
    """Sums since the server began, or what was done between two of them."""

    statements: float
    commits: float
    rollbacks: float
    log_octets: float
    """Of the write-ahead log."""
    seconds: float
    """Processor time of all its processes."""

    @classmethod
    def of(cls, cluster: Cluster) -> Self:
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            calls = dict(connection.execute(_CALLS).fetchall())
            (octets,) = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone() or (0,)
        commits, rollbacks = float(calls.get("COMMIT", 0)), float(calls.get("ROLLBACK", 0))
        statements = float(calls.get("", 0))
        return cls(statements, commits, rollbacks, float(octets), _processor_time(cluster))

    def since(self, before: Work, letters: int) -> Work:
        """For each of so many letters."""
        names = [each.name for each in type(self).__attrs_attrs__]  # type: ignore[attr-defined]
        parts: list[Any] = [(getattr(self, name) - getattr(before, name)) / letters for name in names]
        return Work(*parts)


_CALLS = """
SELECT CASE WHEN query ILIKE 'commit%' THEN 'COMMIT' WHEN query ILIKE 'rollback%' THEN 'ROLLBACK'
            WHEN query ILIKE 'begin%' OR query ILIKE 'start tr%' THEN 'BEGIN' ELSE '' END, sum(calls)
FROM pg_stat_statements GROUP BY 1
"""


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
