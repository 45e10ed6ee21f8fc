"""Settings of one queue: names, limits and times."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from mailstack.letter import Address
from mailstack.queue.enqueue import InitialClaim
from mailstack.queue.schedule import RetrySchedule


class QueueLimits(Struct, frozen=True):
    """Limits and times of claims and attempts."""

    concurrency: int = 100
    """Maximum number of attempts at other hosts under way."""
    per_destination: int = 20
    """Maximum number of these for one destination that does well."""
    first_per_destination: int = 5
    """Maximum number of these for a destination of which nothing is known."""
    backlog: int = 5000
    """Maximum number of letters for other hosts in memory, waiting or under way; and as many for mailboxes here."""
    backlog_octets: int = 33_554_432
    """Maximum number of octets of contents that the backlog keeps in memory once their letters are stored."""
    claims: int = 500
    """Maximum number of deliveries claimed with one query."""
    poll: float = 1.0
    """Seconds between two polls of the store for what other processes changed."""
    lease: float = 7200.0
    """Seconds until a claim ends. An attempt begins in the first third of it, and takes no longer than the rest."""
    parked_wait: float = 3600.0
    """Seconds after which a parked delivery is due again, if it was not fetched before."""
    parked_destinations: int = 10_000
    """Maximum number of destinations known to have parked deliveries."""
    quiet_after: float = 0.5
    """Seconds without a sign of progress after which a host counts as silent, while letters wait for a connection."""
    silent_time: float = 10.0
    """Seconds that a silent host keeps its connection while more than half of all are with silent hosts, and letters wait."""
    silent_final: float = 60.0
    """The same number after the final dot, for the host may have taken the letter."""
    silent_wait: float = 120.0
    """Seconds, more or less, until a delivery is due again that found half the backlog waiting for silent hosts."""
    write_wait: float = 1.0
    """Seconds until an outcome is written again that the store could not take; they double up to a minute."""


class QueueSettings(Struct, frozen=True):
    """Names, limits and times of the queue of one host, as one process serves it."""

    hostname: str
    """Name of the host that has accepted the letters."""
    owner: str
    """Name of this process in claims, which stays the same after a crash."""
    schedule: RetrySchedule = RetrySchedule()
    """Times of further attempts, of warnings and of giving up."""
    limits: QueueLimits = QueueLimits()
    """Limits and times of claims and attempts."""
    stale_owners: tuple[str, ...] = ()
    """Names of processes that are dead for good; this one releases their claims."""
    postmaster: Address | None = None
    """Reader of reports that can't be delivered; None: they are dropped."""
    jitter: Callable[[], float] = random.random
    """Source of numbers in [0, 1)."""

    def first_claim(self, now: float) -> InitialClaim:
        """Claim of this process for a letter that arrives `now`."""
        return InitialClaim(self.owner, now + self.limits.lease, self.schedule.next_due(now, 1, now, self.jitter()))
