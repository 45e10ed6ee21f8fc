"""Read-only connections to SQLite databases, also on a disk that can't be written, and what SQLite finds wrong there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_FAULTS = 100
"""Faults of one database that are named."""


def connect_read_only(path: Path, *, timeout: float = 10.0, **options: Any) -> sqlite3.Connection:
    """Raises sqlite3.Error where there is no database that can be opened."""
    uri = path.absolute().as_uri()
    connection: sqlite3.Connection = sqlite3.connect(
        f"{uri}?mode=ro", uri=True, timeout=timeout, isolation_level=None, **options
    )
    return connection


def integrity_of(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """Faults that `integrity_check` and `foreign_key_check` name, a line each; `name` is how people call the database."""
    try:
        for (fault,) in connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})"):
            if fault != "ok":
                yield f"{name}: {' '.join(str(fault).split())}"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            yield f"{name}: table {table}, row {row}: there is no {parent} for it"
    except sqlite3.Error as error:
        yield f"{name} can't be checked: {error}"
