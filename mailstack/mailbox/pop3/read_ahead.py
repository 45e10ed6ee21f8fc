"""Read-ahead of letters for sequential retrieval."""

from __future__ import annotations

from mailstack.letter import Content
from mailstack.mailbox.pop3.maildrop import Maildrop
from mailstack.protocols.memory_budget import MemoryBudget
from mailstack.store import Entry, Store, StoreError

MAX_OCTETS = 262_144
"""Maximum octets of letters that a session holds in advance."""

MAX_LETTERS = 64
"""Maximum number of letters that a session holds in advance."""

MOST_OF_ALL = 16_777_216
"""Maximum octets that all sessions hold in advance; beyond that, letters are read one by one."""


class ReadAhead:
    """Reads several letters at once for sequential retrieval, eight times as many at each step.

    The store runs in another thread, and a switch of threads costs more than a small letter.
    """

    def __init__(self, store: Store, drop: Maildrop, room: MemoryBudget) -> None:
        """`room` is shared with all other sessions."""
        self._store = store
        self._drop = drop
        self._room = room
        self._ahead: dict[int, Content] = {}
        """Letters in advance, by uid."""
        self._last: int | None = None
        """Message number of the last request."""
        self._most = 1

    async def open(self, number: int, entry: Entry) -> Content:
        """Return the letter of a message number. Raises KeyError when it is gone, and StoreError."""
        last, self._last = self._last, number
        content = self._ahead.pop(entry.uid, None)
        if content is not None:
            self._room.held -= content.size
            return content
        self.close()
        goes_on = last is not None and next(self._drop.behind(last), None) is entry
        self._most = min(8 * self._most, MAX_LETTERS) if goes_on else 1
        if self._most > 1 and not self._room.is_scarce:
            content = await self._read_from(number, entry)
        return content or await self._store.read(self._drop.mailbox, entry.uid)

    def close(self) -> None:
        """Release all letters held in advance."""
        self._room.held -= sum([content.size for content in self._ahead.values()])
        self._ahead = {}

    async def _read_from(self, number: int, entry: Entry) -> Content | None:
        """Read the letter with its followers, and hold the followers; None on failure."""
        uids = self._following(number, entry)
        if len(uids) == 1:
            return None
        try:
            found = await self._store.read_together(self._drop.mailbox, uids)
        except StoreError:
            return None  # An error of one letter is raised when that letter is requested.
        content = found.pop(entry.uid, None)
        self._ahead = found
        self._room.held += sum([each.size for each in found.values()])
        return content

    def _following(self, number: int, entry: Entry) -> list[int]:
        """Return the uids of the letter and of the followers to read with it."""
        uids, octets = [entry.uid], 0
        for following in self._drop.behind(number):
            octets += following.size
            if len(uids) >= self._most or octets > MAX_OCTETS:
                break
            uids.append(following.uid)
        return uids
