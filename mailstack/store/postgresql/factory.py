"""PostgreSQL store factory for servers and commands, with an optional archive."""

from __future__ import annotations

from pathlib import Path

from mailstack.store.archive import Archiving
from mailstack.store.connection import DatabaseAddress
from mailstack.store.contents import LargeContents
from mailstack.store.postgresql.store import PostgresStore
from mailstack.store.worker_threads import CallsFromThreads


class ArchivingPostgresStore(Archiving, PostgresStore):
    """The store in PostgreSQL, with an archive."""


def postgres_store(
    reactor: CallsFromThreads,
    reach: DatabaseAddress,
    directory: Path | None = None,
    *,
    owner: str = "",
    lost_after: float = 30.0,
    readers: int = 2,
    writers: int = 2,
    archiving: bool = False,
    large: LargeContents | None = None,
    memory_limit: int = 65536,
) -> PostgresStore:
    """See PostgresStore. Raises StoreError for a URL that is none."""
    kind = ArchivingPostgresStore if archiving else PostgresStore
    return kind(
        reactor,
        reach,
        directory,
        owner=owner,
        lost_after=lost_after,
        reader_threads=readers,
        writer_threads=writers,
        large=large,
        memory_limit=memory_limit,
    )
