"""PostgreSQL schema, created and migrated by the first process to open the store.

Migrations are SQLite's, or their equivalents under `schema/postgresql`. One that begins with `-- mailstack: grows`
only adds tables and columns that older programs ignore, so these may keep running. Before any other migration every
process of an older program has to be stopped.
"""

from __future__ import annotations

import contextlib
from importlib import resources

import psycopg
from msgspec import Struct
from twisted.logger import Logger

from mailstack.store import StoreError, schema
from mailstack.store.postgresql.connection import NOW, PostgresConnection, definitions
from mailstack.store.postgresql.database import Watch

OLDEST_SERVER = 130000
_GROWS = "-- mailstack: grows"
_PATIENCE = 3600.0
"""Seconds that a migration may take, and that others wait for it."""
_LOCK = 7_299_301_245_566
"""Advisory lock of the migrating process; an arbitrary number."""

_log = Logger()


class Migration(Struct, frozen=True):
    """One step from the version before to `version`."""

    version: int
    script: str
    grows: bool
    """Whether older programs go on with what it makes."""


def migrations() -> list[Migration]:
    """All that this program knows, in order."""
    own = schema.migrations(resources.files(schema.__name__) / "postgresql")
    return joined(own, schema.migrations())


def joined(own: list[schema.Migration], of_sqlite: list[schema.Migration]) -> list[Migration]:
    """Migrations of PostgreSQL, and of SQLite's those that have no counterpart here, in order."""
    numbers = {each.version for each in own}
    shared = [each for each in of_sqlite if each.version not in numbers]
    found = [Migration(each.version, each.script, each.script.startswith(_GROWS)) for each in own]
    found += [Migration(each.version, definitions(each.script), each.script.startswith(_GROWS)) for each in shared]
    return sorted(found, key=lambda migration: migration.version)


def newest() -> int:
    """The version that this program knows."""
    return migrations()[-1].version


def migrate(connection: PostgresConnection, name: str, known: list[Migration]) -> int:
    """Bring the schema `name` (empty: the first of the search_path) to the newest version that is known; its version.

    It may be newer than this program, if that can still serve from it. Raises StoreError when it can't.
    """
    check(connection)
    if (found := _version(connection)) is not None and _is_served(found, known):
        return found[0]
    watch = Watch(_PATIENCE)
    try:
        with watch.over(connection):
            connection.begin()
            try:
                return _migrated(connection, name, known)
            finally:
                connection.roll_back()
    finally:
        watch.close()


def state(connection: PostgresConnection, known: list[Migration]) -> tuple[str, bool] | None:
    """Description of the schema, and whether it is current; None without a schema. Raises StoreError for an
    incompatible one.
    """
    if (found := _version(connection)) is None:
        return None
    up_to_date = _is_served(found, known)
    coming = "" if up_to_date else f", which is made {known[-1].version} at the next start"
    return f"schema version {found[0]}{coming}", up_to_date


def check(connection: PostgresConnection) -> list[str]:
    """Tolerable defects of the server, for the log. Raises StoreError for others."""
    encoding = _setting(connection, "server_encoding")
    if encoding not in {"UTF8", "UTF-8"}:
        raise StoreError(f"the database has the encoding {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0")
    if (version := connection.raw.info.server_version) < OLDEST_SERVER:
        raise StoreError(
            f"the server is PostgreSQL {version // 10000}: {OLDEST_SERVER // 10000} is the oldest that serves"
        )
    return [
        f"the server runs with {name} = off: it may lose or damage letters when its machine fails"
        for name in ("fsync", "full_page_writes")
        if _setting(connection, name) == "off"
    ]


def _setting(connection: PostgresConnection, name: str) -> str:
    """Empty where the server has no such setting."""
    ((value,),) = connection.execute("SELECT current_setting(?, TRUE)", (name,)).fetchall()
    return str(value or "")


def _migrated(connection: PostgresConnection, name: str, known: list[Migration]) -> int:
    connection.execute(f"SET LOCAL statement_timeout = {int(_PATIENCE * 1000)}")
    connection.execute(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}")
    connection.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    if name:
        connection.raw.execute(psycopg.sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(psycopg.sql.Identifier(name)))
    found = _version(connection)
    if found is not None and _is_served(found, known):
        return found[0]
    version, serves = found or (0, 0)
    coming = [migration for migration in known if migration.version > version]
    if version:
        _refuse_to_break(connection, coming)
    else:
        connection.execute("CREATE TABLE schema_info (version BIGINT NOT NULL, serves BIGINT NOT NULL)")
        connection.execute("INSERT INTO schema_info (version, serves) VALUES (0, 0)")
    for migration in coming:
        connection.raw.execute(migration.script.encode())
        serves = serves if migration.grows and serves else migration.version
    connection.execute("UPDATE schema_info SET version = ?, serves = ?", (known[-1].version, serves))
    connection.commit()
    return known[-1].version


def _is_served(found: tuple[int, int], known: list[Migration]) -> bool:
    """Whether nothing is to be done. Raises StoreError when nothing can be done."""
    version, serves = found
    newest_version = known[-1].version
    if version > newest_version and serves > newest_version:
        raise StoreError(
            f"the database has schema version {version}, which programs that know {serves} or more can serve from; this"
            f" program knows {newest_version}: start the newer mailstack that wrote it, or restore a backup of before"
        )
    if version > newest_version:
        _log.warn(
            "the database has schema version {version}, of a newer mailstack; this one still serves", version=version
        )
    return version >= newest_version


def _refuse_to_break(connection: PostgresConnection, coming: list[Migration]) -> None:
    """Refuses an incompatible migration while an older program runs."""
    if all(migration.grows for migration in coming):
        return
    statement = f"SELECT owner FROM process_leases WHERE program < ? AND until > {NOW} ORDER BY owner"  # noqa: S608  # no value
    others = [owner or "a command" for (owner,) in connection.execute(statement, (coming[-1].version,))]
    if others:
        raise StoreError(
            f"this version changes the database so that older ones can't go on: stop them first ({', '.join(others)})"
        )


def _version(connection: PostgresConnection) -> tuple[int, int] | None:
    """The version, and the oldest that programs must know to serve; None for a schema that has just been made."""
    found = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_name IN (?, ?) AND table_schema = current_schema()",
        (schema.VERSION_TABLE, schema.PREVIEW_TABLE),
    ).fetchall()
    if (schema.PREVIEW_TABLE,) in found:
        ((version,),) = connection.execute(f"SELECT MAX(version) FROM {schema.PREVIEW_TABLE}").fetchall()  # noqa: S608  # our name
        raise schema.made_before(version)
    if not found:
        return None
    with contextlib.suppress(ValueError):
        ((version, serves),) = connection.execute("SELECT version, serves FROM schema_info").fetchall()
        return int(version), int(serves)
    raise StoreError("the table schema_info does not hold one version: the database is damaged")


def version_of(connection: PostgresConnection) -> int | None:
    """Schema version; None without a server. Raises StoreError."""
    found = _version(connection)
    return None if found is None else found[0]
