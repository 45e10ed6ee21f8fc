"""Archive of accepted letters, filed in a closed mailbox by the accepting transaction."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.store import Acceptance, Placement
from mailstack.store.batch import Batch
from mailstack.store.sql_store import SqlStore
from mailstack.store.sqlite.store import SqliteStore

ARCHIVE = "archive"
"""The mailbox. No account and no address is named so: these have an @."""
NUMBER = -1
"""Delivery number of an archive entry, which belongs to no delivery."""


def with_archive_entry(acceptance: Acceptance) -> Acceptance:
    """The same, and into the archive."""
    letter = acceptance.letter
    kept = Placement(ARCHIVE, (letter.id, NUMBER), b"", letter.content.size, letter.arrival.at)
    return replace(acceptance, placements=(*acceptance.placements, kept))


class Archiving(SqlStore):
    """A store with an archive."""

    async def _write(self, batch: Batch, acceptances: Sequence[Acceptance]) -> None:
        await super()._write(batch, [with_archive_entry(each) for each in acceptances])


class ArchivingSqliteStore(Archiving, SqliteStore):
    """The store on disk, with an archive."""
