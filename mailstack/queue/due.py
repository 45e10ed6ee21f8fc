"""Finder of due deliveries: claims them, or parks them without capacity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery
from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import DeliveryJob, Destinations
from mailstack.queue.backlog import Backlog
from mailstack.queue.recipient_routes import LOCAL
from mailstack.queue.settings import QueueSettings
from mailstack.store import Change, Claim, Conflict, ParkingSlot, Settlement, Store


class ParkedDestinations:
    """Destinations with parked deliveries, and claims to be returned to the store."""

    def __init__(self, store: Store, clock: Clock, settings: QueueSettings, destinations: Destinations) -> None:
        self.keys: set[str] = set()
        """Keys of the destinations for which deliveries are parked in the store."""
        self.unclaimed = 0
        """Number of deliveries that were parked without a claim."""
        self._store = store
        self._clock = clock
        self._limits = settings.limits
        self._jitter = settings.jitter
        self._destinations = destinations
        self._unwritten: list[Settlement] = []

    def park(self, letter: Letter, deliveries: Sequence[Delivery]) -> None:
        """Parks claimed deliveries without capacity."""
        self._unwritten.append(Settlement(tuple([self._parked(letter, one) for one in deliveries])))

    def release(self, job: DeliveryJob) -> None:
        """Makes a job due at once, as if it had not been claimed."""
        now = self._clock.now()
        self._unwritten.append(Settlement(tuple([Change(one, _unclaimed(one, now)) for one in job.deliveries])))

    def postpone(self, deliveries: Sequence[Delivery]) -> None:
        """Makes claimed deliveries for silent hosts due later."""
        due = self._clock.now() + self._limits.silent_wait * (0.5 + self._jitter())
        self._unwritten.append(Settlement(tuple([Change(one, _unclaimed(one, due)) for one in deliveries])))

    async def write(self) -> None:
        """Writes all changes to the store; after an error they are written by the next call. Raises StoreError."""
        waiting, self._unwritten = self._unwritten, []
        if not waiting:
            return
        troubles = await self._store.queue.settle_together(waiting)
        failed = [
            (one, error)
            for one, error in zip(waiting, troubles, strict=True)
            if error is not None and not isinstance(error, Conflict)  # another process has it by now
        ]
        self._unwritten += [one for one, _ in failed]
        if failed:
            raise failed[0][1]

    def slot(self, destination: str) -> ParkingSlot | None:
        """Parking slot of a due delivery, if its destination has parked ones. Called in any thread."""
        key = None if destination == LOCAL else self._destinations.key_of(destination)
        if key is None or key not in self.keys:
            return None
        self.unclaimed += 1
        return ParkingSlot(key, self._due())

    def _parked(self, letter: Letter, one: Delivery) -> Change:
        if one.destination == LOCAL:
            return Change(one, _unclaimed(one, self._clock.now() + self._limits.poll))
        key = self._destinations.key(letter, one.destination)
        if len(self.keys) < self._limits.parked_destinations:
            self.keys.add(key)
        return Change(one, _unclaimed(one, self._due()), key)

    def _due(self) -> float:
        """Time at which a parked delivery is due again, if it was not fetched before."""
        return self._clock.now() + self._limits.parked_wait * (0.5 + self._jitter())


def _unclaimed(one: Delivery, due: float) -> Delivery:
    return replace(one, due=due, attempts=one.attempts - 1, claimed_by=None, lease=0.0)


_MIN_WAIT = 0.001
"""Minimum number of seconds between two polls, even for earlier due times."""


class DueFinder:
    """Claims due deliveries in the store for one process. States: made, polling (`start`), stopped (`stop`).

    A crash loses no claim: `recover` releases the claims of the previous run.
    """

    def __init__(
        self, store: Store, clock: Clock, settings: QueueSettings, backlog: Backlog, destinations: Destinations
    ) -> None:
        """`backlog` limits the number of claims."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._limits = settings.limits
        self._backlog = backlog
        self._destinations = destinations
        self.parked = ParkedDestinations(store, clock, settings, destinations)
        self._fetching: set[str] = set()
        self._is_polling = False
        self._is_recovered = False
        """Whether the claims of the previous run, which has the same name, are released; before, nothing is claimed."""
        self._poll: Callable[[], None] = lambda: None
        self._cancel_poll: Callable[[], None] = lambda: None
        self._next_poll = 0.0
        self.next_wait = settings.limits.poll
        """Number of seconds to wait for the next poll, once `claims` has ended."""

    # --- start and stop

    async def recover(self) -> None:
        """Releases the claims of an earlier run of this process, once. Raises StoreError."""
        if not self._is_recovered:
            owners = (self._settings.owner, *self._settings.stale_owners)
            await self._store.queue.recover(owners, self._clock.now())
            self._is_recovered = True

    async def start(self, poll: Callable[[], None]) -> None:
        """Starts to call `poll` when deliveries may be due. Raises StoreError."""
        self.parked.keys.update(
            await self._store.queue.parked_destinations(self._settings.hostname, self._limits.parked_destinations)
        )
        self._is_polling, self._poll = True, poll
        self._store.on_external_change(self.poll_soon)

    def stop(self) -> None:
        """Ends polls and claims."""
        self._is_polling = False
        self._cancel_poll()

    # --- polls

    def poll_soon(self) -> None:
        """Polls at once, after a change by another process."""
        self.poll_in(_MIN_WAIT)

    def poll_in(self, seconds: float) -> None:
        """Polls after so many seconds, and not before."""
        if self._is_polling:
            self._cancel_poll()
            self._next_poll = self._clock.steady() + seconds
            self._cancel_poll = self._clock.call_later(seconds, self._poll)

    def poll_by(self, at: float) -> None:
        """Polls no later than `at`, the due time of a delivery that was changed after the last poll."""
        wait = at - self._clock.now()
        if 0 < wait < self._next_poll - self._clock.steady():
            self.poll_in(wait)

    # --- claims

    @property
    def may_claim(self) -> bool:
        """Whether this process may claim arriving letters."""
        return self._is_polling and self._is_recovered

    def has_capacity(self, letter: Letter, destination: str) -> bool:
        """Whether there is capacity, and memory, for an arriving letter, if `may_claim`."""
        if self._store.claims_valid_since() is None:
            return False
        if destination != LOCAL and self._backlog.octets >= self._limits.backlog_octets:
            return False
        return self._has_capacity_for(letter, destination)

    def holds(self, job: DeliveryJob, since: float) -> bool:
        """Whether no other process can claim a job before the end of an attempt that starts now. Other processes may
        have released claims made before `since`. An old claim may expire during the attempt, and the next poll of any
        process, including this one, then claims the job.
        """
        claimed = min([delivery.lease for delivery in job.deliveries]) - self._limits.lease
        return claimed >= since and self._clock.now() < claimed + self._limits.lease / 3

    async def claims(self) -> AsyncIterator[Claim]:
        """Yields due deliveries with capacity; the caller adds each to the backlog before the next. Raises StoreError."""
        self.next_wait = self._limits.poll
        while (
            self._is_polling
            and (capacity := min(self._backlog.capacity, self._limits.backlog - self._backlog.local)) > 0
        ):
            now = self._clock.now()
            due = await self._store.queue.next_due(self._settings.hostname)
            if due is None:
                return
            if due > now:
                self.next_wait = max(_MIN_WAIT, min(self._limits.poll, due - now))
                return
            unclaimed = self.parked.unclaimed
            claims = await self._claim(min(capacity, self._limits.claims))
            if not claims and unclaimed == self.parked.unclaimed:
                return
            for claim in claims:
                if with_capacity := self._with_capacity(claim):
                    yield Claim(claim.letter, with_capacity)
            await self.write_parked()

    def low_parked(self) -> list[str]:
        """Keys of destinations for which deliveries are parked, and few wait in memory."""
        return [key for key in self.parked.keys if self._backlog.is_low(key)]

    def is_low(self, key: str) -> bool:
        """Whether `fetch` would claim anything for a destination."""
        return key in self.parked.keys and self._backlog.is_low(key)

    async def fetch(self, key: str) -> AsyncIterator[Claim]:
        """Yields parked deliveries of a destination until enough wait in memory, or none is parked.

        The caller adds each to the backlog before the next. Raises StoreError.
        """
        if key in self._fetching:
            return
        self._fetching.add(key)
        try:
            while self._is_polling and self.is_low(key):
                limit = min(self._backlog.capacity_for(key), self._limits.claims)
                claims = await self._claim(limit, key)
                if sum([len(claim.deliveries) for claim in claims]) < limit:
                    self.parked.keys.discard(key)
                for claim in claims:
                    yield claim
        finally:
            self._fetching.discard(key)

    async def write_parked(self) -> None:
        """Stores which deliveries were parked, released and put off. Raises StoreError."""
        if self._is_polling:
            await self.parked.write()

    def _has_capacity_for(self, letter: Letter, destination: str) -> bool:
        if destination == LOCAL:
            return self._backlog.local < self._limits.backlog
        key = self._destinations.key(letter, destination)
        # Parked deliveries go first.
        return key not in self.parked.keys and self._backlog.has_capacity(key)

    def _with_capacity(self, claim: Claim) -> tuple[Delivery, ...]:
        """Returns the deliveries with capacity; deliveries without it are parked or postponed."""
        with_capacity: list[Delivery] = []
        parked: list[Delivery] = []
        silent: list[Delivery] = []
        for delivery in claim.deliveries:
            if self._has_capacity_for(claim.letter, delivery.destination):
                with_capacity.append(delivery)
            elif self._waits_for_silent(claim.letter, delivery.destination):
                silent.append(delivery)
            else:
                parked.append(delivery)
        if silent:
            self.parked.postpone(silent)
        if parked:
            self.parked.park(claim.letter, parked)
        return tuple(with_capacity)

    def _waits_for_silent(self, letter: Letter, destination: str) -> bool:
        return destination != LOCAL and self._backlog.is_known_silent(self._destinations.key(letter, destination))

    def _next_due(self, delivery: Delivery, arrived: float) -> float:
        settings = self._settings
        return settings.schedule.next_due(arrived, delivery.attempts, self._clock.now(), settings.jitter())

    async def _claim(self, limit: int, key: str | None = None) -> list[Claim]:
        return await self._store.queue.claim(
            self._settings.hostname,
            self._settings.owner,
            self._clock.now(),
            limit=limit,
            lease=self._limits.lease,
            next_due=self._next_due,
            parked_for=key,
            slot=self.parked.slot,
        )
