"""Settings of one queue: names, limits and times."""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from mailstack.letter import Address
from mailstack.queue.retry_schedule import RetrySchedule


class QueueLimits(Struct, frozen=True):
    """Limits and times of claims and attempts."""

    concurrency: int = 100
    """Maximum number of attempts at other hosts under way."""
    per_destination: int = 20
    """Maximum number of these for one destination."""
    first_per_destination: int = 5
    """Initial number of these for a destination."""
    backlog: int = 5000
    """Maximum number of letters for other hosts in memory, and the same number for mailboxes here."""
    backlog_octets: int = 33_554_432
    """Maximum number of octets of the contents of stored letters in memory."""
    claims: int = 500
    """Maximum number of deliveries claimed with one query."""
    poll: float = 1.0
    """Seconds between two polls of the store for changes by other processes."""
    lease: float = 7200.0
    """Lease of a claim in seconds. An attempt starts in its first third, and lasts less than the other two."""
    parked_wait: float = 3600.0
    """Seconds after which a parked delivery is due again, if it was not fetched before."""
    parked_destinations: int = 10_000
    """Maximum number of destinations with parked deliveries that are remembered."""
    silent_after: float = 0.5
    """Seconds without progress after which a host counts as silent, while letters wait for a connection."""
    silent_time: float = 10.0
    """Maximum seconds of silence while letters wait, and silent hosts have more than half of all connections."""
    silent_final: float = 60.0
    """Maximum seconds of silence after the final dot, because the host may have accepted the letter."""
    silent_wait: float = 120.0
    """Average seconds until a delivery for silent hosts is due again that found no capacity."""
    write_wait: float = 1.0
    """Seconds until a failed write of an outcome is repeated; they double up to a minute."""


class InitialClaim(Struct, frozen=True):
    """The claim that a letter enters with, so that its first attempt needs no query."""

    owner: str
    lease: float
    """End of the claim, seconds since 1970."""
    due: float
    """Time of the second attempt, set before the first is made."""


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
    """Names of dead processes; this process releases their claims."""
    postmaster: Address | None = None
    """Reader of reports that can't be delivered; None: they are dropped."""
    jitter: Callable[[], float] = random.random
    """Source of numbers in [0, 1)."""

    def first_claim(self, now: float) -> InitialClaim:
        """Claim of this process for a letter that arrives `now`."""
        return InitialClaim(self.owner, now + self.limits.lease, self.schedule.next_due(now, 1, now, self.jitter()))
