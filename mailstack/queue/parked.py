"""Lines: what a destination has no room for waits in the store, and goes on from there in its order."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from mailstack.letter import Letter
from mailstack.letter.delivery import Delivery
from mailstack.protocols.connection import Clock
from mailstack.queue.attempt import Destinations
from mailstack.queue.backlog import DeliveryJob
from mailstack.queue.route import LOCAL
from mailstack.queue.settings import QueueSettings
from mailstack.store import Change, Conflict, Place, Settlement, Store


class ParkedDestinations:
    """Which destinations have a line; and the claims that nobody here attempts, until the store has them back."""

    def __init__(self, store: Store, clock: Clock, settings: QueueSettings, destinations: Destinations) -> None:
        self.names: set[str] = set()
        """Destinations for which letters wait in line, in the store."""
        self.placed = 0
        """How many went there without a claim."""
        self._store = store
        self._clock = clock
        self._limits = settings.limits
        self._jitter = settings.jitter
        self._destinations = destinations
        self._unwritten: list[Settlement] = []

    def line_up(self, letter: Letter, deliveries: Sequence[Delivery]) -> None:
        """They were claimed, but there is no room for them: they wait in the store, and were not attempted."""
        self._unwritten.append(Settlement(tuple([self._lined_up(letter, one) for one in deliveries])))

    def give_back(self, job: DeliveryJob) -> None:
        """It is due at once, as if nobody had claimed it."""
        now = self._clock.now()
        self._unwritten.append(Settlement(tuple([Change(one, _unclaimed(one, now)) for one in job.deliveries])))

    def put_off(self, deliveries: Sequence[Delivery]) -> None:
        """They were claimed for hosts known as silent, of which enough wait in hand; they were not attempted."""
        due = self._clock.now() + self._limits.silent_wait * (0.5 + self._jitter())
        self._unwritten.append(Settlement(tuple([Change(one, _unclaimed(one, due)) for one in deliveries])))

    async def write(self) -> None:
        """Have the store take back what was given back. What it can't take now is tried again with the next call.

        Raises StoreError.
        """
        waiting, self._unwritten = self._unwritten, []
        if not waiting:
            return
        troubles = await self._store.settle_together(waiting)
        failed = [
            (one, trouble)
            for one, trouble in zip(waiting, troubles, strict=True)
            if trouble is not None and not isinstance(trouble, Conflict)  # then somebody else has it by now
        ]
        self._unwritten += [one for one, _ in failed]
        if failed:
            raise failed[0][1]

    def place(self, destination: str) -> Place | None:
        """What is due for a destination that has a line stands there at once; claimed, it would only be given back.

        Called in any thread.
        """
        line = None if destination == LOCAL else self._destinations.line_of(destination)
        if line is None or line not in self.names:
            return None
        self.placed += 1
        return Place(line, self._due())

    def _lined_up(self, letter: Letter, one: Delivery) -> Change:
        if one.destination == LOCAL:
            return Change(one, _unclaimed(one, self._clock.now() + self._limits.poll))
        line = self._destinations.line(letter, one.destination)
        if len(self.names) < self._limits.lines:
            self.names.add(line)
        return Change(one, _unclaimed(one, self._due()), line)

    def _due(self) -> float:
        """When it is looked at again, if it was not fetched from its line before."""
        return self._clock.now() + self._limits.line_wait * (0.5 + self._jitter())


def _unclaimed(one: Delivery, due: float) -> Delivery:
    return replace(one, due=due, attempts=one.attempts - 1, claimed_by=None, lease=0.0)
