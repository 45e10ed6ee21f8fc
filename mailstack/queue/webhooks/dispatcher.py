"""Dispatcher of outbox entries to one target: claims, sends and settles them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.delivery import Journal, Step, TappedJournal
from mailstack.protocols.connection import Clock
from mailstack.protocols.log import RateLimitedLog
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.store import StoreError, StoreFull
from mailstack.store.outbox import RETRY_NOW, OutboxEntry, OutboxStore

_log = logging.getLogger(__name__)

_MIN_WAIT_S = 0.001
"""Minimum number of seconds between two polls of the store."""
_MAX_TEXT = 300


class SendFailed(Exception):
    """A target did not accept an entry; str() is the reason, for people."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        """`wait` is the minimum number of seconds to wait, as the target requests."""
        super().__init__(reason)
        self.wait = wait


class OutboxSink(Protocol):
    """Sends entries to one target."""

    async def send(self, entry: OutboxEntry) -> None:
        """Sends an entry once. Returns when the target has accepted or declined it; raises SendFailed."""

    def close(self) -> None:
        """Closes idle connections."""


class DispatcherLimits(Struct, frozen=True):
    """Limits and times of a dispatcher."""

    in_flight: int = 4
    """Maximum number of entries sent concurrently; one while the target fails."""
    lease: float = 120.0
    """Lease of a claim in seconds; longer than any attempt."""
    poll: float = 1.0
    """Seconds between two polls for entries of other processes."""
    sweep: float = 60.0
    """Seconds between two purges of entries that are too old."""


class OutboxDispatcher:
    """Sends the entries of one target. States: made, running (`start`), stopping (`stop`).

    Entries in memory are claimed in the store, so that a crash loses none: the next `start` releases the claims.
    """

    def __init__(
        self,
        store: OutboxStore,
        clock: Clock,
        sink: OutboxSink,
        *,
        target: str,
        owner: str,
        schedule: RetrySchedule,
        limits: DispatcherLimits = DispatcherLimits(),  # noqa: B008  # frozen
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`owner` names this process in claims, and stays the same after a crash; no other process has the same.

        `schedule` has the times of retries, the back-off of the target by its number of failures, and the maximum age
        of a step.
        """
        self.target = target
        self._store = store
        self._clock = clock
        self._sink = sink
        self._owner = f"{owner} {target}"
        self._schedule = schedule
        self._limits = limits
        self._jitter = jitter
        self._complaint = RateLimitedLog(_log, clock.steady)
        self._active = 0
        self._failures = 0
        """Attempts that failed since the last one that did not."""
        self._paused_until = 0.0
        self._purged = 0.0
        self._running = False
        self._recovered = False
        self._is_polling = self._poll_again = False
        self._cancel_poll: Callable[[], None] = lambda: None
        self._next_poll = float("inf")
        self._stopped: Callable[[], None] | None = None
        self._cancel_end: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Releases the claims of an earlier run of this process, and starts. Raises StoreError."""
        try:
            await self._recover()
        except StoreFull as trouble:
            self._complaint.error(
                "%s: sending waits until the claims of the previous run can be released: %s", self.target, trouble
            )
        self._running = True
        self._clock.spawn(self._poll())

    async def _recover(self) -> None:
        """Releases old claims once, before the first claim: an earlier run has the same owner."""
        if not self._recovered:
            await self._store.recover(self._owner, self._clock.now())
            self._recovered = True

    def wake(self) -> None:
        """Polls at once, because there may be new entries."""
        self._poll_again = self._is_polling
        self._poll_in(0.0)

    def stop(self, stopped: Callable[[], None], within: float = 10.0) -> None:
        """Claims no more; calls `stopped` once all attempts have ended, or after `within` seconds.

        Entries claimed during the stop are released, so that none is sent without a record of it.
        """
        self._running = False
        self._cancel_poll()
        self._stopped = stopped
        self._cancel_end = self._clock.call_later(within, self._end)
        self._end_when_idle()

    # --- what is due

    async def _poll(self) -> None:
        if self._is_polling:
            return
        self._is_polling, self._next_poll = True, float("inf")
        wait = self._limits.poll
        try:
            await self._recover()
            await self._purge()
            wait = await self._claim_due()
            self._complaint.is_over()
        except StoreError as trouble:
            self._complaint.error("%s: due entries can't be claimed: %s", self.target, trouble)
        finally:
            self._is_polling = False
            again, self._poll_again = self._poll_again, False
            self._poll_in(0.0 if again else wait)
            self._end_when_idle()

    def _poll_in(self, seconds: float) -> None:
        """Polls after that time, unless a poll is due before."""
        at = self._clock.steady() + seconds
        if self._running and not self._is_polling and at < self._next_poll:
            self._cancel_poll()
            self._next_poll = at
            self._cancel_poll = self._clock.call_later(seconds, lambda: self._clock.spawn(self._poll()))

    async def _purge(self) -> None:
        now = self._clock.now()
        if now - self._purged >= self._limits.sweep:
            self._purged = now
            if count := await self._store.purge(self.target, now - self._schedule.give_up_after):
                _log.warning("%s: %d steps could not be sent in time and are dropped", self.target, count)

    async def _claim_due(self) -> float:
        """Claims due entries while there is capacity; returns the seconds until the next poll."""
        while self._running and (capacity := self._capacity()) > 0:
            now = self._clock.now()
            due = await self._store.next_due(self.target)
            if due is None:
                break
            begins = now + (self._paused_until - self._clock.steady()) if due > RETRY_NOW else now
            if max(due, begins) > now:
                return max(_MIN_WAIT_S, min(self._limits.poll, max(due, begins) - now))
            claimed = await self._store.claim(self.target, self._owner, now, limit=capacity, lease=self._limits.lease)
            if not self._running:
                # Stopped by now: an entry sent now could not be recorded.
                await self._settle(again=[replace(each, due=now) for each in claimed])
                break
            for entry in claimed:
                self._active += 1
                self._clock.spawn(self._attempt(entry))
        return self._limits.poll

    def _capacity(self) -> int:
        """Number of entries that may be sent now; a target that failed gets one at a time."""
        return (1 if self._failures else self._limits.in_flight) - self._active

    # --- attempts

    async def _attempt(self, entry: OutboxEntry) -> None:
        try:
            await self._sink.send(entry)
        except SendFailed as trouble:
            await self._settle_failure(entry, str(trouble), trouble.wait)
        except Exception:  # noqa: BLE001  # any error is a retry
            _log.exception("internal error: sending to %s failed for message %s", self.target, entry.step.letter)
            await self._settle_failure(entry, "local error; see the log", 0.0)
        else:
            self._failures, self._paused_until = 0, 0.0
            await self._settle(sent=[entry.id])
        finally:
            self._active -= 1
            self.wake()
            self._end_when_idle()

    async def _settle_failure(self, entry: OutboxEntry, reason: str, wait: float) -> None:
        now, steady, step = self._clock.now(), self._clock.steady(), entry.step
        if steady >= self._paused_until:
            # Concurrent failures count once.
            self._failures += 1
            self._paused_until = steady + self._schedule.next_due(now, self._failures, now, self._jitter()) - now
        self._paused_until = max(self._paused_until, steady + wait)
        if self._schedule.is_expired(step.at, now):
            _log.warning("%s: gave up on message %s (%s): %s", self.target, step.letter, step.step, reason)
            await self._settle(sent=[entry.id])
        else:
            due = self._schedule.next_due(step.at, entry.attempts, now, self._jitter())
            again = replace(entry, due=max(due, now + wait), trouble=reason[:_MAX_TEXT])
            await self._settle(again=[again])

    async def _settle(self, sent: list[str] | None = None, again: list[OutboxEntry] | None = None) -> None:
        try:
            await self._store.settle(self._owner, sent=sent or (), again=again or ())
        except StoreError as trouble:
            # It is sent again when the lease ends: at least once.
            _log.error("%s: the result of sending can't be stored: %s", self.target, trouble)

    # --- the end

    def _end_when_idle(self) -> None:
        if self._stopped is not None and not self._active and not self._is_polling:
            self._end()

    def _end(self) -> None:
        self._cancel_end()
        self._sink.close()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()


def wake_on_steps(journal: Journal, dispatchers: Sequence[OutboxDispatcher]) -> Journal:
    """Journal that also wakes the dispatchers after each durable step."""

    def wake(_: Sequence[Step]) -> None:
        for dispatcher in dispatchers:
            dispatcher.wake()

    return TappedJournal(journal, wake)
