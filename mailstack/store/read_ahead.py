"""Read-ahead of contents for letters claimed together.

A letter that leaves the queue is read once, and those claimed with it are read soon after. One job of a reader thread
reads dozens of them; a job for each would pass the interpreter's lock to and fro.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.letter.content import Octets
from mailstack.store import StoreError
from mailstack.store.content_cache import RecentOctets
from mailstack.store.contents import StoredContent

LETTERS = 64
"""Read at a time at most."""
OCTETS = 524_288
"""Maximum octets read at a time, except for a larger requested letter."""


class ReadAheadBatch:
    """The letters of one claim, in the order in which they will be wanted."""

    def __init__(
        self,
        read: Callable[[Sequence[LetterId]], Awaitable[dict[LetterId, bytes]]],
        alone: Callable[[LetterId], Awaitable[Content]],
        recent: RecentOctets,
        small: int,
    ) -> None:
        """`read` gives what it finds of several, `alone` any one of them, or raises what is wrong with it.

        What was read waits in `recent`. A content of more than `small` octets is a large one.
        """
        self._read = read
        self._alone = alone
        self._recent = recent
        self._small = small
        self._unread: dict[LetterId, int] = {}
        self._waiting: dict[LetterId, list[Deferred[None]]] = {}
        """Waiting readers of the letters that are being read."""

    def content(self, letter: LetterId, size: int) -> Content:
        """The content of the next letter. All are named, in any one thread, before the first is read."""
        if size <= self._small:
            self._unread[letter] = size
        return StoredContent(self._open, letter, size)

    async def _open(self, letter: LetterId) -> Content:
        """Raises KeyError, and StoreError, as `alone` does."""
        if (octets := self._recent.get(letter)) is None:
            if (waiting := self._waiting.get(letter)) is not None:
                read: Deferred[None] = Deferred()
                waiting.append(read)
                await read
            elif letter in self._unread:
                await self._read_from(letter)
            octets = self._recent.get(letter)
        # Not there: it was read before, is gone, makes no sense, or had to make room.
        return await self._alone(letter) if octets is None else Octets(octets)

    async def _read_from(self, letter: LetterId) -> None:
        """Read this letter and the next ones, and wake their waiting readers."""
        sizes = self._next(letter)
        self._waiting.update((each, []) for each in sizes)
        try:
            found = await self._read(list(sizes))
        except StoreError:
            found = {}  # each reader then reads alone and gets the error
        for each, octets in found.items():
            if len(octets) == sizes[each]:
                self._recent.add(each, octets)
        for waiting in [self._waiting.pop(each) for each in sizes]:
            for waiter in waiting:
                waiter.callback(None)

    def _next(self, letter: LetterId) -> dict[LetterId, int]:
        sizes = {letter: self._unread.pop(letter)}
        left = OCTETS
        for each, size in self._unread.items():
            left -= size
            if left < 0 or len(sizes) == LETTERS:
                break
            sizes[each] = size
        for each in sizes:
            self._unread.pop(each, None)
        return sizes
