"""Letters that come and go in a PostgreSQL store, without a server around it: accepted, relayed, collected, forgotten."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import define, field
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets
from mailstack.store import Acceptance, Change, Claim, Placement, Settlement
from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.store import PostgresStore
from tests.aid import Pump
from tests.benchmarks.bench_nodes import TEXT

SERVER, OWNER = "mx.home.test", "mx.home.test@n1"
MAILBOXES = 100
AT_ONCE = 100
"""Calls under way."""
PATIENCE = 3600.0
DAY = 86_400.0


def incoming(now: float, number: int, *, relayed: bool) -> Acceptance:
    """A letter of 4 KB that enters a mailbox here, or that is due for another host."""
    letter = new_letter_id(now)
    to = Recipient(Address("carol", "far.test") if relayed else Address(f"u{number % MAILBOXES}", "home.test"))
    delivery = Delivery(letter, 0, to, "far.test" if relayed else "local", due=now - 60)
    steps = [Step(letter, now, SERVER, "submitted", {"client": "192.0.2.7", "by": "alice@home.test"})]
    placements: tuple[Placement, ...] = ()
    if not relayed:
        delivery = replace(delivery, state=DeliveryState.DELIVERED, attempts=1)
        placements = (Placement(to.address.key, (letter, 0), b"Return-Path: <alice@home.test>\r\n", 4000, now),)
        steps.append(Step(letter, now, SERVER, "delivered", {"recipient": to.address.key}))
    arrival = Arrival(now, SERVER, "ESMTPSA")
    envelope = Envelope(Address("alice", "home.test"), (to,))
    return Acceptance(Letter(letter, envelope, Octets(TEXT), arrival), (delivery,), tuple(steps), placements)


@define
class Life:
    """One open store, and what letters live through in it."""

    store: PostgresStore
    pump: Any = field(factory=Pump)

    @classmethod
    @contextlib.contextmanager
    def over(cls, url: str, owner: str = OWNER) -> Iterator[Life]:
        pump: Any = Pump()
        store = PostgresStore(pump, DatabaseAddress(url, timeout=600), owner=owner)
        pump.run(store.open())
        try:
            yield cls(store, pump)
        finally:
            pump.run(store.close())

    def accept(self, letters: int, *, relayed: bool = False) -> None:
        for first in range(0, letters, AT_ONCE):
            now = time.time()
            self._all(
                [
                    self.store.accept(incoming(now, number, relayed=relayed))
                    for number in range(first, min(letters, first + AT_ONCE))
                ]
            )

    def relay(self) -> None:
        """All that is due, as if another host took it."""
        while claims := self.claim(AT_ONCE):
            self._all([self.store.settle(_relayed(each)) for claim in claims for each in claim.deliveries])

    def collect(self) -> None:
        """Read and delete all that is in the mailboxes."""
        for number in range(MAILBOXES):
            mailbox = f"u{number}@home.test"
            maildrop = self.pump.run(self.store.open_maildrop(mailbox, "reader"), PATIENCE)
            now = time.time()
            for first in range(0, len(maildrop.entries), AT_ONCE):
                part = maildrop.entries[first : first + AT_ONCE]
                uids = [entry.uid for entry in part]
                steps = [Step(entry.letter, now, SERVER, "collected", {"mailbox": mailbox}) for entry in part]
                self.pump.run(self.store.update_maildrop(mailbox, collected=uids, deleted=uids, steps=steps), PATIENCE)
            self.pump.run(self.store.release_maildrop(mailbox, "reader"), PATIENCE)

    def forget(self, before: float) -> int:
        count: int = self.pump.run(self.store.prune(SERVER, before=before), PATIENCE)
        return count

    def claim(self, most: int) -> list[Claim]:
        claims: list[Claim] = self.pump.run(
            self.store.claim(SERVER, OWNER, time.time(), limit=most, lease=600, next_due=_later), PATIENCE
        )
        return claims

    def _all(self, work: Sequence[Any]) -> None:
        for waiting in [self.pump.start(each) for each in work]:
            while not waiting:
                self.pump._calls.get(timeout=PATIENCE)()
            if hasattr(waiting[0], "raiseException"):
                waiting[0].raiseException()


def _later(_: Delivery, arrived: float) -> float:
    return arrived + DAY


def _relayed(delivery: Delivery) -> Settlement:
    after = replace(delivery, state=DeliveryState.RELAYED, claimed_by=None)
    return Settlement((Change(delivery, after),), (), (Step(delivery.letter, time.time(), SERVER, "relayed", {}),))
