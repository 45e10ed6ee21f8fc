"""Letters out of the store, several at a time for a reader who fetches one after the other."""

from __future__ import annotations

from mailstack.letter import Content
from mailstack.mailbox.pop3.maildrop import Maildrop
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.store import Entry, Store, StoreError

MOST_OCTETS = 262_144
"""Of letters that a session holds ahead of its reader."""

MOST_LETTERS = 64
"""The same, in letters."""

MOST_OF_ALL = 16_777_216
"""Octets that all sessions hold; beyond that each reads what is asked for, and nothing ahead."""


class ReadAhead:
    """A store is asked in another thread, which costs more than a small letter: so for a reader who goes on, the next
    ones come along, eight times as many each time.
    """

    def __init__(self, store: Store, drop: Maildrop, room: MemoryBudget) -> None:
        """`room` is shared with all other sessions."""
        self._store = store
        self._drop = drop
        self._room = room
        self._ahead: dict[int, Content] = {}
        """By uid."""
        self._last: int | None = None
        """The number that was asked for last."""
        self._most = 1

    async def open(self, number: int, entry: Entry) -> Content:
        """The letter of a number. Raises KeyError when it is gone, StoreError."""
        last, self._last = self._last, number
        content = self._ahead.pop(entry.uid, None)
        if content is not None:
            self._room.held -= content.size
            return content
        self.close()
        goes_on = last is not None and next(self._drop.behind(last), None) is entry
        self._most = min(8 * self._most, MOST_LETTERS) if goes_on else 1
        if self._most > 1 and not self._room.is_scarce:
            content = await self._read_from(number, entry)
        return content or await self._store.read(self._drop.mailbox, entry.uid)

    def close(self) -> None:
        """Hold nothing more."""
        self._room.held -= sum([content.size for content in self._ahead.values()])
        self._ahead = {}

    async def _read_from(self, number: int, entry: Entry) -> Content | None:
        """The letter, if it can be had, and hold what came along."""
        uids = self._following(number, entry)
        if len(uids) == 1:
            return None
        try:
            found = await self._store.read_together(self._drop.mailbox, uids)
        except StoreError:
            return None  # whatever is wrong with one of them, it is told to who asks for that one
        content = found.pop(entry.uid, None)
        self._ahead = found
        self._room.held += sum([each.size for each in found.values()])
        return content

    def _following(self, number: int, entry: Entry) -> list[int]:
        """The uids of the letter and of those behind it that may come along."""
        uids, octets = [entry.uid], 0
        for following in self._drop.behind(number):
            octets += following.size
            if len(uids) >= self._most or octets > MOST_OCTETS:
                break
            uids.append(following.uid)
        return uids
