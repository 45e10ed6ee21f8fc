"""Backlog: jobs for other hosts, started in turn within the limits of connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import nlargest

from mailstack.queue.attempt import DeliveryJob, Lane
from mailstack.queue.concurrency import SILENT, STANDINGS, UNKNOWN, ConcurrencyWindows, Standings
from mailstack.store.delay_reasons import DelayReason

LOW = 200
"""Number of waiting jobs of a destination below which more are fetched: a host takes as many meanwhile."""

_Row = dict[str, deque[DeliveryJob]]
"""Jobs by destination; the next destination stands first."""


class Backlog:
    """Active queue: the highest priority first, destinations in turn, for each in the order in which jobs came.

    A destination may hold no more waiting jobs than there is room left for others. So a slow host fills half of the
    backlog, a second one a quarter, and there is always room for the rest. Of the connections these have a share:

        retries and reports       three quarters: a thousand hosts that never answer don't keep new letters waiting
        reports                   a quarter: strangers can provoke any number of them, to hosts of their own
        silent destinations       half (`mailstack.queue.concurrency`)
        destinations that took    a quarter, while silent ones have their half; of the unknown ones every second to
        letters                   start is the newest, which does not wait for the thousands before it

    The cost of a call does not depend on how many jobs or destinations wait. A destination with a full window stands
    aside until one of its attempts ends.
    """

    def __init__(self, *, concurrency: int, per_destination: int, most: int, first: int | None = None) -> None:
        """At most `concurrency` jobs are under way, and `most` under way or waiting.

        A destination begins with `first` under way at a time (None: with all) and gets up to `per_destination`.
        """
        self._concurrency = concurrency
        self._max_retries = max(1, concurrency * 3 // 4)
        self._max_reports = max(1, concurrency // 4)
        self._max_silent = max(1, concurrency // 2)
        self._max_unproven = max(1, concurrency * 3 // 4)
        self._standings = Standings()
        self._silent: set[int] = set()
        """Jobs under way at silent hosts, by id()."""
        self._waiting_silent = 0
        """Jobs that wait for destinations known as silent."""
        self._passes = [0.0] * STANDINGS
        """Share of turns that destinations of each standing have had; the lowest is next (stride scheduling)."""
        self._last_pass = 0.0
        self._newest_turn = False
        self._windows = ConcurrencyWindows(first=per_destination if first is None else first, max_width=per_destination)
        self._max_jobs = most
        self._rows: dict[Lane, _Row] = {}
        """Jobs that may start."""
        self._aside: dict[str, dict[Lane, deque[DeliveryJob]]] = {}
        """Jobs that wait for an attempt at their own destination to end."""
        self._waiting_for: dict[str, int] = {}
        """Number of waiting jobs by destination."""
        self._active: dict[str, int] = {}
        self._active_jobs = 0
        self._active_retries = 0
        self._active_reports = 0
        self._waiting_jobs = 0
        self._ended_jobs = 0
        self._retry_turn = False
        self._reports_turn = False
        self.local = 0
        """Number of jobs for mailboxes here, which are not limited otherwise, under way or ended but not written down."""
        self.octets = 0
        """Maximum number of octets that the contents of all jobs take in memory."""

    def __len__(self) -> int:
        """Number of jobs waiting, under way, and ended but not written down."""
        return self._active_jobs + self._waiting_jobs + self._ended_jobs

    @property
    def active(self) -> int:
        """Number of jobs under way."""
        return self._active_jobs

    @property
    def ended(self) -> int:
        """Number of jobs with an outcome that is still to be written."""
        return self._ended_jobs

    @property
    def capacity(self) -> int:
        """Number of jobs that may be added."""
        return max(0, self._max_jobs - len(self))

    def has_capacity(self, destination: str) -> bool:
        """Whether a job for this destination may be added; those known as silent have half of all."""
        if self.is_known_silent(destination) and self._waiting_silent >= self._max_jobs // 2:
            return False
        return self._waiting_for.get(destination, 0) < self.capacity

    def capacity_for(self, destination: str) -> int:
        """How many jobs more the destination may have waiting, as `has_capacity` counts them one by one."""
        return max(0, (self.capacity - self._waiting_for.get(destination, 0) + 1) // 2)

    def is_low(self, destination: str) -> bool:
        """Whether it is time to fetch more for this destination: few wait, and many more may."""
        return self._waiting_for.get(destination, 0) < min(LOW, self.capacity_for(destination))

    def add(self, job: DeliveryJob) -> None:
        self._wait(job)
        self.octets += job.octets

    def start(self) -> DeliveryJob | None:
        """Takes the next job, which is under way from now on; None if none may start."""
        # Letters that are sent and not written down are sent again after a crash, so there are never many of them.
        if self._active_jobs >= self._concurrency or self._ended_jobs >= self._concurrency:
            return None
        lane = self._next_lane()
        return None if lane is None else self._start_from(lane, self._next_destination(lane))

    def put_back(self, job: DeliveryJob) -> None:
        """Has a job wait again: its attempt was interrupted before anything came of it."""
        self._leave(job)
        self._wait(job)

    def done(self, job: DeliveryJob, *, reached: bool | None = None, silent: bool = False) -> None:
        """Frees the connection of a job after its attempt; `reached` is as in that Attempt.

        `silent`: its hosts said nothing for long. The job counts until it is `written`.
        """
        self._windows.attempted(job.destination, reached=reached)
        if reached:
            self._change(job.destination, self._standings.mark_proven)
        elif silent:
            self.mark_silent(job.destination)
        self._ended_jobs += 1
        self._leave(job)

    def written(self, job: DeliveryJob) -> None:
        """The outcome of a job is in the store, or it can't be: either way it is in hand no longer."""
        self._ended_jobs -= 1
        self.octets -= job.octets

    # --- silent hosts

    @property
    def has_startable(self) -> bool:
        """Whether any job waits for something else than an attempt of its own destination to end."""
        return bool(self._rows)

    @property
    def is_crowded(self) -> bool:
        """Whether jobs wait for a connection, and not for silent ones of their own kind to end."""
        return any(
            lane.standing != SILENT and self._has_share(lane) and self._active_jobs >= self._limit(lane)
            for lane in self._rows
        )

    @property
    def silent_wait(self) -> int:
        """How many destinations known as silent wait for others of their kind to end."""
        if not self._is_silence_full and self._active_jobs < self._concurrency:
            return 0
        return sum([len(row) for lane, row in self._rows.items() if lane.standing == SILENT and self._has_share(lane)])

    @property
    def silent_surplus(self) -> int:
        """How many attempts at silent hosts are under way beyond their half."""
        return max(0, len(self._silent) - self._max_silent)

    def is_known_silent(self, destination: str) -> bool:
        """Whether the hosts of a destination said nothing when they were called last."""
        return self._standings.of(destination) == SILENT

    def is_silent(self, job: DeliveryJob) -> bool:
        """Whether a job under way counts as one at a silent host."""
        return id(job) in self._silent

    def mark_job_silent(self, job: DeliveryJob) -> None:
        """Nothing has come of a job under way for a while."""
        self._silent.add(id(job))

    def mark_responding(self, job: DeliveryJob) -> None:
        """Something has."""
        self._silent.discard(id(job))

    def mark_silent(self, destination: str) -> None:
        """From now on its jobs share the half that silent hosts have, until one of them is taken."""
        self._change(destination, self._standings.mark_silent)

    def _change(self, destination: str, to: Callable[[str], None]) -> None:
        before = self._standings.of(destination)
        to(destination)
        after = self._standings.of(destination)
        if before == after or destination not in self._waiting_for:
            return
        self._waiting_silent += self._waiting_for[destination] * ((after == SILENT) - (before == SILENT))
        for lane in [lane for lane, row in self._rows.items() if destination in row]:
            jobs = self._rows[lane].pop(destination)
            if not self._rows[lane]:
                del self._rows[lane]
            row = self._rows.setdefault(lane._replace(standing=after), {})
            row.setdefault(destination, deque()).extend(jobs)
        aside: dict[Lane, deque[DeliveryJob]] = {}
        for lane, jobs in self._aside.pop(destination, {}).items():
            aside.setdefault(lane._replace(standing=after), deque()).extend(jobs)
        if aside:
            self._aside[destination] = aside

    # --- for people

    def delay_reasons(self, most: int) -> list[DelayReason]:
        """The destinations for which most jobs wait, and what they wait for."""
        longest = nlargest(most, self._waiting_for.items(), key=lambda each: each[1])
        return [self._condition(destination, waiting) for destination, waiting in longest]

    def _condition(self, destination: str, waiting: int) -> DelayReason:
        active, width = self._active.get(destination, 0), self._windows.width(destination)
        if self._standings.of(destination) == SILENT:
            text = f"its hosts said nothing: {waiting} wait for the connections that such hosts share, half of all"
        elif active >= width:
            text = f"{active} attempts are under way, as many as it gets at a time, and {waiting} wait in hand"
        else:
            text = f"{active} of its {width} attempts at a time are under way, and {waiting} wait for others to end"
        return DelayReason(
            "busy", destination, text, None, {"under_way": active, "at_a_time": width, "waiting": waiting}
        )

    def _next_lane(self) -> Lane | None:
        lanes = [lane for lane in self._rows if self._may_start(lane)]
        if len(lanes) < 2:  # there is nothing to choose
            return lanes[0] if lanes else None
        return max(lanes, key=self._rank)

    def _next_destination(self, lane: Lane) -> str:
        """Next destination in a lane."""
        row = self._rows[lane]
        if lane.standing == UNKNOWN and self._is_silence_full:
            self._newest_turn = not self._newest_turn
            if self._newest_turn:
                return next(reversed(row))
        return next(iter(row))

    def _may_start(self, lane: Lane) -> bool:
        if lane.standing == SILENT and self._is_silence_full:
            return False
        return self._has_share(lane) and self._active_jobs < self._limit(lane)

    @property
    def _is_silence_full(self) -> bool:
        """Whether silent hosts have their half."""
        return len(self._silent) >= self._max_silent

    def _limit(self, lane: Lane) -> int:
        """How many jobs may be under way when one of a lane starts."""
        return self._max_unproven if lane.standing == UNKNOWN and self._is_silence_full else self._concurrency

    def _has_share(self, lane: Lane) -> bool:
        if lane.is_report and self._active_reports >= self._max_reports:
            return False
        return not lane.is_retry or self._active_retries < self._max_retries

    def _rank(self, lane: Lane) -> tuple[int, bool, bool, float]:
        """Of the same priority, patient and fresh letters take turns; of the patient ones, reports and what was tried before.

        Of these the destinations of each standing, as often as there are any.
        """
        turn = -self._pass(lane)
        return lane.priority, lane.is_retry is self._retry_turn, lane.is_report is self._reports_turn, turn

    def _pass(self, lane: Lane) -> float:
        """That of its standing, which has no claim to turns from when none of it waited."""
        return max(self._passes[lane.standing], self._last_pass)

    def _start_from(self, lane: Lane, destination: str) -> DeliveryJob:
        row = self._rows[lane]
        self._last_pass = self._pass(lane)
        self._passes[lane.standing] = self._last_pass + 1 / len(row)
        jobs = row.pop(destination)
        job = jobs.popleft()
        if jobs:
            row[destination] = jobs  # at the end of the row, for the next one's turn
        elif not row:
            del self._rows[lane]
        if left := self._waiting_for[destination] - 1:
            self._waiting_for[destination] = left
        else:
            del self._waiting_for[destination]
        self._waiting_jobs -= 1
        self._waiting_silent -= self.is_known_silent(destination)
        self._active[destination] = self._active.get(destination, 0) + 1
        self._active_jobs += 1
        self._active_retries += lane.is_retry
        self._active_reports += lane.is_report
        self._retry_turn = not lane.is_retry
        if lane.standing == SILENT:
            self._silent.add(id(job))
        if lane.is_retry:
            self._reports_turn = not lane.is_report
        if self._is_full(destination):
            self._set_aside(destination)
        return job

    def _wait(self, job: DeliveryJob) -> None:
        """Puts a job at the end of those that wait for its destination."""
        self._waiting_for[job.destination] = self._waiting_for.get(job.destination, 0) + 1
        self._waiting_jobs += 1
        self._waiting_silent += self.is_known_silent(job.destination)
        lane = Lane(job.priority, job.is_retry, job.is_report, self._standings.of(job.destination))
        if self._is_full(job.destination):
            self._aside.setdefault(job.destination, {}).setdefault(lane, deque()).append(job)
        else:
            self._rows.setdefault(lane, {}).setdefault(job.destination, deque()).append(job)

    def _leave(self, job: DeliveryJob) -> None:
        """Takes a job out of those under way, and sorts its destination by the window that is left."""
        destination = job.destination
        self._silent.discard(id(job))
        self._active_jobs -= 1
        self._active_retries -= job.is_retry
        self._active_reports -= job.is_report
        if left := self._active[destination] - 1:
            self._active[destination] = left
        else:
            del self._active[destination]
        if self._is_full(destination):
            self._set_aside(destination)
        else:
            self._come_back(destination)

    def _come_back(self, destination: str) -> None:
        for lane, jobs in self._aside.pop(destination, {}).items():
            row = self._rows.setdefault(lane, {})
            # A window that was forgotten has changed without an attempt, and jobs came in since.
            jobs.extend(row.pop(destination, ()))
            row[destination] = jobs

    def _is_full(self, destination: str) -> bool:
        return self._active.get(destination, 0) >= self._windows.width(destination)

    def _set_aside(self, destination: str) -> None:
        for lane in [lane for lane, row in self._rows.items() if destination in row]:
            row, aside = self._rows[lane], self._aside.setdefault(destination, {})
            jobs = row.pop(destination)
            jobs.extend(aside.get(lane, ()))
            aside[lane] = jobs
            if not row:
                del self._rows[lane]
