"""Batches of a change of very many letters, with other work between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.items import ItemFilter
from mailstack.protocols.connection import Clock

BATCH = 500
"""Maximum number of letters per transaction."""

T = TypeVar("T")


class Batches:
    """Runs a change of many letters as several transactions."""

    def __init__(self, database: IndexDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def apply(self, which: ItemFilter, change: Callable[..., T]) -> AsyncIterator[T]:
        """Yield what `change` returns for each batch; letters that arrive meanwhile are left alone.

        A crash leaves whole batches, and the rest as it was.
        """
        newest, _ = await self._database.read(queries.newest)
        before = newest + 1 if which.before is None else which.before
        after = which.after
        while True:
            choose = replace(which, after=after, before=before)
            numbers = await self._database.read(partial(queries.numbers, which=choose, limit=BATCH))
            if not numbers:
                return
            yield await self._database.write(partial(change, which=ItemFilter(numbers=numbers)))
            after = numbers[-1]
            if len(numbers) < BATCH:
                return
            await self.turn(len(numbers))

    async def turn(self, done: int) -> None:
        """Let other work run behind a full batch, also where the database has no thread of its own."""
        if done == BATCH:
            turn: Deferred[None] = Deferred()
            self._clock.call_later(0.0, lambda: turn.callback(None))
            await turn
