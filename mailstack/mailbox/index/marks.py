"""Marks of letters, synchronized with the flags of their entries."""

# ruff: noqa: S608  # statements contain only names of the schema

from __future__ import annotations

import json
import logging
import sqlite3
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct
from twisted.internet.defer import DeferredLock

from mailstack.letter import LetterId
from mailstack.mailbox.index.database import IndexDatabase
from mailstack.mailbox.index.feed import sleep
from mailstack.mailbox.index.queries import IN_NUMBERS
from mailstack.mailbox.index.writes import counted
from mailstack.protocols.connection import Clock
from mailstack.store import MailboxStore, StoreError
from mailstack.store.folders import NoSuchFolder, account_of
from mailstack.store.mailboxes import FLAGGED, SEEN, FlagChange, Flags, LetterEntry, MailboxMessage

_log = logging.getLogger(__name__)

BATCH = 500
"""Maximum messages of one query."""
RETRY_S = 5.0
"""Seconds to the next try after an error of the store or the index."""
NEW = Flags(0, 0)
"""Flags of a delivered message."""

Position = tuple[int, int]
"""Validity and mod-sequence of a mailbox."""


class Marks(Struct, frozen=True):
    """Change of marks; None leaves one as it is."""

    unread: bool | None = None
    flagged: bool | None = None

    def flag_change(self) -> FlagChange:
        r"""The same change of \\Seen and \\Flagged."""
        added = SEEN * (self.unread is False) | FLAGGED * (self.flagged is True)
        removed = SEEN * (self.unread is True) | FLAGGED * (self.flagged is False)
        return FlagChange(added=Flags(added, 0), removed=Flags(removed, 0))

    def differs_from(self, system: int) -> bool:
        """Whether the change alters system flags."""
        change = self.flag_change()
        return system & ~change.removed.system | change.added.system != system


class MarkedLetter(Struct, frozen=True):
    """Marks and ids of an indexed letter."""

    number: int
    system: int
    """The system flags SEEN and FLAGGED."""
    ids: tuple[LetterId, ...]
    """Ids of the letter and its copies."""


class MarkSync:
    r"""Keeps the marks of the index and the flags \\Seen and \\Flagged of all entries the same, from `start` to `stop`.

    A letter is read once any of its entries is \\Seen: a mark sets or clears the flag of all of them, and a flag that a
    client of IMAP or POP3 stores becomes a mark. Changes are followed by mod-sequence (RFC 7162 §3.1) when the store
    notifies of them, and after a start from the last position.
    """

    def __init__(
        self,
        mailboxes: MailboxStore,
        database: IndexDatabase,
        clock: Clock,
        up_to_date: Callable[[], Awaitable[None]],
        publish: Callable[[Sequence[int]], Awaitable[int]],
    ) -> None:
        """`up_to_date` returns when accepted letters are indexed; `publish` reports the numbers of changed letters."""
        self._mailboxes = mailboxes
        self._database = database
        self._clock = clock
        self._up_to_date = up_to_date
        self._publish = publish
        self._positions: dict[str, Position] = {}
        self._unsaved: set[str] = set()
        self._changed: set[str] = set()
        self._is_unknown = False
        """Whether another process has changed an unknown mailbox."""
        self._is_running = False
        self._stopped = True
        self._lock = DeferredLock()
        """Held by a change of marks, so that both directions do not mix."""
        self._runs = DeferredLock()
        self._end_subscription: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Starts with what changed since the last stop. Raises StoreError."""
        self._positions = await self._database.read(positions)
        self._stopped = False
        self._end_subscription = self._mailboxes.on_change(self._on_change)
        self._on_change(None)

    async def stop(self) -> None:
        """Stops after the current batch."""
        self._stopped = True
        self._end_subscription()
        async with self._runs:
            try:
                await self._save()
            except StoreError as error:
                _log.warning("the flags of messages are read again after the next start: %s", error)

    # --- marks to flags

    async def set(self, numbers: Sequence[int], marks: Marks) -> list[int]:
        """Sets marks, and the flags of all entries first; returns the numbers of changed letters. Raises StoreError."""
        async with self._lock:
            letters = await self._database.read(partial(marked_letters, numbers=numbers))
            entries = await self._mailboxes.entries_of([each for letter in letters for each in letter.ids])
            await self._store_flags(entries, marks)
            return await self._database.write(partial(set_marks, changes=[(numbers, marks)]))

    async def _store_flags(self, entries: Iterable[LetterEntry], marks: Marks) -> None:
        uids: defaultdict[str, list[int]] = defaultdict(list)
        for entry in entries:
            if marks.differs_from(entry.system):
                uids[entry.mailbox].append(entry.uid)
        change = marks.flag_change()
        for mailbox, own in uids.items():
            try:
                await self._mailboxes.store_flags(mailbox, own, change)
            except NoSuchFolder:
                # It was removed meanwhile, with its messages.
                continue

    # --- flags to marks

    def _on_change(self, mailbox: str | None) -> None:
        if mailbox is None:
            self._is_unknown = True
        else:
            self._changed.add(mailbox)
        if not self._is_running and not self._stopped:
            self._is_running = True
            self._clock.spawn(self._run())

    async def _run(self) -> None:
        try:
            # A later turn: what delivers does not wait for it.
            await sleep(self._clock, 0.0)
            async with self._runs:
                while (self._changed or self._is_unknown) and not self._stopped:
                    await self._follow_changes()
        except StoreError as error:
            _log.error("the marks of messages can't be updated yet: %s", error)
            self._clock.call_later(RETRY_S, lambda: self._on_change(None))
        finally:
            self._is_running = False

    async def _follow_changes(self) -> None:
        now = await self._mailboxes.positions() if self._is_unknown else {}
        self._is_unknown = False
        names = self._changed | {name for name, position in now.items() if self._positions.get(name) != position}
        self._changed = set()
        for name in sorted(names):
            if self._stopped:
                return
            await self._follow(name)

    async def _follow(self, name: str) -> None:
        """Reads the messages of a mailbox that have changed since its position."""
        status = await self._mailboxes.status(name)
        if status is None:
            return
        validity, modseq = self._positions.get(name, (0, 0))
        since, after = modseq if validity == status.validity else 0, 0
        if (validity, since) == (status.validity, status.modseq):
            return
        while True:
            batch = await self._mailboxes.messages(name, after=after, changed_since=since, limit=BATCH)
            if batch:
                is_news = since > 0 and account_of(name) != name
                await self._apply(batch, is_news=is_news)
            if len(batch) < BATCH:
                break
            after = batch[-1].uid
            if self._stopped:
                return
            await sleep(self._clock, 0.0)
        self._positions[name] = status.validity, status.modseq
        self._unsaved.add(name)
        if len(self._unsaved) >= BATCH:
            await self._save()

    async def _apply(self, batch: Sequence[MailboxMessage], *, is_news: bool) -> None:
        """Sets marks where the flags are different. `is_news`: the letters may have moved, which pages show."""
        if any(message.flags.system & (SEEN | FLAGGED) for message in batch):
            # A letter may be read before it is indexed.
            await self._up_to_date()
        flags = {message.letter: 0 for message in batch}
        for message in batch:
            flags[message.letter] |= message.flags.system & (SEEN | FLAGGED)
        async with self._lock:
            letters = await self._database.read(partial(letters_with_ids, ids=list(flags)))
            differing = [
                letter
                for letter in letters
                if any(flags[each] != letter.system for each in letter.ids if each in flags)
            ]
            moved = [letter.number for letter in letters] if is_news else []
            if not differing and not moved:
                return
            entries = await self._mailboxes.entries_of([each for letter in differing for each in letter.ids])
            numbers = await self._database.write(partial(set_marks, changes=_marks_of(differing, entries)))
            await self._save()
        await self._publish(sorted({*numbers, *moved}))

    async def _save(self) -> None:
        saved = {name: self._positions[name] for name in self._unsaved}
        self._unsaved.clear()
        if saved:
            await self._database.write(partial(save_positions, saved=saved))


def _marks_of(letters: Sequence[MarkedLetter], entries: Iterable[LetterEntry]) -> list[tuple[list[int], Marks]]:
    """Marks by the flags of all entries: one that is set in any of them is set. Letters without entries stay."""
    flags: dict[LetterId, int] = {}
    for entry in entries:
        flags[entry.letter] = flags.get(entry.letter, 0) | entry.system
    numbers: defaultdict[int, list[int]] = defaultdict(list)
    for letter in letters:
        found = [flags[each] for each in letter.ids if each in flags]
        if found:
            seen, flagged = (any(each & flag for each in found) for flag in (SEEN, FLAGGED))
            numbers[SEEN * seen | FLAGGED * flagged].append(letter.number)
    return [
        (group, Marks(unread=not system & SEEN, flagged=bool(system & FLAGGED))) for system, group in numbers.items()
    ]


def positions(connection: sqlite3.Connection) -> dict[str, Position]:
    """Positions of all mailboxes."""
    rows = connection.execute("SELECT mailbox, validity, modseq FROM followed")
    return {str(name): (int(validity), int(modseq)) for name, validity, modseq in rows}


def save_positions(connection: sqlite3.Connection, saved: dict[str, Position]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO followed (mailbox, validity, modseq) VALUES (?, ?, ?)",
        [(name, *position) for name, position in saved.items()],
    )


def letters_with_ids(connection: sqlite3.Connection, ids: Sequence[LetterId]) -> list[MarkedLetter]:
    """Letters with one of these ids, or with a copy that has it."""
    text = json.dumps(ids)
    rows = connection.execute(
        "SELECT number FROM letters WHERE id IN (SELECT value FROM json_each(?))"
        " UNION SELECT number FROM copies WHERE id IN (SELECT value FROM json_each(?))",
        (text, text),
    ).fetchall()
    return marked_letters(connection, [number for (number,) in rows])


def marked_letters(connection: sqlite3.Connection, numbers: Sequence[int]) -> list[MarkedLetter]:
    """Letters with these numbers."""
    text = json.dumps(numbers)
    ids: defaultdict[int, list[LetterId]] = defaultdict(list)
    for number, copy in connection.execute(f"SELECT number, id FROM copies WHERE number {IN_NUMBERS}", (text,)):
        ids[number].append(LetterId(copy))
    rows = connection.execute(
        f"SELECT number, id, unread, flagged FROM letters WHERE number {IN_NUMBERS} ORDER BY number", (text,)
    )
    return [
        MarkedLetter(number, SEEN * (not unread) | FLAGGED * flagged, (LetterId(letter), *ids.get(number, ())))
        for number, letter, unread, flagged in rows
    ]


def set_marks(connection: sqlite3.Connection, changes: Iterable[tuple[Sequence[int], Marks]]) -> list[int]:
    """Sets marks of letters; returns the numbers of changed ones."""
    changed: set[int] = set()
    for numbers, marks in changes:
        text = json.dumps(numbers)
        columns = {"unread": marks.unread, "flagged": marks.flagged}
        values = {name: int(value) for name, value in columns.items() if value is not None}
        with counted(connection, text):
            for name, value in values.items():
                statement = f"UPDATE letters SET {name} = ? WHERE {name} <> ? AND number {IN_NUMBERS} RETURNING number"
                changed.update(number for (number,) in connection.execute(statement, (value, value, text)))
    return sorted(changed)
