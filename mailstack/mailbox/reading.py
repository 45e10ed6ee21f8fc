"""Letters out of the store, several at a time for a reader who fetches one after the other."""

from __future__ import annotations

from mailstack.letter import Content
from mailstack.mailbox.maildrop import Maildrop
from mailstack.store import Entry, Store

MOST_OCTETS = 65536
"""Of letters that a session holds ahead of its reader."""

MOST_LETTERS = 32
"""The same, in letters."""


class ReadAhead:
    """A store is asked in another thread, which costs more than a small letter: so for a reader who goes on, the next
    ones come along, twice as many each time.
    """

    def __init__(self, store: Store, drop: Maildrop) -> None:
        self._store = store
        self._drop = drop
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
            return content
        self._ahead.clear()
        goes_on = last is not None and next(self._drop.behind(last), None) is entry
        self._most = min(2 * self._most, MOST_LETTERS) if goes_on else 1
        uids = self._following(number, entry)
        if len(uids) == 1:
            return await self._store.read(self._drop.mailbox, entry.uid)
        found = await self._store.read_together(self._drop.mailbox, uids)
        content = found.pop(entry.uid)
        self._ahead = found
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
