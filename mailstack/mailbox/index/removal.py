"""Removal of letters from the index: deletion with undo, and retention."""

from __future__ import annotations

import itertools
import json
import logging
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.mailbox.index import queries
from mailstack.mailbox.index.database import FILE, SEARCHED, TIMEOUT_S, IndexDatabase
from mailstack.mailbox.index.feed import Feed, sleep
from mailstack.mailbox.index.items import MAX_LISTED, DeletedItems, ItemFilter
from mailstack.mailbox.index.marks import marked_letters
from mailstack.mailbox.index.queries import IN_NUMBERS, numbers_in, numbers_of
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

    async def apply(self, item_filter: ItemFilter, change: Callable[..., T]) -> AsyncIterator[T]:
        """Yields the results of `change` for each batch; later letters are not changed. After a crash whole batches are done."""
        async for numbers in self.numbers(item_filter):
            yield await self._database.write(partial(change, item_filter=ItemFilter(numbers=numbers)))

    async def numbers(self, item_filter: ItemFilter) -> AsyncIterator[tuple[int, ...]]:
        """Yields the numbers of the letters by batch; letters that come meanwhile are left out."""
        newest, _ = await self._database.read(queries.newest)
        before = newest + 1 if item_filter.before is None else item_filter.before
        after = item_filter.after
        while True:
            choose = replace(item_filter, after=after, before=before)
            numbers = await self._database.read(partial(queries.numbers, item_filter=choose, limit=BATCH))
            if not numbers:
                return
            yield numbers
            after = numbers[-1]
            if len(numbers) < BATCH:
                return
            await self.yield_to_others(len(numbers))

    async def yield_to_others(self, done: int) -> None:
        """Waits for a turn of the reactor after a full batch."""
        if done == BATCH:
            await sleep(self._clock, 0.0)


_log = logging.getLogger(__name__)

MAX_CHANGE_S = 600.0
"""Maximum seconds of one deletion or undo."""


class Retention(Struct, frozen=True):
    """Retention of letters in the index."""

    letters: int | None = None
    """Maximum number of letters; None: unlimited."""
    age: float | None = None
    """Maximum seconds since arrival; None: unlimited."""
    undo: float = 60.0
    """Seconds for which a deletion can be undone."""
    poll: float = 1.0
    """Seconds between two polls for letters of other processes, and for expired ones."""


class Removal:
    """Deletes and restores letters, and purges expired ones. Coroutines raise StoreError."""

    def __init__(  # collaborators, each of a type of its own
        self,
        store: Store,
        database: IndexDatabase,
        clock: Clock,
        feed: Feed,
        retention: Retention,
        *,
        from_mailboxes: bool = False,
    ) -> None:
        """`from_mailboxes`: a purged letter leaves all mailboxes, not only the archive."""
        self.retention = retention
        self._from_mailboxes = from_mailboxes
        self._store = store
        self._database = database
        self._clock = clock
        self._feed = feed
        self._batches = Batches(database, clock)
        self._is_stopped = False
        self._is_purging = False

    def stop(self) -> None:
        """Stops a purge after its current batch."""
        self._is_stopped = True

    async def soft_delete(self, item_filter: ItemFilter, *, undo: bool = True) -> DeletedItems:
        """Hides letters in the index until `undelete`, and purges them after the undo time.

        With `seen_by` they are hidden from that account only. Without `undo` the next poll purges them.
        """
        token = secrets.token_urlsafe(12)
        account = item_filter.seen_by
        await self._set_undo_until(token, MAX_CHANGE_S)
        if account is None:
            parts = [part async for part in self._batches.apply(item_filter, partial(soft_delete, token=token))]
            deleted = deleted_for_all = _sum(parts)
        else:
            hide = partial(hide_for_account, account=account, token=token)
            pairs = [pair async for pair in self._batches.apply(item_filter, hide)]
            deleted, deleted_for_all = _sum([own for own, _ in pairs]), _sum([everywhere for _, everywhere in pairs])
        await self._set_undo_until(token, self.retention.undo if undo else 0.0)
        if deleted.count and account is not None:
            self._feed.publish("deleted", deleted, frozenset({account}))
        if deleted_for_all.count:
            self._feed.publish("deleted", deleted_for_all)
        return deleted

    async def _set_undo_until(self, token: str, seconds: float) -> None:
        until = self._clock.now() + seconds
        await self._database.write(lambda connection: set_undo_until(connection, token, until))

    async def undelete(self, token: str) -> list[int]:
        """Restores letters, and returns their numbers; none after the undo time."""
        now = self._clock.now()
        if not await self._database.write(partial(claim, token=token, now=now, until=now + MAX_CHANGE_S)):
            return []
        numbers: list[int] = []
        while batch := await self._database.write(partial(undelete, token=token, limit=BATCH)):
            numbers += batch
            await self._batches.yield_to_others(len(batch))
        await self._database.write(partial(delete_token, token=token))
        return numbers

    def purge_soon(self) -> None:
        """Purges expired letters in the background, unless a purge is under way."""
        if not self._is_purging:
            self._is_purging = True
            self._clock.spawn(self._purge())

    async def _purge(self) -> None:
        try:
            await self._drop_deleted()
            await self._apply_retention()
        except StoreError as error:
            _log.error("messages can't be purged from the index: %s", error)
        finally:
            self._is_purging = False

    async def _drop_deleted(self) -> None:
        """Purges deleted letters after their undo time."""
        for token in await self._database.read(partial(overdue, now=self._clock.now())):
            await self._drop(partial(deleted, token=token, limit=BATCH))
            if not self._is_stopped:
                await self._database.write(partial(delete_token, token=token))

    async def _apply_retention(self) -> None:
        max_letters, age = self.retention.letters, self.retention.age
        if max_letters is None and age is None:
            return
        before = None if age is None else self._clock.now() - age
        dropped = await self._drop(partial(over_retention, max_letters=max_letters, before=before, limit=BATCH))
        if dropped:
            self._feed.publish("pruned", DeletedItems(len(dropped), "", tuple(dropped[:MAX_LISTED])))

    async def _drop(self, choose: Callable[..., list[int]]) -> list[LetterId]:
        """Purges in batches, the archive first, so that the indexer does not add them again."""
        ids: list[LetterId] = []
        while not self._is_stopped and (numbers := await self._database.read(choose)):
            if self._from_mailboxes:
                await self._remove_entries(numbers)
            await self._store.mailboxes.update(ARCHIVE, collected=(), deleted=numbers, steps=())
            ids += await self._database.write(partial(drop, numbers=numbers))
        return ids

    async def _remove_entries(self, numbers: Sequence[int]) -> None:
        """Removes letters and their copies from all mailboxes; IMAP sessions report that as any removal."""
        letters = await self._database.read(partial(marked_letters, numbers=numbers))
        uids: defaultdict[str, list[int]] = defaultdict(list)
        for entry in await self._store.mailboxes.entries_of([each for letter in letters for each in letter.ids]):
            uids[entry.mailbox].append(entry.uid)
        uids.pop(ARCHIVE, None)
        for mailbox, own in uids.items():
            await self._store.mailboxes.update(mailbox, collected=(), deleted=own, steps=())


def _sum(parts: Sequence[DeletedItems]) -> DeletedItems:
    """Sum of the results of batches."""
    ids = itertools.islice(itertools.chain.from_iterable(part.ids for part in parts), MAX_LISTED)
    first = parts[0] if parts else DeletedItems(0, "", ())
    return replace(first, count=sum(part.count for part in parts), ids=tuple(ids))


# ruff: noqa: S608  # statements contain only names of the schema


def soft_delete(connection: sqlite3.Connection, item_filter: ItemFilter, token: str) -> DeletedItems:
    """Hides letters from all accounts, until `undelete` or `drop`."""
    numbers_json = numbers_of(connection, item_filter)
    with counted(connection, numbers_json):
        statement = f"UPDATE letters SET deleted = ? WHERE number {IN_NUMBERS} RETURNING number, id"
        rows = connection.execute(statement, (token, numbers_json)).fetchall()
    return DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in sorted(rows)[:MAX_LISTED]]))


def hide_for_account(
    connection: sqlite3.Connection, item_filter: ItemFilter, account: str, token: str
) -> tuple[DeletedItems, DeletedItems]:
    """Hides letters from an account, and deletes letters that no other account has; returns both results."""
    numbers_json = numbers_of(connection, item_filter)
    with counted(connection, numbers_json):
        hide = f"UPDATE holders SET hidden = ? WHERE mailbox = ? AND number {IN_NUMBERS}"
        connection.execute(hide, (token, account, numbers_json))
        rows = connection.execute(
            "SELECT number, id, NOT EXISTS (SELECT 1 FROM holders WHERE number = letters.number AND hidden IS NULL)"
            f" FROM letters WHERE number {IN_NUMBERS} ORDER BY number",
            (numbers_json,),
        ).fetchall()
        deleted_for_all = [(number, letter) for number, letter, is_last in rows if is_last]
        of_gone = json.dumps([number for number, _ in deleted_for_all])
        connection.execute(f"UPDATE letters SET deleted = ? WHERE number {IN_NUMBERS}", (token, of_gone))
    return (
        DeletedItems(len(rows), token, tuple([LetterId(row[1]) for row in rows[:MAX_LISTED]]), account),
        DeletedItems(
            len(deleted_for_all), token, tuple([LetterId(letter) for _, letter in deleted_for_all[:MAX_LISTED]])
        ),
    )


def undelete(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """Restores at most `limit` letters of a deletion; returns their numbers."""
    hidden = "SELECT number FROM holders WHERE hidden = ? ORDER BY number LIMIT ?"
    deleted = "SELECT number FROM letters WHERE deleted = ? ORDER BY number LIMIT ?"
    numbers = numbers_in(connection, hidden, [token, limit]) or numbers_in(connection, deleted, [token, limit])
    numbers_json = json.dumps(numbers)
    with counted(connection, numbers_json):
        connection.execute(
            f"UPDATE holders SET hidden = NULL WHERE hidden = ? AND number {IN_NUMBERS}", (token, numbers_json)
        )
        connection.execute(
            f"UPDATE letters SET deleted = NULL WHERE deleted = ? AND number {IN_NUMBERS}", (token, numbers_json)
        )
    return numbers


def set_undo_until(connection: sqlite3.Connection, token: str, until: float) -> None:
    """Sets the end of the undo time of a deletion, in seconds since 1970, for all processes."""
    connection.execute(
        "INSERT INTO undoing (token, until) VALUES (?, ?) ON CONFLICT (token) DO UPDATE SET until = excluded.until",
        (token, until),
    )


def claim(connection: sqlite3.Connection, token: str, now: float, until: float) -> bool:
    """Claims a deletion for its undo until `until`; False after the undo time, and for a second claim."""
    statement = "UPDATE undoing SET until = ?, claimed = 1 WHERE token = ? AND until > ? AND NOT claimed"
    return connection.execute(statement, (until, token, now)).rowcount > 0


def delete_token(connection: sqlite3.Connection, token: str) -> None:
    """Removes the token of a deletion without letters."""
    connection.execute("DELETE FROM undoing WHERE token = ?", (token,))


def overdue(connection: sqlite3.Connection, now: float) -> list[str]:
    """The expired tokens."""
    return [str(token) for (token,) in connection.execute("SELECT token FROM undoing WHERE until <= ?", (now,))]


def deleted(connection: sqlite3.Connection, token: str, limit: int) -> list[int]:
    """Numbers of at most `limit` letters of a deletion."""
    return numbers_in(connection, "SELECT number FROM letters WHERE deleted = ? LIMIT ?", [token, limit])


def over_retention(
    connection: sqlite3.Connection, *, max_letters: int | None, before: float | None, limit: int
) -> list[int]:
    """Numbers of some letters that are older than the newest `max_letters`, or arrived before a time."""
    found: set[int] = set()
    if max_letters is not None:
        statement = (
            "SELECT number FROM letters WHERE number <= (SELECT number FROM letters WHERE deleted IS NULL"
            " ORDER BY number DESC LIMIT 1 OFFSET ?) AND deleted IS NULL ORDER BY number LIMIT ?"
        )
        found.update(numbers_in(connection, statement, [max_letters, limit]))
    if before is not None:
        statement = "SELECT number FROM letters WHERE arrived < ? AND deleted IS NULL ORDER BY arrived LIMIT ?"
        found.update(numbers_in(connection, statement, [before, limit]))
    return sorted(found)


def drop(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[LetterId]:
    """Purges letters; returns their ids."""
    numbers_json = json.dumps(numbers)
    ids = [
        LetterId(each)
        for (each,) in connection.execute(f"SELECT id FROM letters WHERE number {IN_NUMBERS}", (numbers_json,))
    ]
    with counted(connection, numbers_json):
        for table in SEARCHED:
            connection.execute(f"DELETE FROM {table} WHERE rowid {IN_NUMBERS}", (numbers_json,))
        for table in TABLES:
            connection.execute(f"DELETE FROM {table} WHERE number {IN_NUMBERS}", (numbers_json,))
    return ids


def hidden_numbers(directory: Path) -> frozenset[int]:
    """The numbers of deleted letters that can be restored, for readers of the archive; empty without a readable index."""
    file = directory / FILE
    if not file.exists():
        return frozenset()
    try:
        with closing(ReadableDatabase(file)) as database, closing(database.connect(timeout=TIMEOUT_S)) as connection:
            return frozenset(
                int(number) for (number,) in connection.execute("SELECT number FROM letters WHERE deleted IS NOT NULL")
            )
    except (sqlite3.Error, OSError):
        return frozenset()
