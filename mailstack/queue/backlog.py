"""Backlog: jobs for other hosts, started in turn within the limits of connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import nlargest

from mailstack.queue.attempt import DeliveryJob, Lane
from mailstack.queue.concurrency import REPUTATIONS, SILENT, UNKNOWN, ConcurrencyWindows, DestinationReputations
from mailstack.store.delay_reasons import DelayReason

LOW = 200
"""Number of waiting jobs of a destination below which more are fetched. A host handles as many during a fetch."""

_Row = dict[str, deque[DeliveryJob]]
"""Jobs by destination; the next destination is first."""


class Backlog:
    """Active queue: the highest priority first, destinations in turn, and the jobs of each in order of arrival.

    A destination may have at most as many waiting jobs as there is capacity left for other destinations. So a slow
    host fills half of the backlog, a second one a quarter, and other hosts always have capacity. Maximum shares of the
    connections:

        retries and reports       three quarters: a thousand silent hosts can't delay new letters
        reports                   a quarter: other hosts can provoke any number of reports to themselves
        silent destinations       half (`mailstack.queue.concurrency`)
        unknown destinations      three quarters while silent ones have their half: a quarter is for proven ones. Every
                                  second unknown one to start is the newest, which does not wait for thousands

    The cost of a call does not depend on the number of jobs or destinations. A destination with a full window is
    suspended until one of its attempts ends.
    """

    def __init__(self, *, concurrency: int, per_destination: int, max_jobs: int, first: int | None = None) -> None:
        """`concurrency` limits the jobs under way, `max_jobs` the jobs under way or waiting. A destination starts with
        `first` under way at a time (None: with all) and gets up to `per_destination`.
        """
        self._concurrency = concurrency
        self._max_retries = max(1, concurrency * 3 // 4)
        self._max_reports = max(1, concurrency // 4)
        self._max_silent = max(1, concurrency // 2)
        self._max_unproven = max(1, concurrency * 3 // 4)
        self._reputations = DestinationReputations()
        self._silent: set[int] = set()
        """Jobs under way at silent hosts, by id()."""
        self._waiting_silent = 0
        """Jobs that wait for destinations known as silent."""
        self._passes = [0.0] * REPUTATIONS
        """Share of turns that destinations of each reputation have had; the lowest is next (stride scheduling)."""
        self._last_pass = 0.0
        self._newest_turn = False
        self._windows = ConcurrencyWindows(first=per_destination if first is None else first, max_width=per_destination)
        self._max_jobs = max_jobs
        self._rows: dict[Lane, _Row] = {}
        """Jobs that may start."""
        self._suspended: dict[str, dict[Lane, deque[DeliveryJob]]] = {}
        """Jobs that wait for an attempt at their own destination to end."""
        self._waiting_for: dict[str, int] = {}
        """Number of waiting jobs by destination."""
        self._active: dict[str, int] = {}
        self._active_jobs = 0
        self._active_retries = 0
        self._active_reports = 0
        self._waiting_jobs = 0
        self._finished_jobs = 0
        self._retry_turn = False
        self._reports_turn = False
        self.local = 0
        """Number of jobs for mailboxes here, which are not limited otherwise, under way or ended but not written down."""
        self.octets = 0
        """Maximum octets of the contents of all jobs in memory."""

    def __len__(self) -> int:
        """Number of jobs waiting, under way, and ended but not written down."""
        return self._active_jobs + self._waiting_jobs + self._finished_jobs

    @property
    def active(self) -> int:
        """Number of jobs under way."""
        return self._active_jobs

    @property
    def finished(self) -> int:
        """Number of jobs with an outcome that is still to be written."""
        return self._finished_jobs

    @property
    def capacity(self) -> int:
        """Number of jobs that may be added."""
        return max(0, self._max_jobs - len(self))

    def has_capacity(self, destination: str) -> bool:
        """Whether a job for this destination may be added; silent destinations may fill half of the backlog."""
        if self.is_known_silent(destination) and self._waiting_silent >= self._max_jobs // 2:
            return False
        return self._waiting_for.get(destination, 0) < self.capacity

    def capacity_for(self, destination: str) -> int:
        """Number of jobs that may be added for a destination, as `has_capacity` counts them."""
        return max(0, (self.capacity - self._waiting_for.get(destination, 0) + 1) // 2)

    def is_low(self, destination: str) -> bool:
        """Whether to fetch parked deliveries of a destination: few of its jobs wait, and there is capacity."""
        return self._waiting_for.get(destination, 0) < min(LOW, self.capacity_for(destination))

    def add(self, job: DeliveryJob) -> None:
        self._enqueue(job)
        self.octets += job.octets

    def start(self) -> DeliveryJob | None:
        """Removes and returns the next job, which is under way from now on; None if none may start."""
        # Sent letters with unwritten outcomes are sent again after a crash, so their number is limited.
        if self._active_jobs >= self._concurrency or self._finished_jobs >= self._concurrency:
            return None
        lane = self._next_lane()
        return None if lane is None else self._start_from(lane, self._next_destination(lane))

    def put_back(self, job: DeliveryJob) -> None:
        """Returns the job of an interrupted attempt that had no effect."""
        self._finish(job)
        self._enqueue(job)

    def done(self, job: DeliveryJob, *, reached: bool | None = None, silent: bool = False) -> None:
        """Frees the connection of a job after its attempt; `reached` is that of the Attempt.

        `silent`: its hosts were silent for too long. The job counts until it is `written`.
        """
        self._windows.attempted(job.destination, reached=reached)
        if reached:
            self._change(job.destination, self._reputations.mark_proven)
        elif silent:
            self.mark_silent(job.destination)
        self._finished_jobs += 1
        self._finish(job)

    def written(self, job: DeliveryJob) -> None:
        """Removes a job after its outcome is stored, or can't be."""
        self._finished_jobs -= 1
        self.octets -= job.octets

    # --- silent hosts

    @property
    def has_startable(self) -> bool:
        """Whether jobs wait of a destination that is not suspended."""
        return bool(self._rows)

    @property
    def is_crowded(self) -> bool:
        """Whether jobs of responding destinations wait for a connection."""
        return any(
            lane.reputation != SILENT and self._has_share(lane) and self._active_jobs >= self._limit(lane)
            for lane in self._rows
        )

    @property
    def silent_wait(self) -> int:
        """Number of silent destinations that wait for attempts at other silent ones to end."""
        if not self._is_silence_full and self._active_jobs < self._concurrency:
            return 0
        return sum(
            [len(row) for lane, row in self._rows.items() if lane.reputation == SILENT and self._has_share(lane)]
        )

    @property
    def silent_surplus(self) -> int:
        """Number of attempts at silent hosts beyond their half of the connections."""
        return max(0, len(self._silent) - self._max_silent)

    def is_known_silent(self, destination: str) -> bool:
        """Whether the hosts of a destination were silent at the last call."""
        return self._reputations.lookup(destination) == SILENT

    def is_silent(self, job: DeliveryJob) -> bool:
        """Whether a job under way counts as silent."""
        return id(job) in self._silent

    def mark_job_silent(self, job: DeliveryJob) -> None:
        """Counts a job under way as silent."""
        self._silent.add(id(job))

    def mark_responding(self, job: DeliveryJob) -> None:
        """Counts a job under way as responding."""
        self._silent.discard(id(job))

    def mark_silent(self, destination: str) -> None:
        """Limits a destination to the share of silent ones, until a session runs to its end."""
        self._change(destination, self._reputations.mark_silent)

    def _change(self, destination: str, to: Callable[[str], None]) -> None:
        before = self._reputations.lookup(destination)
        to(destination)
        after = self._reputations.lookup(destination)
        if before == after or destination not in self._waiting_for:
            return
        self._waiting_silent += self._waiting_for[destination] * ((after == SILENT) - (before == SILENT))
        for lane in [lane for lane, row in self._rows.items() if destination in row]:
            jobs = self._rows[lane].pop(destination)
            if not self._rows[lane]:
                del self._rows[lane]
            row = self._rows.setdefault(lane._replace(reputation=after), {})
            row.setdefault(destination, deque()).extend(jobs)
        suspended: dict[Lane, deque[DeliveryJob]] = {}
        for lane, jobs in self._suspended.pop(destination, {}).items():
            suspended.setdefault(lane._replace(reputation=after), deque()).extend(jobs)
        if suspended:
            self._suspended[destination] = suspended

    # --- for people

    def delay_reasons(self, limit: int) -> list[DelayReason]:
        """Delay reasons of the destinations with the most waiting jobs."""
        largest = nlargest(limit, self._waiting_for.items(), key=lambda each: each[1])
        return [self._delay_reason(destination, waiting) for destination, waiting in largest]

    def _delay_reason(self, destination: str, waiting: int) -> DelayReason:
        active, width = self._active.get(destination, 0), self._windows.width(destination)
        if self._reputations.lookup(destination) == SILENT:
            text = f"its hosts are silent: {waiting} wait for the half of all connections that silent hosts share"
        elif active >= width:
            text = f"{active} attempts are under way, its limit at present, and {waiting} wait in memory"
        else:
            text = f"{active} attempts are under way, of at most {width}, and {waiting} wait for others to end"
        return DelayReason(
            "busy", destination, text, None, {"under_way": active, "at_a_time": width, "waiting": waiting}
        )

    def _next_lane(self) -> Lane | None:
        lanes = [lane for lane in self._rows if self._may_start(lane)]
        return max(lanes, key=self._rank) if len(lanes) > 1 else lanes[0] if lanes else None

    def _next_destination(self, lane: Lane) -> str:
        row = self._rows[lane]
        if lane.reputation == UNKNOWN and self._is_silence_full:
            self._newest_turn = not self._newest_turn
            if self._newest_turn:
                return next(reversed(row))
        return next(iter(row))

    def _may_start(self, lane: Lane) -> bool:
        if lane.reputation == SILENT and self._is_silence_full:
            return False
        return self._has_share(lane) and self._active_jobs < self._limit(lane)

    @property
    def _is_silence_full(self) -> bool:
        """Whether silent hosts use their half of the connections."""
        return len(self._silent) >= self._max_silent

    def _limit(self, lane: Lane) -> int:
        """Number of active jobs below which one of a lane may start."""
        return self._max_unproven if lane.reputation == UNKNOWN and self._is_silence_full else self._concurrency

    def _has_share(self, lane: Lane) -> bool:
        if lane.is_report and self._active_reports >= self._max_reports:
            return False
        return not lane.is_retry or self._active_retries < self._max_retries

    def _rank(self, lane: Lane) -> tuple[int, bool, bool, float]:
        """Sort key: priority; then new letters and retries in turn; among the retries, reports and other letters in
        turn.

        Then reputations, each in proportion to its number of destinations.
        """
        turn = -self._pass(lane)
        return lane.priority, lane.is_retry is self._retry_turn, lane.is_report is self._reports_turn, turn

    def _pass(self, lane: Lane) -> float:
        """Virtual time of the lane's next turn; a reputation without waiting jobs earns no turns."""
        return max(self._passes[lane.reputation], self._last_pass)

    def _start_from(self, lane: Lane, destination: str) -> DeliveryJob:
        row = self._rows[lane]
        self._last_pass = self._pass(lane)
        self._passes[lane.reputation] = self._last_pass + 1 / len(row)
        jobs = row.pop(destination)
        job = jobs.popleft()
        if jobs:
            row[destination] = jobs  # at the end of the row
        elif not row:
            del self._rows[lane]
        if remaining := self._waiting_for[destination] - 1:
            self._waiting_for[destination] = remaining
        else:
            del self._waiting_for[destination]
        self._waiting_jobs -= 1
        self._waiting_silent -= self.is_known_silent(destination)
        self._active[destination] = self._active.get(destination, 0) + 1
        self._active_jobs += 1
        self._active_retries += lane.is_retry
        self._active_reports += lane.is_report
        self._retry_turn = not lane.is_retry
        if lane.reputation == SILENT:
            self._silent.add(id(job))
        if lane.is_retry:
            self._reports_turn = not lane.is_report
        if self._is_full(destination):
            self._suspend(destination)
        return job

    def _enqueue(self, job: DeliveryJob) -> None:
        """Puts a job at the end of the jobs for its destination."""
        self._waiting_for[job.destination] = self._waiting_for.get(job.destination, 0) + 1
        self._waiting_jobs += 1
        self._waiting_silent += self.is_known_silent(job.destination)
        lane = Lane(job.priority, job.is_retry, job.is_report, self._reputations.lookup(job.destination))
        if self._is_full(job.destination):
            self._suspended.setdefault(job.destination, {}).setdefault(lane, deque()).append(job)
        else:
            self._rows.setdefault(lane, {}).setdefault(job.destination, deque()).append(job)

    def _finish(self, job: DeliveryJob) -> None:
        """Removes a job that is under way, and suspends or resumes its destination."""
        destination = job.destination
        self._silent.discard(id(job))
        self._active_jobs -= 1
        self._active_retries -= job.is_retry
        self._active_reports -= job.is_report
        if remaining := self._active[destination] - 1:
            self._active[destination] = remaining
        else:
            del self._active[destination]
        if self._is_full(destination):
            self._suspend(destination)
        else:
            self._resume(destination)

    def _resume(self, destination: str) -> None:
        for lane, jobs in self._suspended.pop(destination, {}).items():
            row = self._rows.setdefault(lane, {})
            # A window may have been reset without an attempt, and jobs added since.
            jobs.extend(row.pop(destination, ()))
            row[destination] = jobs

    def _is_full(self, destination: str) -> bool:
        return self._active.get(destination, 0) >= self._windows.width(destination)

    def _suspend(self, destination: str) -> None:
        for lane in [lane for lane, row in self._rows.items() if destination in row]:
            row, suspended = self._rows[lane], self._suspended.setdefault(destination, {})
            jobs = row.pop(destination)
            jobs.extend(suspended.get(lane, ()))
            suspended[lane] = jobs
            if not row:
                del self._rows[lane]
