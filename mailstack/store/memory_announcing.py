"""Steps that other programs are still to be told of, in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from mailstack.letter.step import Step
from mailstack.store import Conflict
from mailstack.store.outbox_types import RETRY_NOW, OutboxBacklog, OutboxEntry, OutboxSubscriptions, Wants


class MemoryAnnouncements:
    """The part of `mailstack.store.Store` that keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self._subscriptions = OutboxSubscriptions()
        self._announcements: dict[str, OutboxEntry] = {}

    def announce(self, target: str, wants: Wants) -> None:
        self._subscriptions.add(target, wants)

    def _queue_steps(self, steps: Sequence[Step]) -> None:
        """To be told of what is stored now."""
        self._announcements.update((each.id, each) for each in self._subscriptions.of(steps))

    async def add_announcements(self, announcements: Sequence[OutboxEntry]) -> None:
        for each in announcements:
            if each.id in self._announcements:
                raise Conflict(f"there is an announcement {each.id} already")
        self._announcements.update((each.id, each) for each in announcements)

    async def claim_announcements(
        self, target: str, owner: str, now: float, *, limit: int, lease: float
    ) -> list[OutboxEntry]:
        due = [each for each in self._of(target) if each.due <= now]
        due.sort(key=lambda each: (each.due, each.step.at))
        claimed = [replace(each, due=now + lease, attempts=each.attempts + 1, claimed_by=owner) for each in due[:limit]]
        self._announcements.update((each.id, each) for each in claimed)
        return claimed

    async def settle_announcements(
        self, owner: str, *, told: Collection[str] = (), again: Sequence[OutboxEntry] = ()
    ) -> None:
        for name in told:
            if self._is_held(name, owner):
                del self._announcements[name]
        for each in again:
            if self._is_held(each.id, owner):
                held = self._announcements[each.id]
                self._announcements[each.id] = replace(held, claimed_by=None, due=each.due, trouble=each.trouble)

    def _is_held(self, name: str, owner: str) -> bool:
        return name in self._announcements and self._announcements[name].claimed_by == owner

    async def recover_announcements(self, owner: str, now: float) -> int:
        held = [each for each in self._announcements.values() if each.claimed_by == owner]
        self._announcements.update((each.id, replace(each, claimed_by=None, due=now)) for each in held)
        return len(held)

    async def next_announcement(self, target: str) -> float | None:
        return min((each.due for each in self._of(target)), default=None)

    async def announcements(self, target: str | None, limit: int) -> list[OutboxEntry]:
        return sorted(self._of(target), key=lambda each: (each.step.at, each.id))[:limit]

    async def waiting_announcements(self) -> list[OutboxBacklog]:
        targets = sorted({each.target for each in self._announcements.values()})
        steps = {target: [each.step.at for each in self._of(target)] for target in targets}
        return [OutboxBacklog(target, len(times), min(times)) for target, times in steps.items()]

    async def hurry_announcements(self, target: str, now: float) -> int:
        waiting = [
            each for each in await self.announcements(target, len(self._announcements)) if each.claimed_by is None
        ]
        for place, each in enumerate(waiting):
            self._announcements[each.id] = replace(each, due=min(each.due, now) if place else RETRY_NOW)
        return len(list(self._of(target)))

    async def forget_announcements(self, target: str | None, before: float) -> int:
        old = [
            each
            for each in self._of(target)
            if each.step.at < before and (each.claimed_by is None or each.due <= before)
        ]
        for each in old:
            del self._announcements[each.id]
        return len(old)

    def _of(self, target: str | None) -> Iterable[OutboxEntry]:
        return [each for each in self._announcements.values() if target is None or each.target == target]
