"""SQLite databases for tests: connections, changes by another process, content files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.python.failure import Failure

from mailstack.letter import LetterId
from mailstack.store.sqlite.store import DATABASE, SqliteStore
from tests.aid import Pump
from tests.contracts.store import acceptance

Open = Callable[..., SqliteStore]


def database(directory: Path) -> sqlite3.Connection:
    return sqlite3.connect(directory / DATABASE, isolation_level=None, timeout=0.05)


def change(directory: Path, statement: str, *parameters: Any) -> None:
    """As another process does."""
    connection = database(directory)
    connection.execute(statement, parameters)
    connection.close()


def wait_for(pump: Pump, *started: list[Any]) -> list[Any]:
    """Results, or the errors, of coroutines that run at the same time."""
    while not all(started):
        pump._calls.get(timeout=20)()
    return [result[0].value if isinstance(result[0], Failure) else result[0] for result in started]


def content_files(directory: Path) -> list[Path]:
    return sorted((directory / "contents").glob("*/*"))


def accept_large(pump: Pump, store: SqliteStore, size: int = 100_000) -> LetterId:
    accepted = acceptance(octets=b"x" * size)
    pump.run(store.queue.accept(accepted))
    return accepted.letter.id
