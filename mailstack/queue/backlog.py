"""The Backlog: jobs for other hosts that wait for a connection's turn, and the limits that say whose turn it is."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from mailstack.letter import Letter
from mailstack.letter.content import CHUNK
from mailstack.queue.delivery import Delivery


class Job(Struct, frozen=True):
    """One attempt to make: the deliveries of one letter that have one destination, claimed by us."""

    letter: Letter
    destination: str
    deliveries: tuple[Delivery, ...]

    @property
    def priority(self) -> int:
        """That of the letter (RFC 6710)."""
        return self.deliveries[0].priority if self.deliveries else 0


class Backlog:
    """Starts jobs within the limits: the highest priority first, destinations in turn, for each in the order they came.

    A destination may hold no more waiting jobs than there is room left for others. So a host that takes its letters
    slowly fills half of the backlog, a second one a quarter, and the way is never blocked for the rest.
    """

    def __init__(self, *, concurrency: int, per_destination: int, most: int) -> None:
        """At most `concurrency` jobs under way, `per_destination` of them for one; `most` under way and waiting."""
        self._concurrency = concurrency
        self._per_destination = per_destination
        self._most = most
        self._waiting: dict[int, dict[str, deque[Job]]] = {}
        """By priority and destination."""
        self._waiting_for: dict[str, int] = {}
        """How many, by destination."""
        self._active: dict[str, int] = {}
        self._active_jobs = 0
        self._waiting_jobs = 0
        self.octets = 0
        """What the contents of all jobs hold of memory at most: the larger ones are in files."""

    def __len__(self) -> int:
        """Jobs waiting and under way."""
        return self._active_jobs + self._waiting_jobs

    @property
    def active(self) -> int:
        """Jobs under way."""
        return self._active_jobs

    @property
    def room(self) -> int:
        """How many jobs more it takes."""
        return max(0, self._most - len(self))

    def has_room(self, destination: str) -> bool:
        """Whether a job for this destination may be added."""
        return self._waiting_for.get(destination, 0) < self.room

    def add(self, job: Job) -> None:
        self._waiting.setdefault(job.priority, {}).setdefault(job.destination, deque()).append(job)
        self._waiting_for[job.destination] = self._waiting_for.get(job.destination, 0) + 1
        self._waiting_jobs += 1
        self.octets += _octets(job)

    def start(self) -> Job | None:
        """The job whose turn it is, under way from now on; None when none may start."""
        if self._active_jobs >= self._concurrency:
            return None
        # No more destinations than concurrency / per_destination can be full, so this looks at few.
        for priority in sorted(self._waiting, reverse=True):
            for destination in self._waiting[priority]:
                if self._active.get(destination, 0) < self._per_destination:
                    return self._start_from(priority, destination)
        return None

    def done(self, job: Job) -> None:
        """A job that was started has ended."""
        self._active_jobs -= 1
        self.octets -= _octets(job)
        left = self._active[job.destination] - 1
        if left:
            self._active[job.destination] = left
        else:
            del self._active[job.destination]

    def _start_from(self, priority: int, destination: str) -> Job:
        row = self._waiting[priority]
        jobs = row.pop(destination)
        job = jobs.popleft()
        if jobs:
            row[destination] = jobs  # at the end of the row, for the next one's turn
        elif not row:
            del self._waiting[priority]
        left = self._waiting_for[destination] - 1
        if left:
            self._waiting_for[destination] = left
        else:
            del self._waiting_for[destination]
        self._waiting_jobs -= 1
        self._active[destination] = self._active.get(destination, 0) + 1
        self._active_jobs += 1
        return job


def _octets(job: Job) -> int:
    return min(job.letter.content.size, CHUNK)
