"""Store of a configuration: SQLite or PostgreSQL, and object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailstack.config import Config
from mailstack.config.derived import WorkerSlot
from mailstack.store import StoreError
from mailstack.store.connection import DatabaseAddress
from mailstack.store.data_directory import Location
from mailstack.store.settings import StoreSettings
from mailstack.store.sql_store import SqlStore
from mailstack.store.sqlite.store import SqliteStore
from mailstack.store.writer import CallsFromThreads

if TYPE_CHECKING:
    from mailstack.store.objects.bucket import Place
    from mailstack.store.objects.contents import ContentObjects


def server_store(config: Config, reactor: Any, slot: WorkerSlot, location: Location | None = None) -> SqlStore:
    """Store of a server, with an archive if it has an index. Raises StoreError.

    `location` is that of the data directory, where another process of the server has opened it.
    """
    large, limit = content_objects(config, reactor), config.contents.above
    if config.store.url:
        # Only a server with a database loads its driver.
        from mailstack.store.postgresql.store import PostgresStore  # noqa: PLC0415

        return PostgresStore(
            reactor,
            database_address(config),
            config.data,
            StoreSettings(config.postgresql.readers, config.postgresql.writers, limit, archiving=config.index.enabled),
            owner=slot.owner(config.hostname),
            lost_after=config.postgresql.lost_after,
            large=large,
        )
    settings = StoreSettings(memory_limit=limit, archiving=config.index.enabled, notifies_others=slot.count > 1)
    return SqliteStore(reactor, config.data, settings, large=large, location=location)


def database_address(config: Config) -> DatabaseAddress:
    settings = config.postgresql
    return DatabaseAddress(config.store.url, settings.schema, settings.connect_timeout, settings.timeout)


def content_objects(config: Config, reactor: CallsFromThreads) -> ContentObjects | None:
    """Object store for large contents. None: they stay in the store. Raises StoreError."""
    settings = config.contents
    if not settings.bucket:
        return None
    # Only a server with an object store loads it.
    from mailstack.store.objects.contents import ContentObjects  # noqa: PLC0415

    return ContentObjects(
        reactor,
        place_of(config),
        config.data,
        threads=settings.connections,
        patience=settings.patience,
        orphan_age=settings.orphan_age,
        writable=not settings.only_read,
    )


def place_of(config: Config) -> Place:
    """Address of the bucket. Raises StoreError."""
    from mailstack.store.objects.bucket import Place  # noqa: PLC0415

    settings = config.contents
    return Place(
        settings.bucket,
        settings.endpoint,
        settings.region,
        settings.prefix,
        settings.access_key,
        _secret(config),
        settings.ca_file,
        settings.connect_timeout,
        settings.timeout,
        settings.attempts,
    )


def _secret(config: Config) -> str:
    """First line of the secret's file. Raises StoreError."""
    file = config.contents.secret_key_file
    if file is None:
        return ""
    try:
        found = file.read_text().partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"[contents] secret_key_file: {file} cannot be read: {error}") from error
    if not found:
        raise StoreError(f"[contents] secret_key_file: the first line of {file} is empty; the secret belongs there")
    return found
