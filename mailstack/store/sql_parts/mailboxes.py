"""Mailboxes in the database: entries, sizes and maildrops."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from mailstack.letter import Content, LetterId
from mailstack.letter.delivery import Step
from mailstack.letter.letter import Octets, Prefixed
from mailstack.store import Acceptance, Damaged, Entry, Maildrop, MaildropInUse, imap_sql, rows, sql
from mailstack.store.batch import Batch, ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import Connection
from mailstack.store.folders import account_of, names_below
from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.mailboxes import (
    AppendedLetter,
    Copied,
    Expunged,
    FlagChange,
    FlagsStored,
    LetterEntry,
    MailboxMessage,
    MailboxStatus,
    Removals,
)
from mailstack.store.outbox import OutboxSubscriptions
from mailstack.store.sql_parts import imap_copies, imap_flags, imap_reads, kept_messages, maildrop_writes
from mailstack.store.sql_parts.contents import SqlContents

LISTING_SIZE = 5000
"""Maximum entries of one listing query, so that the conversion does not delay the reactor."""


class MaildropLocks(Protocol):
    """Locks of maildrops between processes; each ends with its process."""

    async def acquire(self, mailbox: str) -> bool:
        """Returns whether this process has the lock now. Raises StoreError."""

    async def release(self, mailbox: str) -> None:
        """Release the lock. Errors are logged: the lock ends by itself."""

    def is_held(self, transaction: Transaction, mailbox: str) -> bool:
        """Whether an acquired lock is still in force."""


class SqlMailboxes:
    """See `mailstack.store.mailboxes.MailboxStore`."""

    def __init__(
        self,
        readers: ReaderPool,
        writer: WriterPool,
        contents: SqlContents,
        subscriptions: OutboxSubscriptions,
        *,
        changes: MailboxChanges,
        locks: MaildropLocks | None = None,
    ) -> None:
        """`changes`: subscribers to changes. `locks`: locks against other processes; None: none uses the store."""
        self._readers = readers
        self._writer = writer
        self._contents = contents
        self._subscriptions = subscriptions
        self._changes = changes
        self._locks = locks
        self.owners: dict[str, str] = {}
        """Owners of the maildrops that this process has open, by mailbox."""

    async def open(self, mailbox: str, owner: str) -> Maildrop:
        if self.owners.get(mailbox, owner) != owner:
            raise MaildropInUse(f"another session holds the maildrop of {mailbox}")
        if mailbox not in self.owners:
            await self._lock(mailbox, owner)
        try:
            return await self._readers.do(lambda connection: _maildrop(connection, mailbox))
        except BaseException:
            await self.release(mailbox, owner)
            raise

    async def _lock(self, mailbox: str, owner: str) -> None:
        self.owners[mailbox] = owner
        locked = False
        try:
            locked = self._locks is None or await self._locks.acquire(mailbox)
        finally:
            if not locked:
                del self.owners[mailbox]
        if not locked:
            raise MaildropInUse(f"another process holds the maildrop of {mailbox}")

    async def release(self, mailbox: str, owner: str) -> None:
        if self.owners.get(mailbox) != owner:
            return
        try:
            if self._locks is not None:
                await self._locks.release(mailbox)
        finally:
            self.owners.pop(mailbox, None)

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        return await self._readers.do(lambda connection: _entries(connection, mailbox, after, limit))

    async def read(self, mailbox: str, uid: int) -> Content:
        return await self._readers.do(lambda connection: self._content_of_uid(connection, sql.ENTRY, mailbox, uid))

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        return await self._readers.do(lambda connection: self._contents_of_entries(connection, mailbox, uids))

    async def update(
        self,
        mailbox: str,
        *,
        collected: Sequence[int],
        deleted: Sequence[int],
        steps: Sequence[Step],
        sets_seen: bool = True,
    ) -> list[Step]:
        locks = self._locks if mailbox in self.owners else None

        def update(transaction: Transaction) -> list[Step]:
            if locks is not None and not locks.is_held(transaction, mailbox):
                raise MaildropInUse(f"the lock of the maildrop {mailbox} was lost; nothing was changed")
            return maildrop_writes.update(
                transaction,
                mailbox,
                collected,
                deleted,
                steps,
                sets_seen=sets_seen,
                subscriptions=self._subscriptions,
            )

        written: list[Step] = await self._writer.do(update)
        return written

    async def octets_in(self, mailbox: str) -> int:
        return await self._readers.do(lambda connection: _octets_in(connection, mailbox))

    async def sizes(self) -> dict[str, int]:
        return await self._readers.do(_sizes)

    # --- IMAP

    async def status(self, mailbox: str) -> MailboxStatus | None:
        return (await self.statuses((mailbox,))).get(mailbox)

    async def statuses(self, mailboxes: Sequence[str]) -> dict[str, MailboxStatus]:
        names = tuple(mailboxes)
        return await self._readers.do(lambda connection: imap_reads.statuses(connection, names)) if names else {}

    async def messages(
        self, mailbox: str, *, after: int = 0, changed_since: int = 0, limit: int
    ) -> list[MailboxMessage]:
        return await self._readers.do(
            lambda connection: imap_reads.messages(connection, mailbox, after, changed_since, limit)
        )

    async def entries_of(self, letters: Sequence[LetterId]) -> list[LetterEntry]:
        ids = tuple(letters)
        return await self._readers.do(lambda connection: imap_reads.entries_of(connection, ids)) if ids else []

    async def positions(self) -> dict[str, tuple[int, int]]:
        return await self._readers.do(imap_reads.positions)

    async def removals(self, mailbox: str, since: int) -> Removals:
        return await self._readers.do(lambda connection: imap_reads.removals(connection, mailbox, since))

    async def add_keywords(self, mailbox: str, names: Sequence[str]) -> dict[str, int]:
        wanted = tuple(names)
        added: dict[str, int] = await self._writer.do(
            lambda transaction: imap_flags.add_keywords(transaction, mailbox, wanted)
        )
        return added

    async def store_flags(
        self, mailbox: str, uids: Sequence[int], change: FlagChange, *, unchanged_since: int | None = None
    ) -> FlagsStored:
        wanted = tuple(uids)
        stored: FlagsStored = await self._writer.do(
            lambda transaction: imap_flags.store_flags(transaction, mailbox, wanted, change, unchanged_since)
        )
        return stored

    async def letters_of(self, mailbox: str, uids: Sequence[int]) -> list[LetterId]:
        wanted = tuple(uids)
        return await self._readers.do(lambda connection: imap_reads.letters_of(connection, mailbox, wanted))

    async def recent_counts(self, mailboxes: Sequence[str]) -> dict[str, int]:
        names = tuple(mailboxes)
        return await self._readers.do(lambda connection: imap_reads.recent_counts(connection, names)) if names else {}

    async def claim_recent(self, mailbox: str, below: int) -> int:
        first: int = await self._writer.do(lambda transaction: imap_flags.claim_recent(transaction, mailbox, below))
        return first

    async def append(
        self,
        mailbox: str,
        letters: Sequence[AppendedLetter],
        steps: Sequence[Step] = (),
        *,
        replaced: tuple[str, int] | None = None,
    ) -> Copied:
        batch = Batch(self._subscriptions)
        batch.add_steps(steps)
        wanted = tuple(letters)
        acceptances = [Acceptance(each.letter, (), ()) for each in wanted]
        appended: Copied = await self._contents.write_with(
            batch,
            acceptances,
            lambda: self._writer.do(
                lambda transaction: imap_copies.append(transaction, mailbox, wanted, batch, replaced)
            ),
        )
        return appended

    async def copy(self, source: str, uids: Sequence[int], target: str, now: float) -> Copied:
        wanted = tuple(uids)
        copied: Copied = await self._writer.do(
            lambda transaction: imap_copies.copy(transaction, source, wanted, target, now)
        )
        return copied

    async def move(self, source: str, uids: Sequence[int], target: str, now: float) -> tuple[Copied, Expunged]:
        wanted = tuple(uids)
        moved: tuple[Copied, Expunged] = await self._writer.do(
            lambda transaction: imap_copies.move(transaction, source, wanted, target, now)
        )
        return moved

    async def keep_removed(self, mailbox: str, seconds: float) -> None:
        await self._writer.do(partial(kept_messages.extend, name=mailbox, seconds=seconds))

    async def removed_messages(self, mailbox: str, uids: Sequence[int]) -> list[MailboxMessage]:
        wanted = tuple(uids)
        return await self._readers.do(lambda connection: kept_messages.kept_messages(connection, mailbox, wanted))

    async def read_removed(self, mailbox: str, uid: int) -> Content:
        return await self._readers.do(
            lambda connection: self._content_of_uid(connection, imap_sql.KEPT_ENTRY, mailbox, uid)
        )

    async def purge_removed(self, before: float) -> int:
        purged = 0
        while names := await self._readers.do(lambda connection: kept_messages.expired_mailboxes(connection, before)):
            for name in names:
                purged += await self._writer.do(partial(kept_messages.purge, name=name, before=before))
        return purged

    def on_change(self, callback: Callable[[str | None], None]) -> Callable[[], None]:
        return self._changes.subscribe(callback)

    async def expunge(self, mailbox: str, uids: Sequence[int] | None = None) -> Expunged:
        wanted = None if uids is None else tuple(uids)
        expunged: Expunged = await self._writer.do(lambda transaction: imap_flags.expunge(transaction, mailbox, wanted))
        return expunged

    def _content_of_uid(self, connection: Connection, statement: str, mailbox: str, uid: int) -> Content:
        found = connection.execute(statement, (mailbox, uid)).fetchall()
        if not found:
            raise KeyError(uid)
        return self._content_of_entry((mailbox, uid), found[0])

    def _contents_of_entries(self, connection: Connection, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        found: dict[int, Content] = {}
        for part in pieces(list(uids), 1):
            found.update((uid, Octets(octets)) for uid, octets in connection.small_letters(mailbox, part).items())
            missing = [uid for uid in part if uid not in found]
            if missing:
                for uid, *row in connection.execute(sql.entries(len(missing)), (mailbox, *missing)).fetchall():
                    with contextlib.suppress(Damaged):
                        found[uid] = self._content_of_entry((mailbox, uid), row)
        return found

    def _content_of_entry(self, name: tuple[str, int], row: Sequence[Any]) -> Content:
        """Content of an entry with its trace fields on top."""
        headers, size, letter, *columns = row
        if not isinstance(headers, bytes) or not isinstance(size, int):
            raise Damaged(f"table entries, {name!r}: headers and size have the wrong types")
        return Prefixed(headers, self._contents.from_row(letter, size - len(headers), columns))


def _maildrop(connection: Connection, name: str) -> Maildrop:
    """All entries, in the order of arrival; an unknown mailbox is empty."""
    found = connection.execute(sql.MAILBOX, (name,)).fetchall()
    if not found:
        return Maildrop(name, 0, [])
    mailbox, validity = rows.checked("mailboxes", name, lambda: [rows.number(value) for value in found[0]])
    entries: list[Entry] = []
    last: int | None = 0
    while last is not None:
        listing, last = connection.listing(mailbox, last, LISTING_SIZE)
        if listing is not None:
            part = rows.entries_from(listing, name)
            entries += part
            if len(part) < LISTING_SIZE:
                break
    return Maildrop(name, validity, entries)


def _entries(connection: Connection, name: str, after: int, limit: int) -> list[Entry]:
    found = connection.execute(sql.MAILBOX, (name,)).fetchall()
    if not found:
        return []
    mailbox = rows.checked("mailboxes", name, lambda: rows.number(found[0][0]))
    listing, _ = connection.listing(mailbox, after, limit)
    return [] if listing is None else rows.entries_from(listing, name)


def _octets_in(connection: Connection, name: str) -> int:
    ((octets,),) = connection.execute(sql.OCTETS_IN, (name, *names_below(name))).fetchall()
    return rows.checked("mailboxes", name, lambda: rows.number(int(octets)))


def _sizes(connection: Connection) -> dict[str, int]:
    def decode() -> dict[str, int]:
        sizes: dict[str, int] = {}
        for mailbox, octets in connection.execute(sql.MAILBOXES).fetchall():
            account = account_of(rows.text(mailbox))
            sizes[account] = sizes.get(account, 0) + rows.number(octets)
        return sizes

    return rows.checked("mailboxes", "octets", decode)
