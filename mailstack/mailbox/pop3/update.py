"""The UPDATE state: what a session leaves behind in the store, in one transaction (RFC 1939 §6)."""

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
"""Steps told at a time, so that other sessions are not held up."""


class Update:
    """Remembers which letters their reader has collected, and writes that, and what he deleted, when he leaves."""

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
        """`facts` explain the `collected` steps: who, from where, over what. `pause` returns after so many seconds."""
        self._pause = pause
        self._drop = drop
        self._store = store
        self._clock = clock
        self._journal = journal
        self._server = server
        self._facts = facts
        self._collected: dict[int, Step] = {}

    def collect(self, entry: Entry) -> None:
        """The letter was sent whole. Twice in one session is once."""
        if entry.uid in self._collected:
            return
        self._collected[entry.uid] = Step(entry.letter, self._clock.now(), self._server, "collected", self._facts)

    async def at_quit(self) -> bool:
        """Remove what was marked, all or nothing; whether it is removed."""
        return await self._write(self._drop.marked)

    async def without_quit(self) -> None:
        """Nothing is removed; that letters were collected is true all the same."""
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
            if start:  # others get their turn
                await self._pause(0)
            self._journal.tell(told[start : start + AT_ONCE])
        return True
