"""Queue in memory with a manual clock, a scripted relay, letters and directories."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred as Later

from mailstack.letter import (
    Address,
    Arrival,
    Deferred,
    Delivered,
    Envelope,
    Failed,
    Letter,
    LetterId,
    Outcome,
    Recipient,
    Status,
)
from mailstack.letter.delivery import Delivery, Step
from mailstack.letter.letter import Octets, read_all
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.queue.attempt import Agent, Agents, Attempt, ProgressWatch, SeparateDomains
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.queue import Queue
from mailstack.queue.recipient_routes import Router
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.settings import QueueLimits, QueueSettings
from mailstack.store import Filter, Record, Settlement, Store, StoreError
from mailstack.store.sql_parts.queue import SqlQueue
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.clock import START, HandClock

SERVER = "mx.home.test"
ALICE = Address("alice", "home.test")
HEADER = b"From: alice@home.test\r\nSubject: hello\r\n\r\n"

_numbers = itertools.count()


def a_letter(
    *recipients: str | Recipient, sender: Address | None = ALICE, at: float = START, body: bytes = b"hi\r\n"
) -> Letter:
    """A letter with a unique id."""
    envelope = Envelope(sender, tuple(Recipient(Address.parse(r)) if isinstance(r, str) else r for r in recipients))
    letter_id = LetterId(f"letter{next(_numbers):09}")
    return Letter(letter_id, envelope, Octets(HEADER + body), Arrival(at, SERVER, "ESMTPSA", account="alice@home.test"))


class MemoryDirectory:
    """Directory in memory."""

    def __init__(
        self,
        *mailboxes: str,
        aliases: dict[str, tuple[str, ...]] | None = None,
        domains: tuple[str, ...] = ("home.test",),
    ) -> None:
        self.mailboxes = set(mailboxes)
        self.aliases = aliases or {}
        self.domains = domains

    def is_local(self, domain: str) -> bool:
        return domain.lower() in self.domains

    async def mailbox(self, address: Address) -> str | None:
        return address.key if address.key in self.mailboxes else None

    async def alias(self, address: Address) -> tuple[Address, ...] | None:
        targets = self.aliases.get(address.key)
        return None if targets is None else tuple(Address.parse(target) for target in targets)


class FailingDirectory(MemoryDirectory):
    """Directory that answers `good` times, then fails until that is None again."""

    good: int | None = None

    async def mailbox(self, address: Address) -> str | None:
        if self.good is not None:
            if not self.good:
                raise StoreError("the disk is away")
            self.good -= 1
        return await super().mailbox(address)


TAKEN = Delivered(Status(2, 0, 0), "250 2.0.0 queued as 17", "mx.else.test")
BUSY = Deferred(Status(4, 2, 1), "450 4.2.1 busy", "mx.else.test")
REFUSED = Failed(Status(5, 1, 1), "550 5.1.1 nobody", "mx.else.test")
HOUR, DAY = 3600.0, 86400.0
RARE_POLLS = QueueLimits(per_destination=10, first_per_destination=10, poll=60.0)
"""Limits for tests of hours and days: 86,400 polls of a day would be most of their processor time."""


class MemoryJournal:
    """Journal in memory."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def record(self, steps: Sequence[Step]) -> None:
        self.steps += steps


class ScriptedRelay(SeparateDomains):
    """An Agent that answers by a function, at once or when `answer` is called."""

    def __init__(self, outcome: Callable[[Delivery], Outcome] = lambda _: TAKEN, *, waits: bool = False) -> None:
        self.outcome = outcome
        self.waits = waits
        self.calls: list[tuple[LetterId, tuple[str, ...]]] = []
        self.under_way: list[Later[None]] = []
        self.most_under_way = 0

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], _watch: ProgressWatch | None = None, /
    ) -> Attempt:
        self.calls.append((letter.id, tuple(str(delivery.recipient.address) for delivery in deliveries)))
        if self.waits:
            answered: Later[None] = Later()
            self.under_way.append(answered)
            self.most_under_way = max(self.most_under_way, len(self.under_way))
            await answered
        return Attempt(tuple(self.outcome(delivery) for delivery in deliveries))

    def answer_all(self, most: int = 10_000) -> None:
        """Answers all attempts, also later ones."""
        for _ in range(most):
            if not self.under_way:
                return
            self.answer()
        raise AssertionError(f"{most} attempts, and no end")

    def answer(self) -> None:
        """Ends the oldest attempt."""
        self.under_way.pop(0).callback(None)


class OneByOne(SqlQueue):
    """Queue of a store, where each settlement goes through `settle`."""

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        return [await self._trouble_of(settlement) for settlement in settlements]

    async def _trouble_of(self, settlement: Settlement) -> Exception | None:
        try:
            await self.settle(settlement)
        except Exception as trouble:  # noqa: BLE001  # it is the result
            return trouble
        return None


class FailingQueue(OneByOne):
    """Queue of a store of which the next `failures` settlements fail."""

    failures = 0

    async def settle(self, settlement: Settlement) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is away")
        await super().settle(settlement)


class FailingStore(InMemoryStore):
    """Store of which the next `queue.failures` settlements fail."""

    queue_class = FailingQueue
    queue: FailingQueue


class Rig:
    """Queue of one server; `restart` replaces it by a new one on the same store."""

    def __init__(
        self,
        directory: MemoryDirectory | None = None,
        *,
        store: Store | None = None,
        schedule: RetrySchedule | None = None,
        limits: QueueLimits | None = None,
        postmaster: Address | None = None,
        relay: Any = None,
        clock: Any = None,
        outcome: Outcome = TAKEN,
        waits: bool = False,
        allowed_domains: Sequence[str] = (),
        bouncer: Callable[[Bouncer], Any] = lambda bouncer: bouncer,
    ) -> None:
        """`relay` replaces the scripted one, which replies `outcome`, and `waits` for `answer`. `bouncer` wraps the queue's."""
        self.directory = directory or MemoryDirectory("alice@home.test", "bob@home.test")
        self.store = store or InMemoryStore()
        self.schedule = schedule or RetrySchedule()
        self.limits = limits or QueueLimits(per_destination=10, first_per_destination=10)
        self.postmaster = postmaster
        self.clock = clock or HandClock()
        self.relay = relay or ScriptedRelay(lambda _: outcome, waits=waits)
        self.allowed_domains = allowed_domains
        self.wrapped = bouncer
        self.gated: Callable[[Agent], Agent] = lambda relay: relay
        self.journal = MemoryJournal()
        self.start()

    def start(self) -> None:
        self.router = router = Router(self.directory)
        local = DeliveryAgent(self.directory, SERVER, self.clock)
        self.hold_rules = HoldRules(self.store, allowed_domains=self.allowed_domains)
        self.bouncer = self.wrapped(Bouncer(router, SERVER))
        settings = QueueSettings(
            SERVER, "me", self.schedule, self.limits, postmaster=self.postmaster, jitter=lambda: 0.5
        )
        self.queue = Queue(
            self.store,
            router,
            self.bouncer,
            Agents(local, self.gated(self.relay), self.relay),
            self.hold_rules,
            self.clock,
            self.journal,
            settings,
        )
        run(self.queue.start())

    def restart(self) -> None:
        now = self.clock.now()
        self.clock = HandClock(now)
        self.relay = ScriptedRelay(self.relay.outcome, waits=self.relay.waits)
        self.start()

    def accept(self, letter: Letter) -> Letter:
        run(self.queue.accept(letter, "submitted"))
        return letter

    def record(self, letter: Letter) -> Record:
        return run(self.store.history.records(Filter(ids=(letter.id,))))[0]

    def states(self, letter: Letter) -> list[str]:
        return [delivery.state.value for delivery in self.record(letter).deliveries]

    def steps(self, letter: Letter) -> list[str]:
        return [step.step for step in run(self.store.history.steps(letter.id))]

    def reports(self) -> list[Record]:
        """Letters with the null reverse-path, the oldest first."""
        return run(self.store.history.records(Filter(sender="")))[::-1]

    def octets(self, record: Record) -> bytes:
        return run(read_all(record.letter.content))

    def mailbox(self, name: str) -> list[LetterId]:
        drop = run(self.store.mailboxes.open(name, "test"))
        run(self.store.mailboxes.release(name, "test"))
        return [entry.letter for entry in drop.entries]
