"""PostgreSQL store factory, and availability check of psycopg."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple

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


class Missing(NamedTuple):
    """What is not there, and how to come by it."""

    what: str
    cure: str


def missing() -> Missing | None:
    """None when all is there; the driver is loaded then."""
    try:
        import psycopg  # noqa: F401, PLC0415  # whether that can be done is the question
    except ImportError as error:
        if importlib.util.find_spec("psycopg") is None:
            return Missing("psycopg, which is not installed", "pip install 'mailstack[postgresql]'")
        return Missing(
            f"libpq, which psycopg does not find here ({' '.join(str(error).split()):.200})",
            "pip install 'psycopg[binary]', or install the system's libpq (Debian: apt install libpq5)",
        )
    return None
