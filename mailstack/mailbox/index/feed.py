"""Feed of events about letters: a ring of the newest ones, and waiting streams."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from twisted.internet.defer import CancelledError, Deferred

from mailstack.protocols.connection import Clock

MOST_KEPT = 5000
"""Maximum number of events in the ring; a stream that missed more must read the lists again."""


class Event(Struct, frozen=True):
    """Event about letters."""

    sequence: int
    name: str
    """ "letter", "changed", "deleted", "step", "fault", "dialogue" …"""
    data: Any
    """Value that msgspec can encode as JSON."""
    holders: frozenset[str] | None = None
    """Mailboxes with users that may see the event; None: administrators only."""


class EventsMissed(Exception):
    """Events between have been forgotten, or are those of an earlier run: what one knew must be read anew."""


class Feed:
    """Ring of events, written by each change and read by streams, each from its own position."""

    def __init__(self, kept: int = MOST_KEPT, soon: Callable[[Callable[[], None]], object] = lambda do: do()) -> None:
        """`soon` calls a function, at once or in a turn of its own."""
        self._soon = soon
        self._waking = False
        self._run = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=kept)
        self._sequence = self._floor = 0
        self._waiting: set[Deferred[None]] = set()
        self._listeners: list[Callable[[Event], None]] = []
        self._closed = False
        self._watchers = 0

    @property
    def is_watched(self) -> bool:
        """Whether any stream is open: events that are of use only then can be left out."""
        return self._watchers > 0

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Open a stream: events from here on are kept for it."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    def begin(self, run: str, sequence: int) -> None:
        """Go on behind an event of a run that others have told of; what was before it is not known here."""
        self._events.clear()
        self._run = run
        self._sequence = self._floor = sequence

    @property
    def newest(self) -> int:
        """The sequence of the newest event; 0 before there is one."""
        return self._sequence

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be told."""
        return self._closed

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Be called for each event, until the function returned is called. It must neither raise nor take long."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, name: str, data: Any, holders: frozenset[str] | None = None) -> None:
        """Something happened."""
        self._take(Event(self._sequence + 1, name, data, holders))

    def _take(self, event: Event) -> None:
        self._sequence = event.sequence
        self._events.append(event)
        for listener in list(self._listeners):
            listener(event)
        if self._waiting and not self._waking:
            self._waking = True
            self._soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        waiting, self._waiting = self._waiting, set()
        for deferred in waiting:
            deferred.callback(None)

    def close(self) -> None:
        """End every wait."""
        self._closed = True
        self._wake()

    def after(self, sequence: int) -> list[Event]:
        """The events since then, the oldest first. Raises Missed."""
        if sequence == self._sequence:
            return []
        forgotten = self._events[0].sequence - 1 if self._events else self._floor
        if sequence > self._sequence or sequence < forgotten:
            raise EventsMissed
        return [event for event in self._events if event.sequence > sequence]

    def since(self, sequence: int) -> list[Event]:
        """The same, without those that are forgotten."""
        return [event for event in self._events if event.sequence > sequence]

    async def more(self, sequence: int) -> None:
        """Return when there is something after `sequence`, or the feed is closed; may be cancelled."""
        if self._closed or self._sequence > sequence:
            return
        waiting: Deferred[None] = Deferred(self._waiting.discard)
        self._waiting.add(waiting)
        await waiting

    def name_of(self, sequence: int) -> str:
        """What a client gives back to go on from there."""
        return f"{self._run}-{sequence}"

    def sequence_of(self, name: str) -> int:
        """Where a client has got to. Raises Missed for one of another run, or none of ours."""
        run, _, sequence = name.partition("-")
        if run != self._run or not sequence.isascii() or not sequence.isdigit() or len(sequence) > 18:
            raise EventsMissed
        return int(sequence)


class FeedCounters:
    """Counters of one feed, from now on."""

    def __init__(self, feed: Feed, now: float) -> None:
        self.begun = now
        """Seconds since 1970."""
        self.accepted = 0
        self.octets = 0
        """Octets of all accepted letters."""
        self.deleted = 0
        feed.listen(self._count)

    def _count(self, event: Event) -> None:
        if event.name == "letter":
            self.accepted += 1
            self.octets += event.data.item.size
        elif event.name in {"deleted", "pruned"}:
            self.deleted += event.data.count


async def with_timeout(clock: Clock, wait: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Whether it came to its end in time; else it is cancelled, as it is when we are."""
    waiting = Deferred.fromCoroutine(wait)
    late = False

    def end() -> None:
        nonlocal late
        late = True
        waiting.cancel()

    stop = clock.call_later(seconds, end)
    try:
        await waiting
    except CancelledError:
        if not late:
            raise
        return False
    finally:
        stop()
    return True
