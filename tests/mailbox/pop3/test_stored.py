"""POP3 sessions on a real store: unique ids, atomic updates, `collected` steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.letter import Octets
from mailstack.protocols.pop3.client import Pop3ClientSession
from mailstack.store import Acceptance, Change, Placement, Settlement
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.mailbox.pop3.sessions import Server, log_in

BOB = Recipient(Address("bob", "home.test"))
TRACE = b"Return-Path: <>\r\n"


async def deliver(store: Any, name: str, body: bytes) -> Letter:
    """A letter in bob's mailbox, by the queue's own way."""
    arrival = Arrival(at=1_750_000_000.0, server="mx.home.test", protocol="LOCAL")
    content = Octets(b"Subject: " + name.encode() + b"\r\n\r\n" + body)
    letter = Letter(LetterId(name.ljust(15, "0")), Envelope(None, (BOB,)), content, arrival)
    delivery = Delivery(letter.id, 0, BOB, "local")
    await store.queue.accept(Acceptance(letter, (delivery,), ()))
    [claim] = await store.queue.claim(
        "mx.home.test", "me", 1_750_000_001.0, limit=1, lease=60, next_due=lambda _, at: at
    )
    before = claim.deliveries[0]
    change = Change(before, replace(before, state=DeliveryState.DELIVERED, claimed_by=None))
    placement = Placement("bob@home.test", (letter.id, 0), TRACE, len(TRACE) + content.size, 1_750_000_001.0)
    await store.queue.settle(Settlement((change,), (placement,)))
    return letter


@pytest.fixture
def store() -> Iterator[InMemoryStore]:
    memory = InMemoryStore()
    run(memory.open())
    yield memory
    run(memory.close())


async def uidl(session: Pop3ClientSession) -> dict[int, str]:
    await log_in(session)
    found = await session.uidl()
    await session.quit()
    return found


async def fetch_and_delete_the_first(session: Pop3ClientSession) -> bytes:
    await log_in(session)
    assert await session.stat() == (2, sum((await session.list()).values()))
    letter = await session.retr(1)
    assert len(letter) == (await session.list())[1]
    await session.dele(1)
    await session.quit()
    return letter


def test_a_unique_id_stays_with_its_letter_and_is_never_given_again(store: InMemoryStore) -> None:
    """POP-12, POP-28, POP-29"""
    server = Server(mailboxes=store.mailboxes)
    first = run(deliver(store, "first", b".dot\r\n"))
    run(deliver(store, "second", b"x\r\n"))
    before = server.fetch(uidl)
    fetched = server.fetch(fetch_and_delete_the_first)
    assert fetched == TRACE + b"Subject: first\r\n\r\n.dot\r\n"
    run(deliver(store, "third", b"y\r\n"))
    after = server.fetch(uidl)
    assert after[1] == before[2]
    assert after[2] not in before.values()
    [step] = [step for step in run(store.history.steps(first.id)) if step.step == "collected"]
    assert step == server.journal.steps[0]
    assert step.facts["by"] == "bob@home.test"


def test_a_letter_that_its_reader_fetches_again_is_told_once(store: InMemoryStore) -> None:
    server = Server(mailboxes=store.mailboxes)
    run(deliver(store, "first", b"x\r\n"))
    for _ in range(2):
        telnet = server.logged_in()
        telnet.say("RETR 1", "RETR 1")
        telnet.hang_up()
    assert [step.step for step in server.journal.steps] == ["collected"]
