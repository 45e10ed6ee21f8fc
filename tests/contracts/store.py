"""Helpers of the contract of a store: letters, claims, settlements and entries."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from attrs import frozen
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Acceptance, Change, Claim, Filter, Placement, Settlement, Store

T = TypeVar("T")

SERVER = "mx.home.test"
BOB = Address("Bob", "Home.test")
CAROL = Address("carol", "elsewhere.test")
ALICE = Address("alice", "home.test")
TEXT = b"Subject: hello\r\n\r\nHello.\r\n"
HEADERS = b"Return-Path: <alice@home.test>\r\n"


class Run(Protocol):
    def __call__(self, work: Coroutine[Any, Any, T]) -> T: ...


@frozen
class Subject:
    """An open store, how its coroutines are run, and how it is closed and opened again."""

    store: Store
    run: Run
    reopen: Callable[[], Store]


def acceptance(
    *recipients: Address,
    at: float = 1000.0,
    sender: Address | None = ALICE,
    octets: bytes = TEXT,
    server: str = SERVER,
    **delivery: Any,
) -> Acceptance:
    letter = new_letter_id(at)
    given = tuple(Recipient(recipient) for recipient in recipients or (BOB,))
    delivery = {"destination": "local", "due": at, **delivery}
    return Acceptance(
        Letter(letter, Envelope(sender, given), Octets(octets), Arrival(at, server, "ESMTP")),
        tuple(Delivery(letter, number, recipient, **delivery) for number, recipient in enumerate(given)),
        (Step(letter, at, server, "submitted", {"by": "alice"}),),
    )


def later(delivery: Delivery, arrived: float) -> float:
    return arrived + 100 * delivery.attempts


def claim(subject: Subject, now: float, *, limit: int = 100, owner: str = "me", lease: float = 60.0) -> list[Claim]:
    return subject.run(subject.store.queue.claim(SERVER, owner, now, limit=limit, lease=lease, next_due=later))


def claimed(subject: Subject, *recipients: Address, **given: Any) -> tuple[Delivery, ...]:
    """The deliveries of a new letter, being attempted."""
    subject.run(subject.store.queue.accept(acceptance(*recipients, **given)))
    (only,) = claim(subject, 5000.0)
    return only.deliveries


def to(state: DeliveryState, delivery: Delivery, **fields: Any) -> Change:
    return Change(delivery, replace(delivery, **{"state": state, "claimed_by": None, **fields}))


def placing(delivery: Delivery, mailbox: str = BOB.key, headers: bytes = HEADERS, size: int = len(TEXT)) -> Settlement:
    return Settlement(
        (to(DeliveryState.DELIVERED, delivery),),
        (Placement(mailbox, (delivery.letter, delivery.number), headers, len(headers) + size, 2000.0),),
        (Step(delivery.letter, 2000.0, SERVER, "delivered", {"mailbox": mailbox}),),
    )


def place(subject: Subject, *, mailbox: str = BOB.key, **given: Any) -> LetterId:
    """A new letter that rests in a mailbox."""
    (delivery,) = claimed(subject, **given)
    octets = given.get("octets", TEXT)
    subject.run(subject.store.queue.settle(placing(delivery, mailbox, size=len(octets))))
    return delivery.letter


def deliveries(subject: Subject, letter: LetterId) -> tuple[Delivery, ...]:
    (record,) = subject.run(subject.store.history.records(Filter(ids=(letter,))))
    return record.deliveries


def states(subject: Subject, letter: LetterId) -> list[str]:
    return [delivery.state.value for delivery in deliveries(subject, letter)]


def octets_of(subject: Subject, letter: LetterId) -> bytes | None:
    async def read() -> bytes | None:
        try:
            return await read_all(await subject.store.contents.get(letter))
        except KeyError:
            return None

    return subject.run(read())


def entries(subject: Subject, mailbox: str = BOB.key) -> list[tuple[int, LetterId]]:
    found = subject.run(subject.store.mailboxes.open(mailbox, "look"))
    subject.run(subject.store.mailboxes.release(mailbox, "look"))
    return [(entry.uid, entry.letter) for entry in found.entries]


def ids(subject: Subject, **which: Any) -> list[LetterId]:
    return [record.letter.id for record in subject.run(subject.store.history.records(Filter(**which)))]
