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

MAX_EVENTS = 5000
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
    """Events are no longer in the ring, or belong to an earlier run: the client must read the lists again."""


class Feed:
    """Ring of events, written by each change and read by streams, each from its own position."""

    def __init__(
        self, max_events: int = MAX_EVENTS, soon: Callable[[Callable[[], None]], object] = lambda do: do()
    ) -> None:
        """`soon` calls a function, at once or in a later turn of the reactor."""
        self._soon = soon
        self._is_waking = False
        self._run = secrets.token_hex(4)
        self._events: deque[Event] = deque(maxlen=max_events)
        self._sequence = self._floor = 0
        self._waiters: set[Deferred[None]] = set()
        self._subscribers: list[Callable[[Event], None]] = []
        self._closed = False
        self._streams = 0

    @property
    def has_streams(self) -> bool:
        """Whether any stream is open, so that events for streams only are published."""
        return self._streams > 0

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[None]:
        """Opens a stream, which gets all later events."""
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def restart_at(self, run: str, sequence: int) -> None:
        """Continues after an event of a run that another process has published; earlier events are unknown here."""
        self._events.clear()
        self._run = run
        self._sequence = self._floor = sequence

    @property
    def newest(self) -> int:
        """Sequence number of the newest event; 0 before the first."""
        return self._sequence

    @property
    def is_closed(self) -> bool:
        return self._closed

    def subscribe(self, subscriber: Callable[[Event], None]) -> Callable[[], None]:
        """Calls `subscriber` for each event, until the returned function is called. It must neither raise nor wait."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber) if subscriber in self._subscribers else None

    def publish(self, name: str, data: Any, holders: frozenset[str] | None = None) -> None:
        """Publishes an event to streams and subscribers."""
        self._append(Event(self._sequence + 1, name, data, holders))

    def _append(self, event: Event) -> None:
        self._sequence = event.sequence
        self._events.append(event)
        for subscriber in list(self._subscribers):
            subscriber(event)
        if self._waiters and not self._is_waking:
            self._is_waking = True
            self._soon(self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        waiting, self._waiters = self._waiters, set()
        for deferred in waiting:
            deferred.callback(None)

    def close(self) -> None:
        """Ends all waits."""
        self._closed = True
        self._wake()

    def after(self, sequence: int) -> list[Event]:
        """The events after `sequence`, the oldest first. Raises EventsMissed."""
        if sequence == self._sequence:
            return []
        first_known = self._events[0].sequence - 1 if self._events else self._floor
        if sequence > self._sequence or sequence < first_known:
            raise EventsMissed
        return [event for event in self._events if event.sequence > sequence]

    def since(self, sequence: int) -> list[Event]:
        """The events after `sequence` that are still in the ring."""
        return [event for event in self._events if event.sequence > sequence]

    async def wait_after(self, sequence: int) -> None:
        """Returns when there is an event after `sequence`, or the feed is closed; may be cancelled."""
        if self._closed or self._sequence > sequence:
            return
        waiting: Deferred[None] = Deferred(self._waiters.discard)
        self._waiters.add(waiting)
        await waiting

    def name_of(self, sequence: int) -> str:
        """Token with which a client resumes after an event."""
        return f"{self._run}-{sequence}"

    def sequence_of(self, name: str) -> int:
        """Sequence number of a token. Raises EventsMissed for another run, or an invalid token."""
        run, _, sequence = name.partition("-")
        if run != self._run or not sequence.isascii() or not sequence.isdigit() or len(sequence) > 18:
            raise EventsMissed
        return int(sequence)


class FeedCounters:
    """Counters of the events of a feed since `begun`."""

    def __init__(self, feed: Feed, now: float) -> None:
        self.begun = now
        """Seconds since 1970."""
        self.accepted = 0
        self.octets = 0
        """Octets of all accepted letters."""
        self.deleted = 0
        feed.subscribe(self._count)

    def _count(self, event: Event) -> None:
        if event.name == "letter":
            self.accepted += 1
            self.octets += event.data.item.size
        elif event.name in {"deleted", "pruned"}:
            self.deleted += event.data.count


async def sleep(clock: Clock, seconds: float) -> None:
    """Waits; 0 waits for the next turn of the reactor."""
    done: Deferred[None] = Deferred()
    stop = clock.call_later(seconds, lambda: done.callback(None))
    try:
        await done
    finally:
        stop()


async def with_timeout(clock: Clock, wait: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Awaits a coroutine for at most so many seconds; returns whether it ended. Cancellation cancels it."""
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
