"""Removal of letters from the index: deletion with undo, retention by number and age."""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.mailbox.index import deletion
from mailstack.mailbox.index.batches import BATCH, Batches
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import Feed
from mailstack.mailbox.index.items import MOST_TOLD, DeletedItems, ItemFilter
from mailstack.protocols.connection import Clock
from mailstack.store import Store, StoreError
from mailstack.store.archive import ARCHIVE

_log = logging.getLogger(__name__)

MAX_CHANGE_S = 600.0
"""Maximum seconds of a deletion, or an undo, of very many letters."""


class Retention(Struct, frozen=True):
    """Retention of letters in the index."""

    letters: int | None = None
    """Maximum number of letters; None: unlimited."""
    age: float | None = None
    """Maximum seconds since arrival; None: unlimited."""
    undo: float = 60.0
    """Seconds for which a deletion can be undone."""
    poll: float = 1.0
    """Seconds between two looks for letters of other processes, and for letters to drop."""


class Removal:
    """Deletes letters, brings them back, and drops for good what is over. Coroutines raise StoreError."""

    def __init__(self, store: Store, database: IndexDatabase, clock: Clock, feed: Feed, keeping: Retention) -> None:
        self.keeping = keeping
        self._store = store
        self._database = database
        self._clock = clock
        self._feed = feed
        self._batches = Batches(database, clock)
        self._is_stopped = False
        self._is_dropping = False

    def stop(self) -> None:
        """Drop no more batches."""
        self._is_stopped = True

    async def soft_delete(self, which: ItemFilter) -> DeletedItems:
        """Hide letters in the index, until `undelete` or the end of the undo time; mailboxes keep theirs.

        With `seen_by` they are hidden from that account, and stay for all others that have them.
        """
        token = secrets.token_urlsafe(12)
        account = which.seen_by
        await self._keep_undoable(token, MAX_CHANGE_S)
        if account is None:
            parts = [part async for part in self._batches.apply(which, partial(deletion.soft_delete, token=token))]
            deleted = gone = _sum(parts)
        else:
            hide = partial(deletion.hide_for_account, account=account, token=token)
            pairs = [pair async for pair in self._batches.apply(which, hide)]
            deleted, gone = _sum([own for own, _ in pairs]), _sum([everywhere for _, everywhere in pairs])
        await self._keep_undoable(token, self.keeping.undo)
        if deleted.count and account is not None:
            self._feed.tell("deleted", deleted, frozenset({account}))
        if gone.count:
            self._feed.tell("deleted", gone)
        return deleted

    async def _keep_undoable(self, token: str, seconds: float) -> None:
        until = self._clock.now() + seconds
        await self._database.write(lambda connection: deletion.keep_undoable(connection, token, until))

    async def undelete(self, token: str) -> list[int]:
        """Bring letters back, and return their numbers; none when it is too late."""
        now = self._clock.now()
        if not await self._database.write(partial(deletion.claim, token=token, now=now, until=now + MAX_CHANGE_S)):
            return []
        numbers: list[int] = []
        while batch := await self._database.write(partial(deletion.undelete, token=token, limit=BATCH)):
            numbers += batch
            await self._batches.turn(len(batch))
        await self._database.write(partial(deletion.delete_token, token=token))
        return numbers

    def drop_soon(self) -> None:
        """Drop for good what is over, in the background; harmless while that is under way."""
        if not self._is_dropping:
            self._is_dropping = True
            self._clock.spawn(self._drop_expired())

    async def _drop_expired(self) -> None:
        try:
            await self._drop_deleted()
            await self._retain()
        except StoreError as error:
            _log.error("letters could not be dropped from the index: %s", error)  # no bug
        finally:
            self._is_dropping = False

    async def _drop_deleted(self) -> None:
        """Drop deleted letters that can no longer be undone."""
        for token in await self._database.read(partial(deletion.overdue, now=self._clock.now())):
            await self._drop(partial(deletion.deleted, token=token, limit=BATCH))
            if not self._is_stopped:
                await self._database.write(partial(deletion.delete_token, token=token))

    async def _retain(self) -> None:
        keep, age = self.keeping.letters, self.keeping.age
        if keep is None and age is None:
            return
        before = None if age is None else self._clock.now() - age
        dropped = await self._drop(partial(deletion.beyond, keep=keep, before=before, limit=BATCH))
        if dropped:
            self._feed.tell("pruned", DeletedItems(len(dropped), "", tuple(dropped[:MOST_TOLD])))

    async def _drop(self, choose: Callable[..., list[int]]) -> list[LetterId]:
        """Drop in batches. The archive goes first, so that the indexer adds nothing again."""
        ids: list[LetterId] = []
        while not self._is_stopped and (numbers := await self._database.read(choose)):
            await self._store.update_maildrop(ARCHIVE, collected=(), deleted=numbers, steps=())
            ids += await self._database.write(partial(deletion.drop, numbers=numbers))
        return ids


def _sum(parts: Sequence[DeletedItems]) -> DeletedItems:
    """Join the results of batches."""
    ids = itertools.islice(itertools.chain.from_iterable(part.ids for part in parts), MOST_TOLD)
    first = parts[0] if parts else DeletedItems(0, "", ())
    return replace(first, count=sum(part.count for part in parts), ids=tuple(ids))
