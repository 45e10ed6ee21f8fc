"""Dispatcher of outbox entries to one target: claims, sends and settles them."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter.step import Journal, Step, TappedJournal
from mailstack.protocols.connection import Clock
from mailstack.protocols.rate_limited_log import RateLimitedLog
from mailstack.queue.schedule import RetrySchedule
from mailstack.store import StoreError, StoreFull
from mailstack.store.outbox import RETRY_NOW, OutboxEntry, OutboxStore

_log = logging.getLogger(__name__)

_LEAST_WAIT = 0.001
"""Seconds between two looks at the store, whatever it says is due."""
_MOST_TEXT = 300


class SendFailed(Exception):
    """A target did not take an announcement; str() says why, for people."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        """`wait` is for how many seconds the target wants to be left alone at least."""
        super().__init__(why)
        self.wait = wait


class OutboxSink(Protocol):
    """Tells one target."""

    async def tell(self, announcement: OutboxEntry) -> None:
        """Once. Returns when the target has it, or need not have it; raises SendFailed."""

    def close(self) -> None:
        """Let go of what was kept for the next one; there will be none."""


class DispatcherLimits(Struct, frozen=True):
    """How much is told at a time. Times are in seconds."""

    in_flight: int = 4
    """Announcements being told at the same time, while the target does well; one while it does not."""
    lease: float = 120.0
    """Lease of a claim; longer than any attempt."""
    poll: float = 1.0
    """How often the store is looked at for what other processes queued."""
    sweep: float = 60.0
    """How often what is too old is dropped."""


class OutboxDispatcher:
    """Tells one target what it is to be told. States: made, running (`start`), stopping (`stop`).

    What it holds in memory is claimed in the store, so that a crash loses nothing: the next `start` lets go of it.
    """

    def __init__(
        self,
        store: OutboxStore,
        clock: Clock,
        teller: OutboxSink,
        *,
        target: str,
        owner: str,
        schedule: RetrySchedule,
        limits: DispatcherLimits = DispatcherLimits(),  # noqa: B008  # frozen
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`owner` names this process in claims, and stays the same after a crash; no other process has the same.

        `schedule` says when one is told again, how long the target is left alone after so many failures, and how old a
        step may become.
        """
        self.target = target
        self._store = store
        self._clock = clock
        self._teller = teller
        self._owner = f"{owner} {target}"
        self._schedule = schedule
        self._limits = limits
        self._jitter = jitter
        self._complaint = RateLimitedLog(_log, clock.steady)
        self._active = 0
        self._failures = 0
        """Attempts that failed since the last one that did not."""
        self._paused_until = 0.0
        self._swept = 0.0
        self._running = False
        self._recovered = False
        self._looking = self._look_again = False
        self._cancel_look: Callable[[], None] = _nothing
        self._next_look = float("inf")
        self._stopped: Callable[[], None] | None = None
        self._cancel_end: Callable[[], None] = _nothing

    async def start(self) -> None:
        """Let go of what an earlier life of this process had claimed, and begin. Raises StoreError."""
        try:
            await self._recover()
        except StoreFull as trouble:
            self._complaint.error("%s is told nothing before claims can be recovered: %s", self.target, trouble)
        self._running = True
        self._clock.spawn(self._look())

    async def _recover(self) -> None:
        """Before that nothing is claimed: an earlier life has the same name."""
        if not self._recovered:
            await self._store.recover(self._owner, self._clock.now())
            self._recovered = True

    def wake(self) -> None:
        """Something may have been queued."""
        self._look_again = self._looking
        self._look_in(0.0)

    def stop(self, stopped: Callable[[], None], within: float = 10.0) -> None:
        """Claim no more; call `stopped` once, when what is being told has been, or `within` seconds passed.

        What is being claimed is given back, so that nothing is told that can't be written down as told.
        """
        self._running = False
        self._cancel_look()
        self._stopped = stopped
        self._cancel_end = self._clock.call_later(within, self._end)
        self._end_when_idle()

    # --- what is due

    async def _look(self) -> None:
        if self._looking:
            return
        self._looking, self._next_look = True, float("inf")
        wait = self._limits.poll
        try:
            await self._recover()
            await self._sweep()
            wait = await self._claim_due()
            self._complaint.is_over()
        except StoreError as trouble:
            self._complaint.error("what %s is to be told can't be claimed: %s", self.target, trouble)
        finally:
            self._looking = False
            again, self._look_again = self._look_again, False
            self._look_in(0.0 if again else wait)
            self._end_when_idle()

    def _look_in(self, seconds: float) -> None:
        """Look then, unless a look is due before."""
        at = self._clock.steady() + seconds
        if self._running and not self._looking and at < self._next_look:
            self._cancel_look()
            self._next_look = at
            self._cancel_look = self._clock.call_later(seconds, lambda: self._clock.spawn(self._look()))

    async def _sweep(self) -> None:
        now = self._clock.now()
        if now - self._swept >= self._limits.sweep:
            self._swept = now
            if count := await self._store.purge(self.target, now - self._schedule.give_up_after):
                _log.warning("%s was not told of %d steps in time: they are dropped", self.target, count)

    async def _claim_due(self) -> float:
        """Claim while there is room and something is due; how many seconds until the next look."""
        while self._running and (room := self._room()) > 0:
            now = self._clock.now()
            due = await self._store.next_due(self.target)
            if due is None:
                break
            begins = now + (self._paused_until - self._clock.steady()) if due > RETRY_NOW else now
            if max(due, begins) > now:
                return max(_LEAST_WAIT, min(self._limits.poll, max(due, begins) - now))
            claimed = await self._store.claim(self.target, self._owner, now, limit=room, lease=self._limits.lease)
            if not self._running:
                # Stopped meanwhile: told now, it could be told and not be written down.
                await self._settle(again=[replace(each, due=now) for each in claimed])
                break
            for announcement in claimed:
                self._active += 1
                self._clock.spawn(self._attempt(announcement))
        return self._limits.poll

    def _room(self) -> int:
        """How many more may be told now; a target that failed is tried with one."""
        return (1 if self._failures else self._limits.in_flight) - self._active

    # --- attempts

    async def _attempt(self, announcement: OutboxEntry) -> None:
        try:
            await self._teller.tell(announcement)
        except SendFailed as trouble:
            await self._settle_failure(announcement, str(trouble), trouble.wait)
        except Exception:  # noqa: BLE001  # whatever it is, it waits
            _log.exception("a bug: %s could not be told of letter %s", self.target, announcement.step.letter)
            await self._settle_failure(announcement, "local error; see the log", 0.0)
        else:
            self._failures, self._paused_until = 0, 0.0
            await self._settle(told=[announcement.id])
        finally:
            self._active -= 1
            self.wake()
            self._end_when_idle()

    async def _settle_failure(self, announcement: OutboxEntry, why: str, wait: float) -> None:
        now, steady, step = self._clock.now(), self._clock.steady(), announcement.step
        if steady >= self._paused_until:
            # Those that were under way with it tell nothing new.
            self._failures += 1
            self._paused_until = steady + self._schedule.next_due(now, self._failures, now, self._jitter()) - now
        self._paused_until = max(self._paused_until, steady + wait)
        if self._schedule.is_expired(step.at, now):
            _log.warning("%s is not told of letter %s (%s): %s", self.target, step.letter, step.step, why)
            await self._settle(told=[announcement.id])
        else:
            due = self._schedule.next_due(step.at, announcement.attempts, now, self._jitter())
            again = replace(announcement, due=max(due, now + wait), trouble=why[:_MOST_TEXT])
            await self._settle(again=[again])

    async def _settle(self, told: list[str] | None = None, again: list[OutboxEntry] | None = None) -> None:
        try:
            await self._store.settle(self._owner, sent=told or (), again=again or ())
        except StoreError as trouble:
            # It is told again when the lease ends: at least once.
            _log.error("what %s was told is not stored: %s", self.target, trouble)

    # --- the end

    def _end_when_idle(self) -> None:
        if self._stopped is not None and not self._active and not self._looking:
            self._end()

    def _end(self) -> None:
        self._cancel_end()
        self._teller.close()
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped()


def _nothing() -> None:
    pass


def wake_on_steps(journal: Journal, dispatchers: Sequence[OutboxDispatcher]) -> Journal:
    """Return a journal that also wakes the dispatchers after each durable step."""

    def wake(_: Sequence[Step]) -> None:
        for dispatcher in dispatchers:
            dispatcher.wake()

    return TappedJournal(journal, wake)
