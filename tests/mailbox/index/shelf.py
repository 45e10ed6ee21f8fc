"""Index and store for tests, in memory or on disk, with letters to add."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.mailbox.index.database import FileDatabase
from mailstack.mailbox.index.items import Item, ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.mailbox.index.query import parse
from mailstack.mailbox.index.removal import Retention
from mailstack.net.log import SilentJournal
from mailstack.store import Acceptance, Placement, Store
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.in_memory import InMemoryStore
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump, run
from tests.clock import HandClock
from tests.mailbox.index.memory_database import MemoryDatabase

T = TypeVar("T")
SERVER = "mx.home.test"
ALICE, BOB = Address("alice", "home.test"), Address("bob", "home.test")


def inline(work: Callable[[], Any]) -> Deferred[Any]:
    """In place of a thread."""
    try:
        return succeed(work())
    except Exception:  # noqa: BLE001 - whatever it raises is its result
        return fail()


async def own_mailbox(address: Address) -> str | None:
    """Everybody at home has one, whatever his tag."""
    return Address(address.local.partition("+")[0], address.domain).key if address.domain == "home.test" else None


def text(subject: str = "hello", body: str = "Hello.", **fields: str) -> bytes:
    named = {"From": "Alice A <alice@home.test>", "To": "Bob B <bob@home.test>", "Subject": subject, **fields}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"{head}\r\n{body}\r\n".encode()


class Shelf:
    """Where letters are put; it can be closed and opened again."""

    def __init__(
        self, directory: Path | None, clock: Any = None, *, shares_flags: bool = False, **retention: Any
    ) -> None:
        self.clock = clock or HandClock()
        self.shares_flags = shares_flags
        self.pump = Pump()
        self.directory = directory
        self.retention = Retention(**retention)
        self.memory = MemoryDatabase() if directory is None else None
        self.store: Store = InMemoryStore(archiving=True)
        self.open()

    def open(self) -> None:
        if self.directory is not None:
            self.store = SqliteStore(self.pump, self.directory, StoreSettings(recent_octets=0, archiving=True))
        database = self.memory or FileDatabase(self.pump, self.directory or Path())
        self.index = LetterIndex(
            self.store, database, self.clock, inline, own_mailbox, self.retention, shares_flags=self.shares_flags
        )
        self.journal = self.index.tap(SilentJournal())
        self.run(self.store.open())
        self.run(self.index.start())
        self.settle()

    def close(self) -> None:
        self.run(self.index.stop())
        self.run(self.store.close())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return run(work) if self.directory is None else self.pump.run(work)

    def settle(self) -> None:
        self.run(self.index.up_to_date())
        if isinstance(self.clock, HandClock):
            self.clock.advance(0)

    def put(
        self,
        octets: bytes | None = None,
        *,
        to: tuple[Address, ...] = (BOB,),
        sender: Address | None = ALICE,
        state: DeliveryState = DeliveryState.DELIVERED,
        server: str = SERVER,
        account: str | None = None,
        helo: str = "",
        mailbox: str = "",
        settle: bool = True,
    ) -> LetterId:
        """One more letter that was accepted."""
        now = self.clock.now()
        letter = new_letter_id(now)
        given = tuple(Recipient(address) for address in to)
        remote = HostPort("192.0.2.9", 1) if helo else None
        arrival = Arrival(now, server, "ESMTP", account=account, helo=helo, remote=remote)
        step = Step(letter, now, server, "exchanged" if helo else "submitted", {})
        deliveries = tuple(
            Delivery(letter, number, recipient, "x", state, now) for number, recipient in enumerate(given)
        )
        octets = octets or text()
        whole = Letter(letter, Envelope(sender, given), Octets(octets), arrival)
        placements = (Placement(mailbox, (letter, 0), b"", len(octets), now),) if mailbox else ()
        self.run(self.store.queue.accept(Acceptance(whole, deliveries, (step,), placements)))
        self.journal.record([step])
        if settle:
            self.settle()
        return letter

    def find(self, query: str = "", **which: Any) -> list[LetterId]:
        """The ids of what is found, the newest first."""
        return [item.id for item in self.items(query, **which)]

    def items(self, query: str = "", **which: Any) -> tuple[Item, ...]:
        terms = parse(query, self.clock.now())
        return self.run(self.index.find(ItemFilter(terms=terms, **which), 1000)).items


CAROL = Address("carol", "elsewhere.test")


def check_counts(shelf: Shelf) -> None:
    """What is kept as counts is what one would count."""
    people = (ALICE, BOB, CAROL)
    for which in (
        ItemFilter(),
        *(ItemFilter(mailbox=each.key) for each in people),
        *(ItemFilter(seen_by=each.key) for each in people),
    ):
        there = shelf.run(shelf.index.first(which, 1000))
        # Nothing is listed, so that it is not seen from the list how many there are.
        listing = shelf.run(shelf.index.find(which, 0))
        assert (listing.total, listing.unread) == (len(there), sum(item.unread for item in there)), which
    counts = {each.mailbox: each.total for each in shelf.run(shelf.index.mailboxes())}
    assert counts == {
        each.key: total
        for each in people
        if (total := shelf.run(shelf.index.find(ItemFilter(mailbox=each.key), 0)).total)
    }


async def has_results(shelf: Shelf, results: list[object]) -> bool:
    """The database is asked, so that its threads have their turn."""
    await shelf.index.find(ItemFilter(), 0)
    return bool(results)


def wait_until(shelf: Shelf, holds: object, seconds: float = 60.0) -> None:
    """What runs in threads of the database gets its turns, and its time on a machine whose disk is busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if shelf.run(holds()):  # type: ignore[operator]
            return
        shelf.clock.advance(0.1)
    raise AssertionError("it never came true")


async def has_letters(shelf: Shelf, letters: list[LetterId]) -> bool:
    found = await shelf.index.find(ItemFilter(), 10)
    return [item.id for item in found.items] == letters
