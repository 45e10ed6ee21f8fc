"""The store in memory: the complete twin of the one on disk. Its coroutines never wait, and nothing survives it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from mailstack.letter import Content, Letter, LetterId
from mailstack.letter.content import Prefixed
from mailstack.letter.delivery import OWED, Delivery, DeliveryState
from mailstack.letter.step import Step
from mailstack.letter.time_parameters import HIGHEST, LOWEST
from mailstack.store import (
    Acceptance,
    Change,
    Claim,
    Conflict,
    ContentWriter,
    Entry,
    Filter,
    Maildrop,
    MaildropInUse,
    Place,
    Record,
    Settlement,
    nowhere,
)
from mailstack.store.contents import Gone, WritingInMemory
from mailstack.store.memory_addresses import MemoryAddresses
from mailstack.store.memory_announcing import MemoryAnnouncements
from mailstack.store.memory_conditions import MemoryConditions
from mailstack.store.memory_contacts import MemoryContacts
from mailstack.store.memory_mailboxes import Kept, Mailboxes, Name
from mailstack.store.memory_orders import MemoryOrders
from mailstack.store.memory_tls_counting import MemoryTlsResults
from mailstack.store.rows import FAR, as_json, key, waits_until

_PRIORITIES = range(HIGHEST, LOWEST - 1, -1)
_STOPPED = {DeliveryState.HELD, DeliveryState.REMOVED}


class MemoryStore(
    MemoryTlsResults, MemoryAnnouncements, MemoryConditions, MemoryOrders, MemoryContacts, MemoryAddresses
):
    """See `mailstack.store.Store`."""

    def __init__(self) -> None:
        super().__init__()
        self._letters: dict[LetterId, Letter] = {}
        self._needed: set[LetterId] = set()
        """Letters whose content somebody needs."""
        self._deliveries: dict[LetterId, dict[int, Delivery]] = {}
        """Of each letter, by number."""
        self._owed: dict[Name, Delivery] = {}
        """Those that are owed or being attempted."""
        self._waiting: dict[tuple[str, int], list[tuple[float, Name]]] = {}
        """For each office and priority a heap of when deliveries may be claimed; one that was changed is there again."""
        self._lines: dict[tuple[str, str], dict[Name, None]] = {}
        """For each office and line what waits in it."""
        self._line_of: dict[Name, tuple[str, str]] = {}
        self._steps: dict[LetterId, list[Step]] = {}
        self._mailboxes = Mailboxes()
        self._held: dict[str, str] = {}
        """Mailbox to the owner of its maildrop."""

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do; what is stored stays, so that an office can be started again."""

    def lock_office(self) -> None:
        """Nobody else can serve from here."""

    def tenure(self) -> float | None:
        return 0.0

    def on_news(self, told: Callable[[], None]) -> None:
        """There is no other process."""

    # --- queue

    def new_content(self) -> ContentWriter:
        return WritingInMemory()

    async def accept(self, acceptance: Acceptance) -> None:
        self._check_new((acceptance,))
        self._take(acceptance)

    def _check_new(self, acceptances: Sequence[Acceptance]) -> None:
        for acceptance in acceptances:
            as_json((acceptance.letter.envelope, acceptance.letter.arrival))
            _check_told(acceptance.steps)
        ids = [acceptance.letter.id for acceptance in acceptances]
        for place, letter in enumerate(ids):
            if letter in self._letters or letter in ids[:place]:
                raise Conflict(f"letter {letter} is there already")

    def _take(self, acceptance: Acceptance) -> None:
        letter = acceptance.letter
        self._letters[letter.id] = letter
        self._needed.add(letter.id)
        self._deliveries[letter.id] = {}
        for delivery in sorted(acceptance.deliveries, key=lambda delivery: delivery.number):
            self._put(delivery)
        for placement in acceptance.placements:
            self._mailboxes.place(placement)
        self._tell(acceptance.steps)

    def _put(self, delivery: Delivery) -> None:
        name = delivery.letter, delivery.number
        self._deliveries[delivery.letter][delivery.number] = delivery
        self._leave_line(name)
        until = waits_until(delivery)
        if until is None:
            self._owed.pop(name, None)
            return
        self._owed[name] = delivery
        if until < FAR:
            office = self._letters[delivery.letter].arrival.office
            waiting = self._waiting.setdefault((office, delivery.priority), [])
            heapq.heappush(waiting, (until, name))

    def _leave_line(self, name: Name) -> None:
        if (where := self._line_of.pop(name, None)) is not None:
            del self._lines[where][name]
            if not self._lines[where]:
                del self._lines[where]

    def _find(self, name: Name) -> Delivery | None:
        return self._deliveries.get(name[0], {}).get(name[1])

    def _tell(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._steps.setdefault(step.letter, []).append(step)
        self._queue_steps(steps)

    async def recover(self, owners: Sequence[str], now: float) -> int:
        claimed = [delivery for delivery in self._owed.values() if delivery.claimed_by in owners]
        for delivery in claimed:
            due = min(delivery.due, now) if delivery.attempts <= 1 else delivery.due
            self._put(replace(delivery, claimed_by=None, lease=0.0, due=due))
            self._drop_content(delivery.letter)
        return len(claimed)

    async def claim(
        self,
        office: str,
        owner: str,
        now: float,
        *,
        limit: int,
        lease: float,
        next_due: Callable[[Delivery, float], float],
        line: str | None = None,
        place: Callable[[str], Place | None] = nowhere,
    ) -> list[Claim]:
        claimed: dict[LetterId, list[Delivery]] = {}
        if line is None:
            due = self._line_up(office, self._due(office, now, limit), place)
        else:
            due = self._in_line(office, line, limit)
        try:
            for delivery in due:
                counted = replace(delivery, attempts=delivery.attempts + 1, claimed_by=owner, lease=now + lease)
                counted = replace(counted, due=next_due(counted, self._letters[delivery.letter].arrival.at))
                claimed.setdefault(delivery.letter, []).append(counted)
            due = [delivery for deliveries in claimed.values() for delivery in deliveries]
        finally:
            for delivery in due:
                self._put(delivery)
        return [Claim(self._letters[letter], tuple(deliveries)) for letter, deliveries in claimed.items()]

    def _due(self, office: str, now: float, limit: int) -> list[Delivery]:
        """Taken out of what waits, the highest priority first, and of these the longest due."""
        due: dict[Name, Delivery] = {}
        for priority in _PRIORITIES:
            while len(due) < limit and (until := self._earliest(office, priority)) is not None and until <= now:
                _, name = heapq.heappop(self._waiting[office, priority])
                due[name] = self._owed[name]
        return list(due.values())

    def _line_up(self, office: str, due: Sequence[Delivery], place: Callable[[str], Place | None]) -> list[Delivery]:
        """What has no place in a line; the rest goes there."""
        left: list[Delivery] = []
        for delivery in due:
            found = place(delivery.destination) if delivery.claimed_by is None else None
            if found is None:
                left.append(delivery)
            else:
                self._put(replace(delivery, due=found.due))
                self._enter_line((delivery.letter, delivery.number), (office, found.line))
        return left

    def _in_line(self, office: str, line: str, limit: int) -> list[Delivery]:
        waiting = (self._owed[name] for name in self._lines.get((office, line), ()))
        queued = (delivery for delivery in waiting if delivery.state is DeliveryState.QUEUED)
        return sorted(queued, key=lambda delivery: (-delivery.priority, delivery.letter, delivery.number))[:limit]

    async def lines(self, office: str, limit: int) -> list[str]:
        return sorted(line for where, line in self._lines if where == office)[:limit]

    async def lines_of(self, letter: LetterId) -> dict[int, str]:
        return {number: where[1] for (of, number), where in self._line_of.items() if of == letter}

    def _earliest(self, office: str, priority: int) -> float | None:
        """When the first of this priority may be claimed; what has changed since it was put there is thrown away."""
        waiting = self._waiting.get((office, priority), [])
        while waiting:
            until, name = waiting[0]
            if name in self._owed and waits_until(self._owed[name]) == until:
                return until
            heapq.heappop(waiting)
        return None

    async def next_due(self, office: str) -> float | None:
        times = [self._earliest(office, priority) for priority in _PRIORITIES]
        return min((at for at in times if at is not None), default=None)

    async def settle(self, settlement: Settlement) -> None:
        self._check_new(settlement.acceptances)
        _check_told(settlement.steps)
        changed: set[Name] = set()
        for change in settlement.changes:
            self._check_unchanged(change, changed)
        self._check_addable(settlement.additions)
        placed: set[Name] = set()
        for placement in settlement.placements:
            if self._mailboxes.is_fulfilled(placement.delivery) or placement.delivery in placed:
                raise Conflict(f"delivery {placement.delivery} was fulfilled already")
            placed.add(placement.delivery)
        for change in settlement.changes:
            self._change(change)
        for addition in settlement.additions:
            self._put(addition)
        for placement in settlement.placements:
            self._mailboxes.place(placement)
        self._tell(settlement.steps)
        for acceptance in settlement.acceptances:
            self._take(acceptance)
        for change in settlement.changes:
            self._drop_content(change.before.letter)

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        return [await self._trouble(settlement) for settlement in settlements]

    async def _trouble(self, settlement: Settlement) -> Exception | None:
        try:
            await self.settle(settlement)
        except Exception as trouble:  # noqa: BLE001  # it is handed to whoever asked
            return trouble
        return None

    def _check_addable(self, additions: Sequence[Delivery]) -> None:
        for addition in additions:
            if addition.letter not in self._letters or self._find((addition.letter, addition.number)) is not None:
                raise Conflict(f"letter {addition.letter}: a delivery {addition.number} can't be added")

    def _check_unchanged(self, change: Change, changed: set[Name]) -> None:
        name = change.before.letter, change.before.number
        there = self._find(name)
        if (
            there is None
            or name in changed
            or (there.attempts, there.claimed_by) != (change.before.attempts, change.before.claimed_by)
        ):
            raise Conflict(f"letter {name[0]}: a delivery was changed by somebody else")
        changed.add(name)

    def _change(self, change: Change) -> None:
        """What an operator stopped meanwhile stays stopped when the attempt asks for another."""
        there = self._find((change.before.letter, change.before.number))
        assert there is not None
        stopped = there.state in _STOPPED and there.state is not change.before.state
        keeps = stopped and change.after.state in OWED
        self._put(replace(change.after, recipient=there.recipient, state=there.state if keeps else change.after.state))
        if change.line is not None and not keeps:
            where = self._letters[change.before.letter].arrival.office, change.line
            self._enter_line((change.before.letter, change.before.number), where)

    def _enter_line(self, name: Name, where: tuple[str, str]) -> None:
        self._lines.setdefault(where, {})[name] = None
        self._line_of[name] = where

    def _drop_content(self, letter: LetterId) -> None:
        """Unless somebody needs it."""
        if letter in self._needed and not self._is_owed(letter) and not self._mailboxes.holds(letter):
            self._needed.discard(letter)
            self._letters[letter] = replace(self._letters[letter], content=Gone(self._letters[letter].content.size))

    def _is_owed(self, letter: LetterId) -> bool:
        """Or being attempted."""
        return any((letter, number) in self._owed for number in self._deliveries.get(letter, ()))

    # --- mailboxes

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        if self._held.setdefault(mailbox, owner) != owner:
            raise MaildropInUse(f"another session holds the maildrop of {mailbox}")
        return self._mailboxes.maildrop(mailbox)

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if self._held.get(mailbox) == owner:
            del self._held[mailbox]

    async def entries(self, mailbox: str, after: int, limit: int) -> list[Entry]:
        return [entry for entry in self._mailboxes.maildrop(mailbox).entries if entry.uid > after][:limit]

    async def read(self, mailbox: str, uid: int) -> Content:
        return self._content_of(self._mailboxes.kept(mailbox, uid))

    async def read_together(self, mailbox: str, uids: Sequence[int]) -> dict[int, Content]:
        found = {uid: self._mailboxes.get(mailbox, uid) for uid in uids}
        return {uid: self._content_of(kept) for uid, kept in found.items() if kept is not None}

    def _content_of(self, kept: Kept) -> Content:
        return Prefixed(kept.headers, self._letters[kept.delivery[0]].content)

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        _check_told(steps)
        new = Counter[LetterId]()
        for uid in collected:
            kept = self._mailboxes.get(mailbox, uid)
            delivery = None if kept is None else self._find(kept.delivery)
            if delivery is not None and delivery.state is DeliveryState.DELIVERED:
                self._put(replace(delivery, state=DeliveryState.COLLECTED))
                new[delivery.letter] += 1
        for uid in deleted:
            letter = self._mailboxes.remove(mailbox, uid)
            if letter is not None:
                self._drop_content(letter)
        told = [step for step in steps if step.step != "collected" or _one_of(new, step.letter)]
        self._tell(told)
        return told

    async def octets_in(self, mailbox: str) -> int:
        return self._mailboxes.octets().get(mailbox, 0)

    async def mailboxes(self) -> dict[str, int]:
        return self._mailboxes.octets()

    async def remove_account(self, address: str) -> None:
        await super().remove_account(address)
        for letter in self._mailboxes.empty(address):
            self._drop_content(letter)

    # --- for people who look

    async def owed(self) -> int:
        return len({letter for letter, _ in self._owed})

    async def records(self, which: Filter) -> list[Record]:
        found: list[Record] = []
        for letter in self._newest_first():
            record = Record(letter, tuple(self._deliveries[letter.id].values()))
            if len(found) < which.limit and _passes(record, which):
                found.append(record)
        return found

    def _newest_first(self) -> list[Letter]:
        return sorted(self._letters.values(), key=lambda letter: (letter.arrival.at, letter.id), reverse=True)

    async def steps(self, letter: LetterId) -> list[Step]:
        return sorted(self._steps.get(letter, ()), key=lambda step: step.at)

    async def content(self, letter: LetterId) -> Content:
        if letter not in self._needed:
            raise KeyError(letter)
        return self._letters[letter].content

    async def sweep(self) -> int:
        """Nothing is left behind in memory."""
        return 0

    async def prune(self, office: str, *, before: float, keep: int | None = None) -> int:
        here = [letter for letter in self._newest_first() if letter.arrival.office == office]
        forgotten = 0
        for letter in here:
            if letter.arrival.at < before and not self._is_owed(letter.id) and not self._mailboxes.holds(letter.id):
                self._forget(letter.id)
                forgotten += 1
        left = [letter for letter in here if letter.id in self._letters]
        for letter in left[keep:] if keep is not None else ():
            if not self._is_owed(letter.id):
                self._forget(letter.id)
                forgotten += 1
        return forgotten

    def _forget(self, letter: LetterId) -> None:
        self._mailboxes.forget(letter)
        self._needed.discard(letter)
        self._steps.pop(letter, None)
        del self._deliveries[letter], self._letters[letter]


def _check_told(steps: Iterable[Step]) -> None:
    """Refuse what a store on disk can't keep, so that nothing works with this one only."""
    for step in steps:
        as_json(step.facts)


def _one_of(left: Counter[LetterId], letter: LetterId) -> bool:
    """Whether one was left of this letter; then there is one less."""
    left[letter] -= 1
    return left[letter] >= 0


def _passes(record: Record, which: Filter) -> bool:
    letter = record.letter
    addresses = {
        address.key for d in record.deliveries for address in (d.recipient.address, d.recipient.original) if address
    }
    return (
        (which.ids is None or letter.id in which.ids)
        and (which.office is None or letter.arrival.office == which.office)
        and (which.sender is None or key(letter.envelope.sender) == which.sender)
        and (which.recipient is None or which.recipient in addresses)
        and (which.since is None or letter.arrival.at >= which.since)
        and (which.until is None or letter.arrival.at <= which.until)
        and (which.before is None or (letter.arrival.at, letter.id) < which.before)
        and (which.states is None or any(delivery.state in which.states for delivery in record.deliveries))
    )
