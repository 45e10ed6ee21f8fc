"""Remote indexer: asks the primary worker to index new letters, and waits."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.protocols.connection import Clock
from mailstack.store import Store
from mailstack.store.archive import ARCHIVE

GATHER = 0.02
"""Seconds for which what has come is gathered before the other is asked to read it."""
LOOK = 0.02
"""Seconds between looks how far it has read."""
ENTRIES_PER_READ = 500
"""Letters that are looked for together."""


class RemoteIndexer:
    """From `start` to `stop`."""

    def __init__(self, store: Store, database: IndexDatabase, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._database = database
        self._clock = clock
        self._wake = wake
        self._asked = False
        self._stopped = True

    async def start(self) -> None:
        """Raises StoreError."""
        # The writer creates missing tables.
        await self._database.write(queries.progress)
        self._stopped = False

    async def stop(self) -> None:
        self._stopped = True

    def nudge(self) -> None:
        """Something may have come."""
        if not self._asked and not self._stopped:
            self._asked = True
            self._clock.call_later(GATHER, self._ask)

    def _ask(self) -> None:
        self._asked = False
        if not self._stopped:
            self._wake()

    async def idle(self) -> None:
        """Return when all that had come when it was called is read; may be cancelled. Raises StoreError."""
        wanted = await self._database.read(queries.progress)
        while some := await self._store.entries(ARCHIVE, wanted, ENTRIES_PER_READ):
            wanted = some[-1].uid
            if len(some) < ENTRIES_PER_READ:
                break
        while not self._stopped and await self._database.read(queries.progress) < wanted:
            await self._pause()

    async def _pause(self) -> None:
        pause: Deferred[None] = Deferred()
        stop = self._clock.call_later(LOOK, lambda: pause.callback(None))
        try:
            await pause
        finally:
            stop()
