"""Mailbox view: the messages of one mailbox, shared by the sessions of a process.

Every session of a process that selects a mailbox has the same view. A refresh reads what has changed since the view's
mod-sequence, and logs it; each session takes the logged changes to its client when the protocol permits it.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from twisted.internet.defer import DeferredLock

from mailstack.mailbox.imap.message_columns import MessageColumns
from mailstack.store import MailboxStore
from mailstack.store.mailboxes import SEEN, Flags, MailboxMessage, MailboxStatus, Removals

SLICE = 500
"""Messages that are read at a time: some milliseconds, so that other sessions don't wait."""

MAX_LOGGED = 200_000
"""Maximum uids in the log of changes; a session that is further behind compares all messages."""

_ONLY_SEEN = bytes([flags & SEEN for flags in range(256)])

SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
"""Names of the system flags, by their bits."""


class ViewChange(Struct, frozen=True):
    """Messages that changed together."""

    uids: array[int]
    is_removal: bool
    """Whether they were removed; else their flags have changed."""
    origin: object = None
    """Session that made the change, and has reported it to its client; None for others."""


class MailboxGone(Exception):
    """The mailbox was removed, or replaced by another one of its name."""


class MailboxView:
    """Messages of one mailbox, with the log of their changes."""

    def __init__(
        self, mailboxes: MailboxStore, mailbox: str, status: MailboxStatus, pause: Callable[[float], Awaitable[object]]
    ) -> None:
        self.mailbox = mailbox
        self.validity = status.validity
        self.status = status
        """Counters at the last refresh."""
        self.recent_from = status.recent_from
        r"""Lowest uid that no session has claimed as \\Recent."""
        self.recent_lock = DeferredLock()
        """Held while a session claims recent messages in the store."""
        self.columns = MessageColumns()
        self.modseq = 0
        """Mod-sequence up to which all changes are in the view."""
        self.is_stale = True
        """Whether the store may have changes that no refresh has begun to read."""
        self._refreshes = 0
        """Number of refreshes that have begun."""
        self._refresh_lock = DeferredLock()
        self.is_gone = False
        self.wakers: set[Callable[[], None]] = set()
        """Sessions that wait for changes: in IDLE."""
        self.announced = (0, 0)
        """Serial and highest uid at the last time that the waiting sessions were woken."""
        self.users = 0
        """Number of sessions with this mailbox selected."""
        self.kept_until = -math.inf
        """Time of the steady clock up to which the store keeps removed messages for active sessions."""
        self._mailboxes = mailboxes
        self._pause = pause
        self._log: deque[ViewChange] = deque()
        self._logged = 0
        self.serial = 0
        """Number of changes that were ever logged."""
        self.keyword_names = list(status.keywords)
        """Keywords by number."""
        self._flag_lists: dict[tuple[int, int], bytes] = {}

    @property
    def next_uid(self) -> int:
        """UIDNEXT of the messages in the view."""
        return max(self.status.next_uid, self.columns.top + 1)

    @property
    def first_unseen(self) -> int | None:
        r"""Position of the first message without \Seen; None without one."""
        at = self.columns.system.translate(_ONLY_SEEN).find(b"\0")
        return at if at >= 0 else None

    def detached(self, messages: Sequence[MailboxMessage]) -> MailboxView:
        """View of other messages with the keywords of this one; nothing refreshes it."""
        view = MailboxView(self._mailboxes, self.mailbox, self.status, self._pause)
        view.keyword_names = self.keyword_names
        view.columns.merge(messages)
        return view

    @property
    def is_current(self) -> bool:
        """Whether all known changes are in the view. If not, a message may have a newer mod-sequence than the view."""
        return not self.is_stale and not self._refresh_lock.locked

    async def refresh(self) -> None:
        """Reads what has changed in the store until now. Raises MailboxGone, StoreError.

        There is one at a time: a session between pages and removals of another one would report half of the changes.
        """
        wanted = self._refreshes + 1
        await self._refresh_lock.acquire()
        try:
            # One that has begun after the call has read the same.
            if self._refreshes < wanted or self.is_stale:
                self._refreshes += 1
                await self._refresh()
        finally:
            self._refresh_lock.release()

    async def _refresh(self) -> None:
        self.is_stale = False
        try:
            status = await self._mailboxes.status(self.mailbox)
            self._check(status)
            assert status is not None
            self.recent_from = max(self.recent_from, status.recent_from)
            self.learn_keywords({name: number for number, name in enumerate(status.keywords)})
            if status.modseq != self.modseq:
                await self._read_changes(status)
        except BaseException:
            self.is_stale = True
            raise

    def _check(self, status: MailboxStatus | None) -> None:
        if self.is_gone or status is None or status.validity != self.validity:
            self.is_gone = True
            raise MailboxGone

    async def _read_changes(self, status: MailboxStatus) -> None:
        # Changes during this are read again by the next refresh.
        since = self.modseq
        async for messages in self._pages(since):
            self.log_flags(self.columns.merge(messages))
        if self.modseq:
            removals = await self._mailboxes.removals(self.mailbox, min(since or status.modseq, self.modseq))
            self.log_removal(await self._removed(removals))
        if status.modseq > self.modseq:
            self.modseq = status.modseq
            self.status = status

    async def _pages(self, since: int) -> AsyncIterator[list[MailboxMessage]]:
        after = 0
        while True:
            messages = await self._mailboxes.messages(self.mailbox, after=after, changed_since=since, limit=SLICE)
            yield messages
            if len(messages) < SLICE:
                return
            after = messages[-1].uid
            await self._pause(0)

    async def _removed(self, removals: Removals) -> list[int]:
        """Uids of the view that the store has no more."""
        uids = self.columns.uids
        if removals.is_complete:
            return [uid for first, last in removals.uids for uid in _between(uids, first, last)]
        there: set[int] = set()
        last = uids[-1] if uids else 0
        async for messages in self._pages(0):
            there.update([message.uid for message in messages])
        return [uid for uid in uids if uid not in there and uid <= last]

    # --- changes

    def log_flags(self, uids: Sequence[int], origin: object = None) -> None:
        """Logs changed flags. `origin` is the session that reports them to its client itself."""
        if uids:
            self._append(ViewChange(array("I", uids), is_removal=False, origin=origin))

    def log_removal(self, uids: Sequence[int]) -> None:
        """Removes messages, and logs it."""
        if removed := self.columns.remove(uids):
            self._append(ViewChange(array("I", removed), is_removal=True))

    def store_flags(self, updated: Iterable[tuple[int, Flags]], modseq: int, origin: object) -> None:
        """Applies the result of a STORE of the session `origin`: messages that have got `modseq` by it."""
        columns, uids = self.columns, []
        for uid, flags in updated:
            at = columns.position(uid)
            if at is not None and modseq > columns.modseqs[at]:
                columns.set_flags(at, flags, modseq)
                uids.append(uid)
        self.log_flags(uids, origin)

    def advance(self, modseq: int) -> None:
        """Notes a change that is in the view already. If others lie between, they are read before the next news."""
        if modseq == self.modseq + 1:
            self.modseq = modseq
        elif modseq > self.modseq:
            self.is_stale = True

    def changes_since(self, serial: int) -> list[ViewChange] | None:
        """Logged changes from a serial on; None if the log does not reach back that far."""
        behind = self.serial - serial
        if behind > len(self._log):
            return None
        return [self._log[at] for at in range(-behind, 0)]

    def _append(self, change: ViewChange) -> None:
        self._log.append(change)
        self.serial += 1
        self._logged += len(change.uids)
        while self._logged > MAX_LOGGED:
            self._logged -= len(self._log.popleft().uids)

    # --- flags

    def learn_keywords(self, numbers: Mapping[str, int]) -> None:
        """Adds new keywords of the mailbox."""
        for name, number in sorted(numbers.items(), key=lambda item: item[1]):
            if number == len(self.keyword_names):
                self.keyword_names.append(name)
                self._flag_lists.clear()

    def mask(self, names: Iterable[str]) -> Flags:
        """Bits of flags; unknown keywords have none. Case is ignored."""
        wanted = {name.lower() for name in names}
        system = sum([1 << bit for bit, name in enumerate(SYSTEM_FLAGS) if name.lower() in wanted])
        keywords = sum([1 << bit for bit, name in enumerate(self.keyword_names) if name.lower() in wanted])
        return Flags(system, keywords)

    def flag_list(self, at: int) -> bytes:
        """Flags of the message at a position, in parentheses."""
        key = self.columns.system[at], self.columns.keywords[at]
        octets = self._flag_lists.get(key)
        if octets is None:
            if len(self._flag_lists) >= SLICE:
                self._flag_lists.clear()
            octets = self._flag_lists[key] = f"({' '.join(self.flag_names(Flags(*key)))})".encode("ascii")
        return octets

    def flag_names(self, flags: Flags) -> list[str]:
        """Names of system flags and keywords."""
        names = [name for bit, name in enumerate(SYSTEM_FLAGS) if flags.system >> bit & 1]
        return names + [name for bit, name in enumerate(self.keyword_names) if flags.keywords >> bit & 1]


def _between(uids: array[int], first: int, last: int) -> array[int]:
    """Uids of a range."""
    return uids[bisect_left(uids, first) : bisect_right(uids, last)]
