"""Removal of letters from the index: deletion with undo, and retention."""

from __future__ import annotations

import itertools
import json
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from mailstack.letter import LetterId
from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import FILE, PATIENCE, SEARCHED, IndexDatabase
from mailstack.mailbox.index.feed import Feed
from mailstack.mailbox.index.items import MOST_TOLD, DeletedItems, ItemFilter
from mailstack.mailbox.index.queries import GIVEN, numbers_in, numbers_of
from mailstack.mailbox.index.writes import TABLES, counted
from mailstack.protocols.connection import Clock
from mailstack.store import Store, StoreError
from mailstack.store.archive import ARCHIVE
from mailstack.store.sqlite.connection import ReadableDatabase

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
            parts = [part async for part in self._batches.apply(which, partial(soft_delete, token=token))]
            deleted = gone = _sum(parts)
        else:
            hide = partial(hide_for_account, account=account, token=token)
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
        await self._database.write(lambda connection: keep_undoable(connection, token, until))

    async def undelete(self, token: str) -> list[int]:
        """Bring letters back, and return their numbers; none when it is too late."""
        now = self._clock.now()
        if not await self._database.write(partial(claim, token=token, now=now, until=now + MAX_CHANGE_S)):
            return []
        numbers: list[int] = []
        while batch := await self._database.write(partial(undelete, token=token, limit=BATCH)):
            numbers += batch
            await self._batches.turn(len(batch))
        await self._database.write(partial(delete_token, token=token))
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
        for token in await self._database.read(partial(overdue, now=self._clock.now())):
            await self._drop(partial(deleted, token=token, limit=BATCH))
            if not self._is_stopped:
                await self._database.write(partial(delete_token, token=token))

    async def _retain(self) -> None:
        keep, age = self.keeping.letters, self.keeping.age
        if keep is None and age is None:
            return
        before = None if age is None else self._clock.now() - age
        dropped = await self._drop(partial(beyond, keep=keep, before=before, limit=BATCH))
        if dropped:
            self._feed.tell("pruned", DeletedItems(len(dropped), "", tuple(dropped[:MOST_TOLD])))

    async def _drop(self, choose: Callable[..., list[int]]) -> list[LetterId]:
        """Drop in batches. The archive goes first, so that the indexer adds nothing again."""
        ids: list[LetterId] = []
        while not self._is_stopped and (numbers := await self._database.read(choose)):
            await self._store.update_maildrop(ARCHIVE, collected=(), deleted=numbers, steps=())
            ids += await self._database.write(partial(drop, numbers=numbers))
        return ids


def _sum(parts: Sequence[DeletedItems]) -> DeletedItems:
    """Join the results of batches."""
    ids = itertools.islice(itertools.chain.from_iterable(part.ids for part in parts), MOST_TOLD)
    first = parts[0] if parts else DeletedItems(0, "", ())
    return replace(first, count=sum(part.count for part in parts), ids=tuple(ids))


# ruff: noqa: S608  # no text is made of anything but our own names and numbers of rows


def soft_delete(connection: sqlite3.Connection, which: ItemFilter, token: str) -> DeletedItems:
    """Hide letters from all, until `undelete` or `drop`."""
    given = numbers_of(connection, which)
    with counted(connection, given):
        statement = f"UPDATE letters SET deleted = ? WHERE number {GIVEN} RETURNING number, id"
        rows = connection.execute(statement, (token, given)).fetchall()
    return DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in sorted(rows)[:MOST_TOLD]]))


def hide_for_account(
    connection: sqlite3.Connection, which: ItemFilter, account: str, token: str
) -> tuple[DeletedItems, DeletedItems]:
    """Hide letters from an account, and delete those that no other account has; both results."""
    given = numbers_of(connection, which)
    with counted(connection, given):
        hide = f"UPDATE holders SET hidden = ? WHERE mailbox = ? AND number {GIVEN}"
        connection.execute(hide, (token, account, given))
        rows = connection.execute(
            "SELECT number, id, NOT EXISTS (SELECT 1 FROM holders WHERE number = letters.number AND hidden IS NULL)"
            f" FROM letters WHERE number {GIVEN} ORDER BY number",
            (given,),
        ).fetchall()
        gone = [(number, letter) for number, letter, is_last in rows if is_last]
        of_gone = json.dumps([number for number, _ in gone])
        connection.execute(f"UPDATE letters SET deleted = ? WHERE number {GIVEN}", (token, of_gone))
    return (
        DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in rows[:MOST_TOLD]]), account),
        DeletedItems(len(gone), token, tuple([LetterId(letter) for _, letter in gone[:MOST_TOLD]])),
    )


def undelete(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """The numbers of those that are seen again, at most `limit`; what one account does not see, others may."""
    hidden = "SELECT number FROM holders WHERE hidden = ? ORDER BY number LIMIT ?"
    deleted = "SELECT number FROM letters WHERE deleted = ? ORDER BY number LIMIT ?"
    numbers = numbers_in(connection, hidden, [token, limit]) or numbers_in(connection, deleted, [token, limit])
    given = json.dumps(numbers)
    with counted(connection, given):
        connection.execute(f"UPDATE holders SET hidden = NULL WHERE hidden = ? AND number {GIVEN}", (token, given))
        connection.execute(f"UPDATE letters SET deleted = NULL WHERE deleted = ? AND number {GIVEN}", (token, given))
    return numbers


def keep_undoable(connection: sqlite3.Connection, token: str, until: float) -> None:
    """What is deleted under a token may be brought back until then, in seconds since 1970, by whichever process is asked."""
    connection.execute(
        "INSERT INTO undoing (token, until) VALUES (?, ?) ON CONFLICT (token) DO UPDATE SET until = excluded.until",
        (token, until),
    )


def claim(connection: sqlite3.Connection, token: str, now: float, until: float) -> bool:
    """Return whether a deletion can still be undone, and claim it until `until`; a second claim fails."""
    statement = "UPDATE undoing SET until = ?, claimed = 1 WHERE token = ? AND until > ? AND NOT claimed"
    return connection.execute(statement, (until, token, now)).rowcount > 0


def delete_token(connection: sqlite3.Connection, token: str) -> None:
    """Nothing is left that it could bring back."""
    connection.execute("DELETE FROM undoing WHERE token = ?", (token,))


def overdue(connection: sqlite3.Connection, now: float) -> list[str]:
    """Return the expired tokens."""
    return [str(token) for (token,) in connection.execute("SELECT token FROM undoing WHERE until <= ?", (now,))]


def deleted(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """Some of what was deleted under a token."""
    return numbers_in(connection, "SELECT number FROM letters WHERE deleted = ? LIMIT ?", [token, limit])


def beyond(connection: sqlite3.Connection, *, keep: int | None, before: float | None, limit: int) -> list[int]:
    """Some of what is too much: older than the newest `keep`, or arrived before a time."""
    found: set[int] = set()
    if keep is not None:
        statement = (
            "SELECT number FROM letters WHERE number <= (SELECT number FROM letters WHERE deleted IS NULL"
            " ORDER BY number DESC LIMIT 1 OFFSET ?) AND deleted IS NULL ORDER BY number LIMIT ?"
        )
        found.update(numbers_in(connection, statement, [keep, limit]))
    if before is not None:
        statement = "SELECT number FROM letters WHERE arrived < ? AND deleted IS NULL ORDER BY arrived LIMIT ?"
        found.update(numbers_in(connection, statement, [before, limit]))
    return sorted(found)


def drop(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[LetterId]:
    """For good; the ids of the letters."""
    given = json.dumps(numbers)
    ids = [LetterId(each) for (each,) in connection.execute(f"SELECT id FROM letters WHERE number {GIVEN}", (given,))]
    with counted(connection, given):
        for table in SEARCHED:
            connection.execute(f"DELETE FROM {table} WHERE rowid {GIVEN}", (given,))
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE number {GIVEN}", (given,))
    return ids


def hidden_numbers(directory: Path) -> frozenset[int]:
    """Return the numbers of deleted letters that can still come back, for programs that read the archive without an index.

    Empty where there is no index, or one that can't be read.
    """
    file = directory / FILE
    if not file.exists():
        return frozenset()
    try:
        with closing(ReadableDatabase(file)) as database, closing(database.connect(timeout=PATIENCE)) as connection:
            return frozenset(
                int(number) for (number,) in connection.execute("SELECT number FROM letters WHERE deleted IS NOT NULL")
            )
    except (sqlite3.Error, OSError):
        return frozenset()
