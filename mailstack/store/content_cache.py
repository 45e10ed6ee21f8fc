"""Content cache of recently written or read values, and read-ahead of claimed letters."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.letter.letter import Octets
from mailstack.store import StoreError
from mailstack.store.contents import StoredContent

T = TypeVar("T")


class RecentOctets:
    """Contents by name, evicted from the least recently used."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        """Octets in all."""
        self._contents: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0

    def add(self, name: str, octets: bytes) -> None:
        """Contents never change, so an existing entry stays."""
        if name in self._contents or len(octets) > self._limit:
            return
        self._contents[name] = octets
        self._held += len(octets)
        while self._held > self._limit:
            self._held -= len(self._contents.popitem(last=False)[1])

    def get(self, name: str) -> bytes | None:
        octets = self._contents.get(name)
        if octets is not None:
            self._contents.move_to_end(name)
        return octets


class ContentCache(Generic[T]):
    """Cache for values that other processes may change, with expiry and an optional change mark."""

    def __init__(
        self,
        seconds: float,
        limit: int,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        mark: Callable[[], object] | None = None,
        max_seconds: float = 30.0,
    ) -> None:
        """`limit`: number of values. `mark`: returns a mark that differs after each change by any process.

        The mark is read every `seconds`; while it stays the same, a value is valid for `max_seconds` seconds.
        """
        self._seconds = seconds
        self._limit = limit
        self._monotonic = monotonic
        self._mark = mark
        self._max_seconds = max_seconds
        self._answers: OrderedDict[str, _Answer[T]] = OrderedDict()
        self._generation = 0
        """Number of invalidations."""
        self._seen: object = None
        self._seen_until = -1.0

    @property
    def age(self) -> tuple[int, object]:
        """State at the time of the query, for `add`."""
        return self._generation, self._read_mark(self._monotonic())

    def add(self, name: str, answer: T, age: tuple[int, object]) -> None:
        """Caches a value, unless it was queried before the last invalidation."""
        generation, seen = age
        if generation != self._generation:
            return
        now = self._monotonic()
        self._answers[name] = _Answer(answer, now + self._seconds, now + self._max_seconds, seen)
        self._answers.move_to_end(name)
        if len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def get(self, name: str) -> tuple[T] | None:
        """The answer in a tuple, since it may be None itself."""
        found = self._answers.get(name)
        if found is None:
            return None
        now = self._monotonic()
        if found.until < now:
            if self._mark is None or found.expires < now or self._read_mark(now) != found.seen:
                return None
            found.until = min(self._seen_until, found.expires)
        return (found.answer,)

    def invalidate(self) -> None:
        """Drops all values after a change by this process."""
        self._answers.clear()
        self._generation += 1

    def _read_mark(self, now: float) -> object:
        """The mark, read at most `seconds` ago."""
        if self._mark is not None and self._seen_until < now:
            self._seen, self._seen_until = self._mark(), now + self._seconds
        return self._seen


class _Answer(Generic[T]):
    __slots__ = ("answer", "expires", "seen", "until")

    def __init__(self, answer: T, until: float, expires: float, seen: object) -> None:
        self.answer = answer
        self.until = until
        """Monotonic time of the next check of the change mark."""
        self.expires = expires
        self.seen = seen
        """The mark at the time of the query."""


LETTERS = 64
"""Maximum letters of one read."""
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
