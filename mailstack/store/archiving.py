"""Keeps every letter that is accepted, in a mailbox that nobody can open: with the acceptance, or not at all."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.store import Acceptance, Placement, Settlement
from mailstack.store.memory import MemoryStore
from mailstack.store.sqlite import SqliteStore

ARCHIVE = "archive"
"""The mailbox. No account and no address is named so: these have an @."""
NUMBER = -1
"""In the place of a delivery's number: nobody owes the archive anything."""


def archived(acceptance: Acceptance) -> Acceptance:
    """The same, and into the archive."""
    letter = acceptance.letter
    kept = Placement(ARCHIVE, (letter.id, NUMBER), b"", letter.content.size, letter.arrival.at)
    return replace(acceptance, placements=(*acceptance.placements, kept))


def with_reports_archived(settlement: Settlement) -> Settlement:
    """The same, and the letters that it makes into the archive."""
    if not settlement.acceptances:
        return settlement
    return replace(settlement, acceptances=tuple([archived(each) for each in settlement.acceptances]))


class ArchivingSqliteStore(SqliteStore):
    """The store on disk, with an archive."""

    async def accept(self, acceptance: Acceptance) -> None:
        await super().accept(archived(acceptance))

    async def settle(self, settlement: Settlement) -> None:
        await super().settle(with_reports_archived(settlement))


class ArchivingMemoryStore(MemoryStore):
    """The store in memory, with an archive."""

    async def accept(self, acceptance: Acceptance) -> None:
        await super().accept(archived(acceptance))

    async def settle(self, settlement: Settlement) -> None:
        await super().settle(with_reports_archived(settlement))
