"""Limits attempts at silent hosts to half of the connections."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import DeliveryJob, ProgressWatch
from mailstack.queue.backlog import Backlog
from mailstack.queue.settings import QueueLimits

CHECK_CROWDED = 0.1
"""Seconds between two checks while letters wait for a connection."""


CHECK_SILENT = 1.0
"""Seconds between two checks while only letters for silent hosts wait."""


class _WatchedAttempt(Struct):
    job: DeliveryJob
    sign: tuple[int, int]
    since: float
    """Time of the last sign of progress, by `Clock.steady`."""
    is_known: bool
    """Whether the destination was silent before: the job counts as silent to its end, and is not put back again."""
    is_silent: bool = False


class SilentAttempts:
    """Watches the attempts under way, and interrupts some of those at silent hosts.

    A host is silent after `silent_after` seconds without progress: no DNS answer, no connection, no TLS, no reply. While
    connections are free, each step has the timeout of RFC 5321 §4.5.3.2. While letters wait for a connection:

        silent attempts           reaction
        ------------------------  --------------------------------------------------------------------------
        up to half of all         none
        beyond half, newest first put back: the job waits, unattempted, among silent destinations
        beyond half, and put      the host is given up after `silent_time`; the next host of the destination
        back before; or if other  is tried, or the letter deferred
        silent destinations wait
        after the final dot       the same after `silent_final`, because the host may have the letter (RFC 1047)
    """

    def __init__(self, backlog: Backlog, clock: Clock, limits: QueueLimits, start_jobs: Callable[[], None]) -> None:
        """`start_jobs` is called after each check, to start jobs."""
        self._backlog = backlog
        self._clock = clock
        self._limits = limits
        self._start_jobs = start_jobs
        self._watched: dict[ProgressWatch, _WatchedAttempt] = {}
        self._cancel: Callable[[], None] | None = None
        self._is_crowded = False

    def start(self, job: DeliveryJob) -> ProgressWatch:
        """Watches the attempt of a job that is under way."""
        watch, is_silent = ProgressWatch(), self._backlog.is_silent(job)
        self._watched[watch] = _WatchedAttempt(job, watch.sign, self._clock.steady(), is_silent, is_silent)
        return watch

    def end(self, watch: ProgressWatch) -> bool:
        """Stops to watch an attempt; returns whether it ended without progress for `silent_time`."""
        watched = self._watched.pop(watch)
        return watch.sign == watched.sign and self._clock.steady() - watched.since >= self._limits.silent_time

    def watch(self) -> None:
        """Schedules a check while letters wait because of silent hosts."""
        if not self._backlog.has_startable or (self._cancel is not None and self._is_crowded):
            return
        if (is_crowded := self._backlog.is_crowded) or (self._cancel is None and self._backlog.silent_wait):
            self.stop()
            self._is_crowded = is_crowded
            self._cancel = self._clock.call_later(CHECK_CROWDED if is_crowded else CHECK_SILENT, self._check)

    def stop(self) -> None:
        """Cancels the next check."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None

    def _check(self) -> None:
        self._cancel = None
        now = self._clock.steady()
        silent = self._silent(now)
        if self._backlog.is_crowded:
            surplus = self._backlog.silent_surplus
            newest = sorted((watch for watch in silent if self._may_restart(watch)), key=self._since, reverse=True)
            for watch in newest[:surplus]:
                self._backlog.mark_silent(self._watched[watch].job.destination)
                watch.interrupt("its host is silent, and other messages wait", put_back=True)
        to_interrupt = max(self._backlog.silent_wait, self._backlog.silent_surplus if self._backlog.is_crowded else 0)
        for watch in sorted((watch for watch in silent if watch in self._watched), key=self._since):
            if to_interrupt <= 0:
                break
            to_interrupt -= self._interrupt(watch, now - self._since(watch))
        self._start_jobs()
        self.watch()

    def _silent(self, now: float) -> list[ProgressWatch]:
        found: list[ProgressWatch] = []
        for watch, watched in self._watched.items():
            if (sign := watch.sign) != watched.sign:
                watched.sign, watched.since = sign, now
                if not watched.is_known:
                    watched.is_silent = False
                    self._backlog.mark_responding(watched.job)
            elif now - watched.since >= self._limits.silent_after:
                if not watched.is_silent:
                    watched.is_silent = True
                    self._backlog.mark_job_silent(watched.job)
                found.append(watch)
        return found

    def _since(self, watch: ProgressWatch) -> float:
        return self._watched[watch].since

    def _may_restart(self, watch: ProgressWatch) -> bool:
        return not self._watched[watch].is_known and watch.may_restart

    def _interrupt(self, watch: ProgressWatch, seconds: float) -> bool:
        """Interrupts an attempt that was silent for too long; returns whether it was interrupted."""
        allowed = self._limits.silent_final if watch.is_behind_dot else self._limits.silent_time
        if seconds < allowed:
            return False
        self._backlog.mark_silent(self._watched[watch].job.destination)
        return watch.interrupt(
            f"no reply for {seconds:.0f} seconds, and messages for other silent hosts wait", put_back=False
        )
