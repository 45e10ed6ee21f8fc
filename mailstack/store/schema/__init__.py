"""The schema's history: numbered SQL files, run forward and never back."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from importlib.resources.abc import Traversable

from msgspec import Struct

from mailstack.store import StoreError

VERSION_TABLE = "schema_version"

_FILE = re.compile(r"(\d{4})_\w+\.sql\Z")


class Migration(Struct, frozen=True):
    """One step from the version before to `version`."""

    version: int
    script: str
    """SQL statements, each ended by a semicolon at the end of a line."""


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """All that this program knows, in order; they come with the package. `folder`: None is SQLite's."""
    found = [
        Migration(int(name.group(1)), file.read_text("utf-8"))
        for file in (folder or resources.files(__name__)).iterdir()
        if (name := _FILE.match(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def migrate(connection: sqlite3.Connection, known: list[Migration]) -> int:
    """Bring the database to the newest version that is known, in one transaction; its version.

    The connection is in autocommit mode. Raises StoreError when a newer program has written the database.
    """
    newest = known[-1].version
    # A database that is up to date is only read, so that a command never waits here for a busy server.
    if _version(connection) == newest:
        return newest
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)
        if version > newest:
            raise StoreError(
                f"the database has schema version {version}, this program knows {newest}: start the newer mailstack that"
                " wrote it, or restore a backup of before"
            )
        if version == 0:
            connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO schema_version (version) VALUES (0)")
        for migration in known:
            if migration.version > version:
                for statement in _statements(migration.script):
                    connection.execute(statement)
        connection.execute("UPDATE schema_version SET version = ?", (newest,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return newest


def _version(connection: sqlite3.Connection) -> int:
    """0 for a database that has just been made."""
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)).fetchall()
    return version_of(connection) if found else 0


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a database that has one. Raises StoreError."""
    rows = connection.execute("SELECT version FROM schema_version").fetchall()
    if len(rows) != 1 or not isinstance(rows[0][0], int):
        raise StoreError("the table schema_version does not hold one version: the database is damaged")
    return int(rows[0][0])


def _statements(script: str) -> list[str]:
    statements, lines = [], []
    for line in script.splitlines():
        lines.append(line)
        if line.rstrip().endswith(";"):
            statements.append("\n".join(lines))
            lines = []
    return statements
