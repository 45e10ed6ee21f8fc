"""The Backlog: jobs for other hosts that wait for a connection's turn, and the limits that say whose turn it is."""

from __future__ import annotations

from collections import deque
from heapq import nlargest
from typing import NamedTuple

from msgspec import Struct

from mailstack.conditions import Condition
from mailstack.letter import Letter
from mailstack.letter.content import CHUNK
from mailstack.queue.delivery import Delivery
from mailstack.queue.windows import Windows


class Job(Struct, frozen=True):
    """One attempt to make: the deliveries of one letter that go to the same hosts, claimed by us."""

    letter: Letter
    destination: str
    """LOCAL, or what these hosts are known by: a domain, or the smart host."""
    deliveries: tuple[Delivery, ...]

    @property
    def priority(self) -> int:
        """That of the letter (RFC 6710)."""
        return self.deliveries[0].priority if self.deliveries else 0

    @property
    def is_patient(self) -> bool:
        """Whether it was tried before, or is a report: of those anybody can provoke any number, to hosts of his own."""
        tried = bool(self.deliveries) and self.deliveries[0].attempts > 1
        return tried or self.is_report

    @property
    def is_report(self) -> bool:
        """Whether nobody sent it (RFC 5321 §4.5.5)."""
        return self.letter.envelope.sender is None


LOW = 200
"""Jobs that wait for a destination when more are fetched: a host takes as many while the store looks for them."""


class _Lane(NamedTuple):
    """Jobs that go before those of a lower lane."""

    priority: int
    patient: bool
    report: bool


_Row = dict[str, deque[Job]]
"""Jobs by destination: whose turn it is stands first."""


class Backlog:
    """Starts jobs within the limits: the highest priority first, destinations in turn, for each in the order they came.

    A destination may hold no more waiting jobs than there is room left for others. So a host that takes its letters
    slowly fills half of the backlog, a second one a quarter, and the way is never blocked for the rest. Reports, and
    letters that failed before, leave a quarter of the connections to what somebody has just sent: a thousand hosts that
    never answer can't keep fresh letters waiting. Reports have a quarter at most: nor can hosts of a stranger's, to which
    he has any number of them go, keep waiting what our users have sent and what did not arrive at once.

    What each call costs does not depend on how many jobs or destinations wait: a destination whose window is full
    stands aside until one of its attempts ends.
    """

    def __init__(self, *, concurrency: int, per_destination: int, most: int, first: int | None = None) -> None:
        """At most `concurrency` jobs under way; `most` under way and waiting.

        A destination begins with `first` under way at a time (None: with all) and gets up to `per_destination`.
        """
        self._concurrency = concurrency
        self._most_patient = max(1, concurrency * 3 // 4)
        self._most_reports = max(1, concurrency // 4)
        self._windows = Windows(first=per_destination if first is None else first, most=per_destination)
        self._most = most
        self._rows: dict[_Lane, _Row] = {}
        """What may start."""
        self._aside: dict[str, dict[_Lane, deque[Job]]] = {}
        """What waits for an attempt of its own destination to end."""
        self._waiting_for: dict[str, int] = {}
        """How many, by destination."""
        self._active: dict[str, int] = {}
        self._active_jobs = 0
        self._active_patient = 0
        self._active_reports = 0
        self._waiting_jobs = 0
        self._followed_jobs = 0
        self._ended_jobs = 0
        self._patient_turn = False
        self._reports_turn = False
        self.octets = 0
        """What the contents of all jobs hold of memory at most: the larger ones are in files."""

    def __len__(self) -> int:
        """Jobs waiting, under way, followed by others, and ended but not written down."""
        return self._active_jobs + self._waiting_jobs + self._followed_jobs + self._ended_jobs

    @property
    def active(self) -> int:
        """Jobs under way."""
        return self._active_jobs

    @property
    def ended(self) -> int:
        """Jobs whose outcome is still to be written."""
        return self._ended_jobs

    @property
    def room(self) -> int:
        """How many jobs more it takes."""
        return max(0, self._most - len(self))

    def has_room(self, destination: str) -> bool:
        """Whether a job for this destination may be added."""
        return self._waiting_for.get(destination, 0) < self.room

    def room_for(self, destination: str) -> int:
        """How many jobs more the destination may have waiting, as `has_room` counts them one by one."""
        return max(0, (self.room - self._waiting_for.get(destination, 0) + 1) // 2)

    def is_low(self, destination: str) -> bool:
        """Whether it is time to fetch more for this destination: few wait, and many more may."""
        return self._waiting_for.get(destination, 0) < min(LOW, self.room_for(destination))

    def add(self, job: Job) -> None:
        self._wait(job).append(job)
        self.octets += _octets(job)

    def start(self) -> Job | None:
        """The job whose turn it is, under way from now on; None when none may start."""
        # What is sent and not written down is sent again after a crash, so there is never much of it.
        if self._active_jobs >= self._concurrency or self._ended_jobs >= self._concurrency:
            return None
        lane = self._next_lane()
        return None if lane is None else self._start_from(lane)

    def follow(self, job: Job) -> Job | None:
        """The job whose turn it would be if this one were over; under way in its place, if it is for the same destination.

        Of this one only the outcome counts from then on: it is `done` as one that was followed.
        """
        if self._ended_jobs >= self._concurrency:
            return None
        self._leave(job)
        lane = self._next_lane()
        if lane is not None and next(iter(self._rows[lane])) == job.destination:
            self._followed_jobs += 1
            return self._start_from(lane)
        self._enter(job)
        return None

    def give_back(self, job: Job, followed: Job) -> None:
        """A job that followed another one is not under way, which that one is again; it goes before all of its lane."""
        self._leave(job)
        self._enter(followed)
        self._followed_jobs -= 1
        self._wait(job).appendleft(job)

    def done(self, job: Job, *, reached: bool | None = None, followed: bool = False) -> None:
        """The attempt of a job is over, and its connection free, or that of who `followed`; `reached` is as in its Attempt.

        The job counts until it is `written`.
        """
        self._windows.attempted(job.destination, reached=reached)
        self._ended_jobs += 1
        if followed:
            self._followed_jobs -= 1
            self._find_place(job.destination)
        else:
            self._leave(job)

    def written(self, job: Job) -> None:
        """The outcome of a job is in the store, or it can't be: either way it is in hand no longer."""
        self._ended_jobs -= 1
        self.octets -= _octets(job)

    def conditions(self, most: int) -> list[Condition]:
        """The destinations for which most jobs wait, and what they wait for."""
        longest = nlargest(most, self._waiting_for.items(), key=lambda each: each[1])
        return [self._condition(destination, waiting) for destination, waiting in longest]

    def _condition(self, destination: str, waiting: int) -> Condition:
        active, width = self._active.get(destination, 0), self._windows.width(destination)
        if active >= width:
            text = f"{active} attempts are under way, as many as it gets at a time, and {waiting} wait in hand"
        else:
            text = f"{active} of its {width} attempts at a time are under way, and {waiting} wait for others to end"
        return Condition("busy", destination, text, None, {"under_way": active, "at_a_time": width, "waiting": waiting})

    def _next_lane(self) -> _Lane | None:
        lanes = [lane for lane in self._rows if self._may_start(lane)]
        if len(lanes) < 2:  # there is nothing to choose
            return lanes[0] if lanes else None
        return max(lanes, key=self._rank)

    def _may_start(self, lane: _Lane) -> bool:
        if lane.report and self._active_reports >= self._most_reports:
            return False
        return not lane.patient or self._active_patient < self._most_patient

    def _rank(self, lane: _Lane) -> tuple[int, bool, bool]:
        """Of the same priority, patient and fresh letters take turns; of the patient ones, reports and what was tried before."""
        return lane.priority, lane.patient is self._patient_turn, lane.report is self._reports_turn

    def _start_from(self, lane: _Lane) -> Job:
        row = self._rows[lane]
        destination = next(iter(row))
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
        self._active[destination] = self._active.get(destination, 0) + 1
        self._active_jobs += 1
        self._active_patient += lane.patient
        self._active_reports += lane.report
        self._patient_turn = not lane.patient
        if lane.patient:
            self._reports_turn = not lane.report
        if self._is_full(destination):
            self._set_aside(destination)
        return job

    def _wait(self, job: Job) -> deque[Job]:
        """Where it has to wait; it is counted there."""
        self._waiting_for[job.destination] = self._waiting_for.get(job.destination, 0) + 1
        self._waiting_jobs += 1
        lane = _Lane(job.priority, job.is_patient, job.is_report)
        if self._is_full(job.destination):
            return self._aside.setdefault(job.destination, {}).setdefault(lane, deque())
        return self._rows.setdefault(lane, {}).setdefault(job.destination, deque())

    def _leave(self, job: Job) -> None:
        """It has no place any more."""
        destination = job.destination
        self._active_jobs -= 1
        self._active_patient -= job.is_patient
        self._active_reports -= job.is_report
        if left := self._active[destination] - 1:
            self._active[destination] = left
        else:
            del self._active[destination]
        self._find_place(destination)

    def _enter(self, job: Job) -> None:
        """It has a place again."""
        destination = job.destination
        self._active_jobs += 1
        self._active_patient += job.is_patient
        self._active_reports += job.is_report
        self._active[destination] = self._active.get(destination, 0) + 1
        if self._is_full(destination):
            self._set_aside(destination)

    def _find_place(self, destination: str) -> None:
        """Its jobs wait in the rows, or aside, as its window is now."""
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


def _octets(job: Job) -> int:
    return min(job.letter.content.size, CHUNK)
