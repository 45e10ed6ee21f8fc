"""Several processes that change one database at the same time: nothing is lost, done twice, or left behind."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter import Recipient
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.letter import Octets, read_all
from mailstack.store import Conflict, Placement, Settlement
from mailstack.store.batch import Batch, Transaction
from tests.aid import Pump
from tests.contracts.store import BOB, CAROL, HEADERS, SERVER, TEXT, acceptance, later, to
from tests.store.postgresql.test_faults import settled

pytest.importorskip("psycopg", exc_type=ImportError)


def placed(number: int, mailbox: str) -> Any:
    accepted = acceptance(at=1000.0 + number, state=DeliveryState.DELIVERED)
    entry = Placement(mailbox, (accepted.letter.id, 0), HEADERS, len(HEADERS) + len(TEXT), 1000.0)
    return replace(accepted, placements=(entry,))


def test_letters_of_all_enter_a_mailbox_one_behind_the_other(pump: Pump, open_store: Any) -> None:
    stores = [open_store(), open_store()]
    started = [
        pump.start(stores[number % 2].queue.accept(placed(number, f"m{number % 3}@home.test"))) for number in range(60)
    ]
    assert settled(pump, *started) == [None] * 60
    for name in ("m0@home.test", "m1@home.test", "m2@home.test"):
        entries = pump.run(stores[0].mailboxes.entries(name, 0, 100))
        assert [entry.uid for entry in entries] == list(range(1, 21))
        assert pump.run(stores[1].mailboxes.octets_in(name)) == sum(entry.size for entry in entries)


def test_eight_that_claim_get_each_delivery_once(pump: Pump, open_store: Any) -> None:
    stores = [open_store() for _ in range(4)]
    for part in range(4):
        settled(pump, *[pump.start(stores[part].queue.accept(acceptance())) for _ in range(50)])
    started = [
        pump.start(store.queue.claim(SERVER, f"o{place}{turn}", 5000.0, limit=10, lease=60.0, next_due=later))
        for turn in range(8)
        for place, store in enumerate(stores)
    ]
    claims = [claim for found in settled(pump, *started) for claim in found]
    ids = [delivery.letter for claim in claims for delivery in claim.deliveries]
    assert len(ids) == len(set(ids)) == 200


def two_claimed(pump: Pump, store: Any) -> tuple[Delivery, Delivery]:
    """A letter for two, both being attempted."""
    pump.run(store.queue.accept(acceptance(BOB, CAROL)))
    (claim,) = pump.run(store.queue.claim(SERVER, "me", 5000.0, limit=10, lease=60.0, next_due=later))
    first, second = claim.deliveries
    return first, second


def begun(other: Any, settlement: Settlement) -> None:
    """Another process's transaction, not committed yet."""
    batch = Batch()
    batch.add_settlement(settlement)
    other.begin()
    batch.write(Transaction(other))


def test_whoever_ends_the_last_delivery_drops_the_content(pump: Pump, open_store: Any, other: Any) -> None:
    """Two end the last two at the same moment, and each sees the other's as not ended yet."""
    store = open_store()
    first, second = two_claimed(pump, store)
    begun(other, Settlement((to(DeliveryState.RELAYED, first),)))
    started = pump.start(store.queue.settle(Settlement((to(DeliveryState.RELAYED, second),))))
    pump.wait(0.1)
    assert not started, "it waits for what the other one does"
    other.commit()
    assert settled(pump, started) == [None]
    with pytest.raises(KeyError):
        pump.run(store.contents.get(first.letter))


def test_a_content_is_not_dropped_while_somebody_decides_to_need_it_again(
    pump: Pump, open_store: Any, other: Any
) -> None:
    store = open_store()
    first, second = two_claimed(pump, store)
    pump.run(store.queue.settle(Settlement((to(DeliveryState.BOUNCED, first),))))
    (record,) = pump.run(store.history.records(_all()))
    bounced = record.deliveries[0]
    begun(other, Settlement((to(DeliveryState.QUEUED, bounced),)))
    started = pump.start(store.queue.settle(Settlement((to(DeliveryState.RELAYED, second),))))
    pump.wait(0.1)
    assert not started
    other.commit()
    assert settled(pump, started) == [None]
    assert pump.run(read_all(pump.run(store.contents.get(first.letter)))) == TEXT


def test_a_content_that_was_dropped_is_needed_by_nobody_again(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    first, second = two_claimed(pump, store)
    pump.run(store.queue.settle(Settlement((to(DeliveryState.BOUNCED, first),))))
    bounced = pump.run(store.history.records(_all()))[0].deliveries[0]
    begun(other, Settlement((to(DeliveryState.RELAYED, second),)))
    again = Delivery(first.letter, 2, Recipient(CAROL), "elsewhere.test", due=1.0)
    revived = pump.start(store.queue.settle(Settlement((to(DeliveryState.QUEUED, bounced),))))
    pump.wait(0.1)
    other.commit()
    (conflict,) = settled(pump, revived)
    assert isinstance(conflict, Conflict)
    with pytest.raises(Conflict, match="content already deleted"):
        pump.run(store.queue.settle(Settlement((), additions=(again,))))


def test_letters_are_counted_once_when_two_remove_them(pump: Pump, open_store: Any, other: Any) -> None:
    """A session removes a letter that is being forgotten as surplus."""
    store = open_store()
    for number in range(3):
        pump.run(store.queue.accept(placed(number, BOB.key)))
    from mailstack.store.sql_parts import pruning

    oldest = pump.run(store.mailboxes.entries(BOB.key, 0, 1))[0]
    other.begin()
    pruning.delete(Transaction(other), [oldest.letter], kept_too=True)
    started = pump.start(store.mailboxes.update(BOB.key, collected=[], deleted=[1, 2], steps=[]))
    pump.wait(0.1)
    other.commit()
    assert settled(pump, started) == [[]]
    entries = pump.run(store.mailboxes.entries(BOB.key, 0, 10))
    assert [entry.uid for entry in entries] == [3]
    assert pump.run(store.mailboxes.octets_in(BOB.key)) == entries[0].size


def test_two_that_wait_for_each_other_both_get_on(pump: Pump, open_store: Any, other: Any) -> None:
    """A deadlock ends with one of them, who tries again."""
    store = open_store()
    for number, name in enumerate(("a@home.test", "b@home.test")):
        pump.run(store.queue.accept(placed(number, name)))
    other.begin()
    other.execute("UPDATE mailboxes SET octets = octets WHERE name = 'b@home.test'")
    both = [placed(10, "a@home.test"), placed(11, "b@home.test")]
    batch = Batch()
    for each in both:
        batch.add_acceptance(each, None, TEXT)
    started = pump.start(_write(store, batch))
    pump.wait(0.1)
    other.execute("UPDATE mailboxes SET octets = octets WHERE name = 'a@home.test'")  # one of the two is ended here
    other.commit()
    assert settled(pump, started) == [None]
    assert [len(pump.run(store.mailboxes.entries(name, 0, 9))) for name in ("a@home.test", "b@home.test")] == [2, 2]


async def _write(store: Any, batch: Batch) -> None:
    await store._writer.write(batch)


def test_a_large_content_comes_in_pieces_and_goes_with_its_letter(pump: Pump, open_store: Any, other: Any) -> None:
    from mailstack.store.postgresql.large_contents import PIECE

    store, reader = open_store(), open_store()
    octets = bytes(range(256)) * 5000
    accepted = acceptance()
    pump.run(store.queue.accept(replace(accepted, letter=replace(accepted.letter, content=Octets(octets)))))
    sizes = [size for (size,) in other.execute("SELECT length(octets) FROM pieces ORDER BY number")]
    assert sum(sizes) == len(octets)
    assert max(sizes) <= PIECE < len(octets)
    assert pump.run(read_all(pump.run(reader.contents.get(accepted.letter.id)))) == octets
    (claim,) = pump.run(reader.queue.claim(SERVER, "me", 5000.0, limit=10, lease=60.0, next_due=later))
    assert pump.run(read_all(claim.letter.content)) == octets
    pump.run(reader.queue.settle(Settlement((to(DeliveryState.RELAYED, claim.deliveries[0]),))))
    pump.run(reader.close())
    assert other.execute("SELECT count(*) FROM pieces").fetchall() == [(0,)]


def test_what_no_letter_has_is_swept_and_nothing_else(pump: Pump, open_store: Any, other: Any) -> None:
    store = open_store()
    names = []
    for _ in range(3):
        writing = store.contents.new()
        pump.run(writing.write(b"x" * 100_000))
        names.append(pump.run(writing.finish()))
    kept = acceptance()
    pump.run(store.queue.accept(replace(kept, letter=replace(kept.letter, content=names[0]))))
    old = "UPDATE large_contents SET at = 0 WHERE name IN (?, ?)"
    other.execute(old, (names[0].name, names[1].name))
    pump.run(open_store().close())
    left = {name for (name,) in other.execute("SELECT DISTINCT name FROM pieces")}
    assert left == {names[0].name, names[2].name}
    pump.run(store.close())


def _all() -> Any:
    from mailstack.store import Filter

    return Filter()
