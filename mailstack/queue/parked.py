"""Parked destinations with deliveries in the store."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery
from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import Destinations
from mailstack.queue.delivery_job import DeliveryJob
from mailstack.queue.route import LOCAL
from mailstack.queue.settings import QueueSettings
from mailstack.store import Change, Conflict, Place, Settlement, Store


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

    def put_off(self, deliveries: Sequence[Delivery]) -> None:
        """Makes claimed deliveries for silent hosts due later."""
        due = self._clock.now() + self._limits.silent_wait * (0.5 + self._jitter())
        self._unwritten.append(Settlement(tuple([Change(one, _unclaimed(one, due)) for one in deliveries])))

    async def write(self) -> None:
        """Writes all changes to the store; after an error they are written by the next call. Raises StoreError."""
        waiting, self._unwritten = self._unwritten, []
        if not waiting:
            return
        troubles = await self._store.settle_together(waiting)
        failed = [
            (one, trouble)
            for one, trouble in zip(waiting, troubles, strict=True)
            if trouble is not None and not isinstance(trouble, Conflict)  # another process has it by now
        ]
        self._unwritten += [one for one, _ in failed]
        if failed:
            raise failed[0][1]

    def slot(self, destination: str) -> Place | None:
        """Parking slot of a due delivery, if others of its destination are parked. Called in any thread."""
        key = None if destination == LOCAL else self._destinations.key_of(destination)
        if key is None or key not in self.keys:
            return None
        self.unclaimed += 1
        return Place(key, self._due())

    def _parked(self, letter: Letter, one: Delivery) -> Change:
        if one.destination == LOCAL:
            return Change(one, _unclaimed(one, self._clock.now() + self._limits.poll))
        key = self._destinations.key(letter, one.destination)
        if len(self.keys) < self._limits.lines:
            self.keys.add(key)
        return Change(one, _unclaimed(one, self._due()), key)

    def _due(self) -> float:
        """Time at which a parked delivery is due again, if it was not fetched before."""
        return self._clock.now() + self._limits.line_wait * (0.5 + self._jitter())


def _unclaimed(one: Delivery, due: float) -> Delivery:
    return replace(one, due=due, attempts=one.attempts - 1, claimed_by=None, lease=0.0)
