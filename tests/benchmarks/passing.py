"""Letters that come and go in a PostgreSQL store, without a server around it: accepted, relayed, collected, forgotten."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from attrs import define

from mailstack.letter.delivery import Step
from mailstack.store import Claim
from mailstack.store.connection import DatabaseAddress
from mailstack.store.postgresql.store import PostgresStore
from tests.aid import Pump
from tests.benchmarks.letters import MAILBOXES, PATIENCE, SERVER, incoming, next_day, relayed, run_all

OWNER = f"{SERVER}@n1"
AT_ONCE = 100
"""Calls under way."""


@define
class Life:
    """One open store, and what letters live through in it."""

    store: PostgresStore
    pump: Any
    owner: str

    @classmethod
    @contextlib.contextmanager
    def over(cls, url: str, owner: str = OWNER) -> Iterator[Life]:
        pump: Any = Pump()
        store = PostgresStore(pump, DatabaseAddress(url, timeout=600), owner=owner)
        pump.run(store.open())
        try:
            yield cls(store, pump, owner)
        finally:
            pump.run(store.close())

    def accept(self, letters: int, *, away: bool = False) -> None:
        for first in range(0, letters, AT_ONCE):
            now = time.time()
            numbers = range(first, min(letters, first + AT_ONCE))
            run_all(self.pump, [self.store.queue.accept(incoming(now, number, relayed=away)) for number in numbers])

    def relay(self) -> None:
        """All that is due, as if another host took it."""
        while claims := self.claim(AT_ONCE):
            run_all(
                self.pump, [self.store.queue.settle(relayed(each)) for claim in claims for each in claim.deliveries]
            )

    def collect(self) -> None:
        """Read and delete all that is in the mailboxes."""
        for number in range(MAILBOXES):
            mailbox = f"u{number}@home.test"
            maildrop = self.pump.run(self.store.mailboxes.open(mailbox, "reader"), PATIENCE)
            now = time.time()
            for first in range(0, len(maildrop.entries), AT_ONCE):
                part = maildrop.entries[first : first + AT_ONCE]
                uids = [entry.uid for entry in part]
                steps = [Step(entry.letter, now, SERVER, "collected", {"mailbox": mailbox}) for entry in part]
                self.pump.run(self.store.mailboxes.update(mailbox, collected=uids, deleted=uids, steps=steps), PATIENCE)
            self.pump.run(self.store.mailboxes.release(mailbox, "reader"), PATIENCE)

    def forget(self, before: float) -> int:
        count: int = self.pump.run(self.store.history.prune(SERVER, before=before), PATIENCE)
        return count

    def claim(self, most: int) -> list[Claim]:
        claims: list[Claim] = self.pump.run(
            self.store.queue.claim(SERVER, self.owner, time.time(), limit=most, lease=600, next_due=next_day), PATIENCE
        )
        return claims
