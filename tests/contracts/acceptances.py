"""Contract of a store: acceptance of letters and their contents."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Arrival, Envelope, Letter, LetterId, Recipient, Status, new_letter_id
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.letter.letter import Octets, Prefixed, read_all
from mailstack.store import Acceptance, Conflict, Filter, Placement, Settlement, StoreError
from mailstack.store.accounts import Account
from tests.contracts.store import (
    ALICE,
    BOB,
    CAROL,
    HEADERS,
    SERVER,
    TEXT,
    Subject,
    acceptance,
    claim,
    claimed,
    deliveries,
    entries,
    octets_of,
    placing,
    states,
    to,
)


def test_a_letter_for_many_enters_each_mailbox_in_its_turn(subject: Subject) -> None:
    """As many as no single statement is for."""
    people = [Address(f"p{number}", "home.test") for number in range(12)]
    for _ in range(2):
        made = acceptance(*people, state=DeliveryState.DELIVERED, attempts=1)
        placements = tuple(
            Placement(to.key, (made.letter.id, number), HEADERS, len(HEADERS) + len(TEXT), 2000.0)
            for number, to in enumerate(people)
        )
        subject.run(subject.store.queue.accept(replace(made, placements=placements)))
    for person in people:
        assert [uid for uid, _ in entries(subject, person.key)] == [1, 2]
        assert subject.run(subject.store.mailboxes.octets_in(person.key)) == 2 * (len(HEADERS) + len(TEXT))


def test_what_was_accepted_is_given_back_as_it_was(subject: Subject) -> None:
    letter = new_letter_id(1700000000.123)
    recipient = Recipient(CAROL, BOB, (("NOTIFY", "NEVER"), ("ORCPT", "rfc822;bob+40x")))
    accepted = Acceptance(
        Letter(
            letter,
            Envelope(None, (recipient,), "8BITMIME", (("ENVID", "naïve"),)),
            Octets(TEXT),
            Arrival(
                1700000000.1234567,
                SERVER,
                "ESMTPSA",
                HostPort("2001:db8::1", 49152),
                'odd "helo" \x00 \N{SNOWMAN}',
                "alice@home.test",
                "PLAIN",
                TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=True),
            ),
        ),
        (
            Delivery(letter, 0, recipient, "elsewhere.test", due=1700000300.7654321),
            Delivery(
                letter,
                1,
                Recipient(BOB),
                "local",
                DeliveryState.HELD,
                1.1,
                3,
                "somebody",
                2.2,
                Status(4, 4, 1),
                "421 later",
                "mx.elsewhere.test",
                warned=True,
            ),
        ),
        (Step(letter, 1700000000.1234567, SERVER, "submitted", {"tls": {"version": 1.3}, "list": [None, True, "é"]}),),
    )
    subject.run(subject.store.queue.accept(accepted))
    (record,) = subject.run(subject.store.history.records(Filter(ids=(letter,))))
    assert record.letter.envelope == accepted.letter.envelope
    assert record.letter.arrival == accepted.letter.arrival
    assert record.letter.content.size == len(TEXT)
    assert subject.run(read_all(record.letter.content)) == TEXT
    assert record.deliveries == accepted.deliveries
    assert tuple(subject.run(subject.store.history.steps(letter))) == accepted.steps


def test_what_was_accepted_is_there_after_the_store_was_closed_and_opened(subject: Subject) -> None:
    """SMTP-29, RLY-14."""
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(placing(delivery)))
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0)]))
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert entries(subject) == [(1, delivery.letter)]
    assert octets_of(subject, delivery.letter) == TEXT
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"hash", 1.0)


def test_a_letter_that_is_there_is_not_accepted_again(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.queue.accept(accepted))
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.accept(replace(accepted, deliveries=(), steps=())))
    assert states(subject, accepted.letter.id) == ["queued"]
    assert len(subject.run(subject.store.history.steps(accepted.letter.id))) == 1


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 400_000])
def test_a_content_of_any_size_is_kept_octet_for_octet(subject: Subject, size: int) -> None:
    octets = (b"0123456789abcdef\r\n" * (size // 18 + 1))[:size]

    async def arrive() -> LetterId:
        writer = subject.store.contents.new()
        for start in range(0, size, 10_000):
            await writer.write(octets[start : start + 10_000])
        assert writer.size == size
        content = await writer.finish()
        accepted = acceptance()
        await subject.store.queue.accept(replace(accepted, letter=replace(accepted.letter, content=content)))
        writer.discard()
        return accepted.letter.id

    letter = subject.run(arrive())
    assert octets_of(subject, letter) == octets
    (only,) = claim(subject, 5000.0)
    assert only.letter.content.size == size
    assert subject.run(read_all(only.letter.content)) == octets
    assert subject.run(read_all(only.letter.content)) == octets
    subject.run(subject.store.queue.settle(placing(only.deliveries[0], size=size)))
    assert subject.run(read_all(subject.run(subject.store.mailboxes.read(BOB.key, 1)))) == HEADERS + octets


def test_any_content_is_taken_wherever_its_octets_are(subject: Subject) -> None:
    content = Prefixed(b"Received: here\r\n", Octets(b"x" * 100_000))
    first, second = acceptance(), acceptance()
    subject.run(subject.store.queue.accept(replace(first, letter=replace(first.letter, content=content))))
    stored = subject.run(subject.store.contents.get(first.letter.id))
    subject.run(subject.store.queue.accept(replace(second, letter=replace(second.letter, content=stored))))
    one, two = sorted(
        (found for found in claim(subject, 5000.0)), key=lambda found: found.letter.id == second.letter.id
    )
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, one.deliveries[0]),))))
    assert octets_of(subject, one.letter.id) is None
    assert octets_of(subject, two.letter.id) == b"Received: here\r\n" + b"x" * 100_000


def test_a_content_that_was_discarded_leaves_nothing(subject: Subject) -> None:
    async def discard() -> None:
        for size in (10, 100_000):
            writer = subject.store.contents.new()
            await writer.write(b"x" * size)
            writer.discard()
            finished = subject.store.contents.new()
            await finished.write(b"x" * size)
            await finished.finish()
            finished.discard()
            finished.discard()

    subject.run(discard())


def test_a_thousand_recipients_are_one_letter(subject: Subject) -> None:
    recipients = [Address(f"user{number}", "home.test") for number in range(3000)]
    accepted = acceptance(*recipients)
    subject.run(subject.store.queue.accept(accepted))
    assert len(deliveries(subject, accepted.letter.id)) == 3000
    (only,) = claim(subject, 5000.0, limit=5000)
    changes = tuple(to(DeliveryState.RELAYED, delivery) for delivery in only.deliveries)
    subject.run(subject.store.queue.settle(Settlement(changes)))
    assert set(states(subject, accepted.letter.id)) == {"relayed"}


def test_a_content_is_stored_while_needed_and_no_longer(subject: Subject) -> None:
    first, second, third = claimed(subject, BOB, CAROL, ALICE)
    subject.run(subject.store.queue.settle(placing(first)))
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, second),))))
    assert octets_of(subject, first.letter) == TEXT
    subject.run(subject.store.queue.settle(placing(third, ALICE.key)))
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[1], steps=[]))
    assert octets_of(subject, first.letter) == TEXT
    subject.run(subject.store.mailboxes.update(ALICE.key, collected=[], deleted=[1], steps=[]))
    assert octets_of(subject, first.letter) is None
    assert states(subject, first.letter) == ["collected", "relayed", "delivered"]
    with pytest.raises(KeyError):
        subject.run(subject.store.mailboxes.read(BOB.key, 1))


def test_a_content_that_is_gone_is_no_octets_at_all(subject: Subject) -> None:
    (delivery,) = claimed(subject, octets=b"y" * 100_000)
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, delivery),))))
    (record,) = subject.run(subject.store.history.records(Filter(ids=(delivery.letter,))))
    assert record.letter.content.size == 100_000
    with pytest.raises(StoreError):
        subject.run(read_all(record.letter.content))
