"""Limits attempts at silent hosts to half of the connections."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import DeliveryJob
from mailstack.queue.backlog import Backlog
from mailstack.queue.progress_watch import ProgressWatch
from mailstack.queue.settings import QueueLimits

CHECK_CROWDED = 0.1
"""Seconds between two checks while letters wait for a connection."""


CHECK_SILENT = 1.0
"""Seconds between two checks while only letters for silent hosts wait."""


class _Seen(Struct):
    job: DeliveryJob
    sign: tuple[int, int]
    since: float
    """Time of the last sign of progress, by `Clock.steady`."""
    is_known: bool
    """Whether the destination was known as silent: the job counts as silent to its end, and is not put back again."""
    is_silent: bool = False


class SilentAttempts:
    """Watches the attempts under way, and interrupts some of those at silent hosts.

    A host is silent when nothing has come of an attempt for `quiet_after` seconds: no DNS answer, no connection, no TLS,
    no reply. While connections are free, that costs nothing, and each step has the time that RFC 5321
    §4.5.3.2 gives it. While letters wait for a connection:

        silent attempts           what becomes of them
        ------------------------  --------------------------------------------------------------------------
        up to half of all         stay
        beyond half, newest first put back: the job waits, unattempted, among destinations known as silent
        beyond half, and put      the host is given up after `silent_time`; the next host of the destination
        back before; or others    is tried, or the letter deferred
        known as silent wait
        behind the final dot      the same after `silent_final`, for the host may have the letter (RFC 1047)
    """

    def __init__(self, backlog: Backlog, clock: Clock, limits: QueueLimits, start_jobs: Callable[[], None]) -> None:
        """`start_jobs` starts what may start after a check."""
        self._backlog = backlog
        self._clock = clock
        self._limits = limits
        self._start_jobs = start_jobs
        self._seen: dict[ProgressWatch, _Seen] = {}
        self._cancel: Callable[[], None] | None = None
        self._is_crowded = False

    def begin(self, job: DeliveryJob) -> ProgressWatch:
        """Watches the attempt of a job that is under way."""
        watch, known = ProgressWatch(), self._backlog.is_silent(job)
        self._seen[watch] = _Seen(job, watch.sign, self._clock.steady(), known, known)
        return watch

    def end(self, watch: ProgressWatch) -> bool:
        """Forgets an attempt that is over; whether it was longer without a sign than a silent host is allowed."""
        seen = self._seen.pop(watch)
        return watch.sign == seen.sign and self._clock.steady() - seen.since >= self._limits.silent_time

    def watch(self) -> None:
        """Check soon, if letters wait because of silent hosts, and as long as they do."""
        if not self._backlog.has_startable or (self._cancel is not None and self._is_crowded):
            return
        if (is_crowded := self._backlog.is_crowded) or (self._cancel is None and self._backlog.silent_wait):
            self.stop()
            self._is_crowded = is_crowded
            self._cancel = self._clock.call_later(CHECK_CROWDED if is_crowded else CHECK_SILENT, self._check)

    def stop(self) -> None:
        """Check no more."""
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
                self._backlog.mark_silent(self._seen[watch].job.destination)
                watch.interrupt("its host said nothing, and others wait", put_back=True)
        wanted = max(self._backlog.silent_wait, self._backlog.silent_surplus if self._backlog.is_crowded else 0)
        for watch in sorted((watch for watch in silent if watch in self._seen), key=self._since):
            if wanted <= 0:
                break
            wanted -= self._give_up(watch, now - self._since(watch))
        self._start_jobs()
        self.watch()

    def _silent(self, now: float) -> list[ProgressWatch]:
        found: list[ProgressWatch] = []
        for watch, seen in self._seen.items():
            if (sign := watch.sign) != seen.sign:
                seen.sign, seen.since = sign, now
                if not seen.is_known:
                    seen.is_silent = False
                    self._backlog.mark_responding(seen.job)
            elif now - seen.since >= self._limits.quiet_after:
                if not seen.is_silent:
                    seen.is_silent = True
                    self._backlog.mark_job_silent(seen.job)
                found.append(watch)
        return found

    def _since(self, watch: ProgressWatch) -> float:
        return self._seen[watch].since

    def _may_restart(self, watch: ProgressWatch) -> bool:
        return not self._seen[watch].is_known and watch.may_restart

    def _give_up(self, watch: ProgressWatch, seconds: float) -> bool:
        """Give up the host of an attempt that had its time, and whether it was given up."""
        allowed = self._limits.silent_final if watch.is_behind_dot else self._limits.silent_time
        if seconds < allowed:
            return False
        self._backlog.mark_silent(self._seen[watch].job.destination)
        return watch.interrupt(
            f"it said nothing for {seconds:.0f} seconds, and letters for other hosts that say nothing wait",
            put_back=False,
        )
