"""Read-only access to SQLite databases, also on a read-only disk, and integrity checks."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from mailstack.store.schema import has_newest

MAX_FAULTS = 100
"""Faults of one database that are named."""
_LOG = "-wal"


class ReadableDatabase:
    """A database that is only read, whether or not its directory can be written.

    SQLite reads a write-ahead log with the help of a file beside it, which it can't make on a read-only disk. There a
    database without a log is read as it is, and one with a log is copied to a temporary directory, for the log may have
    letters that the database has not.
    """

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error where there is no database that can be read, and OSError."""
        self._copied: tempfile.TemporaryDirectory[str] | None = None
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            self._try()
        except sqlite3.OperationalError as error:
            if not path.is_file() or error.sqlite_errorcode & 0xFF not in {
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            }:
                raise
            log = path.with_name(f"{path.name}{_LOG}")
            if log.exists() and log.stat().st_size:
                self._uri = f"{self._copy(path, log).as_uri()}?mode=ro"
            else:
                self._uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
            self._try()

    def connect(self, *, timeout: float = 10.0, **options: Any) -> sqlite3.Connection:
        """A connection in autocommit mode; `options` as sqlite3.connect takes them. Raises sqlite3.Error."""
        connection: sqlite3.Connection = sqlite3.connect(
            self._uri, uri=True, timeout=timeout, isolation_level=None, **options
        )
        return connection

    def close(self) -> None:
        """Remove the copy, if one was made; all connections must be closed."""
        if self._copied is not None:
            self._copied.cleanup()

    def _try(self) -> None:
        with closing(self.connect()) as connection:
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()

    def _copy(self, path: Path, log: Path) -> Path:
        self._copied = tempfile.TemporaryDirectory(prefix="mailstack-")
        place = Path(self._copied.name)
        for file in (path, log):
            shutil.copyfile(file, place / file.name)
        return place / path.name


def is_current(path: Path) -> bool:
    """Whether there is a database of the newest schema, which can be read as it is. Raises OSError."""
    if not path.is_file():
        return False
    try:
        database = ReadableDatabase(path)
        try:
            with closing(database.connect()) as connection:
                return has_newest(connection)
        finally:
            database.close()
    except sqlite3.Error:
        return False


def integrity_of(connection: sqlite3.Connection, name: str) -> Iterator[str]:
    """Faults that `integrity_check` and `foreign_key_check` name, a line each; `name` is how people call the database."""
    try:
        for (fault,) in connection.execute(f"PRAGMA integrity_check({MAX_FAULTS})"):
            if fault != "ok":
                yield f"{name}: {' '.join(str(fault).split())}"
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            yield f"{name}: table {table}, row {row}: there is no {parent} for it"
    except sqlite3.Error as error:
        yield f"{name}: it can't be checked: {error}"
