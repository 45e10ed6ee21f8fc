"""UPDATE state: stores deletions and collections in one transaction (RFC 1939 §6)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mailstack.letter.step import Journal, Step
from mailstack.mailbox.pop3.maildrop import Maildrop
from mailstack.protocols.connection import Clock
from mailstack.store import Entry, Store, StoreError

_log = logging.getLogger(__name__)


AT_ONCE = 100
"""Maximum steps published per turn of the reactor, so that other sessions don't wait."""


class Update:
    """Records the collected letters of a session; writes collections and deletions at its end."""

    def __init__(
        self,
        drop: Maildrop,
        store: Store,
        clock: Clock,
        journal: Journal,
        *,
        server: str,
        facts: Mapping[str, Any],
        pause: Callable[[float], Awaitable[object]],
    ) -> None:
        """`facts` explain the `collected` steps: account, client, TLS. `pause` returns after a number of seconds."""
        self._pause = pause
        self._drop = drop
        self._store = store
        self._clock = clock
        self._journal = journal
        self._server = server
        self._facts = facts
        self._collected: dict[int, Step] = {}

    def collect(self, entry: Entry) -> None:
        """Record that a letter was sent whole; a second time counts once."""
        if entry.uid in self._collected:
            return
        self._collected[entry.uid] = Step(entry.letter, self._clock.now(), self._server, "collected", self._facts)

    async def at_quit(self) -> bool:
        """Delete all marked letters or none; return whether they are deleted."""
        return await self._write(self._drop.marked)

    async def without_quit(self) -> None:
        """Delete nothing, and store which letters were collected."""
        await self._write([])

    async def _write(self, deleted: list[int]) -> bool:
        if not self._collected and not deleted:
            return True
        steps = list(self._collected.values())
        try:
            told = await self._store.update_maildrop(
                self._drop.mailbox, collected=list(self._collected), deleted=deleted, steps=steps
            )
        except StoreError as error:
            _log.error("can't update the maildrop of %s: %s", self._drop.mailbox, error)
            return False
        for start in range(0, len(told), AT_ONCE):
            if start:  # other sessions run in between
                await self._pause(0)
            self._journal.tell(told[start : start + AT_ONCE])
        return True
