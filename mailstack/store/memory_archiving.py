"""Keeps every letter that is accepted in memory, too, for people who look."""

from __future__ import annotations

from mailstack.store import Acceptance
from mailstack.store.archive import archived
from mailstack.store.memory import MemoryStore


class ArchivingMemoryStore(MemoryStore):
    """The store in memory, with an archive."""

    def _take(self, acceptance: Acceptance) -> None:
        super()._take(archived(acceptance))
