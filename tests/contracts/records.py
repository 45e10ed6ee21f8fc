"""Contract of a store: records, journeys, pruning and quotas."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, LetterId, Recipient
from mailstack.letter.delivery import OWED, DeliveryState, Step
from mailstack.store import Conflict, Filter, Settlement, StoreError
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
    claimed,
    entries,
    ids,
    octets_of,
    place,
    placing,
    states,
    to,
)


def test_records_are_paged_from_the_newest_and_pending_letters_counted(subject: Subject) -> None:
    letters = [delivery.letter for _ in range(5) for delivery in claimed(subject, CAROL)]
    assert subject.run(subject.store.queue.pending_count()) == 5
    records = subject.run(subject.store.history.records(Filter(states=OWED)))
    in_order = [record.letter.id for record in records]
    assert set(in_order) == set(letters)
    found: list[LetterId] = []
    before = None
    while page := subject.run(subject.store.history.records(Filter(states=OWED, before=before, limit=2))):
        found += [record.letter.id for record in page]
        before = (page[-1].letter.arrival.at, page[-1].letter.id)
    assert found == in_order


def test_recipients_in_a_state_are_those_of_the_newest_letters_first(subject: Subject) -> None:
    subject.run(subject.store.queue.accept(acceptance(BOB, at=1000.0)))
    newer = acceptance(BOB, at=2000.0)
    subject.run(subject.store.queue.accept(newer))
    queued = subject.run(subject.store.history.recipients_in((DeliveryState.QUEUED,), 10))
    assert [address for _, address, _ in queued] == [BOB.key, BOB.key]
    assert queued[0] == (newer.letter.id, BOB.key, None)
    assert subject.run(subject.store.history.recipients_in(tuple(DeliveryState), 1)) == queued[:1]
    assert subject.run(subject.store.history.recipients_in((DeliveryState.BOUNCED,), 10)) == []
    assert subject.run(subject.store.history.recipients_in((), 10)) == []


def test_records_are_the_newest_first_and_no_more_than_asked_for(subject: Subject) -> None:
    letters = []
    for at in (1000.0, 3000.0, 2000.0):
        accepted = acceptance(at=at)
        subject.run(subject.store.queue.accept(accepted))
        letters.append(accepted.letter.id)
    assert ids(subject) == [letters[1], letters[2], letters[0]]
    assert ids(subject, limit=1) == [letters[1]]
    assert ids(subject, since=2000.0) == [letters[1], letters[2]]
    assert ids(subject, ids=(letters[0], letters[1])) == [letters[1], letters[0]]
    assert ids(subject, ids=()) == []


def test_records_are_found_by_what_people_know_of_them(subject: Subject) -> None:
    bounce = acceptance(CAROL, sender=None, at=1000.0)
    elsewhere = acceptance(CAROL, server="mx.elsewhere.test", at=2000.0)
    aliased = acceptance(BOB, at=3000.0)
    changed = replace(aliased.deliveries[0], recipient=Recipient(BOB, Address("info", "home.test")))
    aliased = replace(aliased, deliveries=(changed,))
    for given in (bounce, elsewhere, aliased):
        subject.run(subject.store.queue.accept(given))
    assert ids(subject, sender="") == [bounce.letter.id]
    assert ids(subject, sender=ALICE.key) == [aliased.letter.id, elsewhere.letter.id]
    assert ids(subject, recipient=BOB.key) == [aliased.letter.id]
    assert ids(subject, recipient="info@home.test") == [aliased.letter.id]
    assert ids(subject, recipient=CAROL.key, server=SERVER) == [bounce.letter.id]
    assert ids(subject, recipient="x' OR '1'='1") == []


def test_records_are_found_by_the_state_of_any_delivery(subject: Subject) -> None:
    first, second = claimed(subject, BOB, CAROL)
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, first),))))
    held = acceptance(at=2000.0, state=DeliveryState.HELD)
    subject.run(subject.store.queue.accept(held))
    queued, relayed = DeliveryState.QUEUED, DeliveryState.RELAYED
    assert ids(subject, states=frozenset({queued})) == [second.letter]
    assert ids(subject, states=frozenset({DeliveryState.HELD, queued})) == [held.letter.id, second.letter]
    assert ids(subject, states=frozenset({relayed, DeliveryState.HELD})) == [held.letter.id, first.letter]
    assert ids(subject, states=frozenset({DeliveryState.BOUNCED})) == []
    assert ids(subject, states=frozenset()) == []
    assert states(subject, first.letter) == ["relayed", "queued"]


def test_steps_of_the_same_instant_keep_their_order(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.queue.accept(accepted))
    letter = accepted.letter.id
    for number in range(3):
        steps = [Step(letter, 1000.0, SERVER, "attempted", {"number": number, "part": part}) for part in range(3)]
        subject.run(subject.store.mailboxes.update("nobody@home.test", collected=[], deleted=[], steps=steps))
    found = subject.run(subject.store.history.steps(letter))[1:]
    assert [(step.facts["number"], step.facts["part"]) for step in found] == [
        (n, p) for n in range(3) for p in range(3)
    ]
    assert subject.run(subject.store.history.steps(LetterId("unknown"))) == []


def test_what_json_cannot_say_is_refused_and_nothing_is_changed(subject: Subject) -> None:
    accepted = acceptance(at=1000.0)
    broken = replace(accepted, steps=(Step(accepted.letter.id, 1.0, SERVER, "submitted", {"helo": "\udc80"}),))
    with pytest.raises(StoreError):
        subject.run(subject.store.queue.accept(broken))
    assert ids(subject) == []


def test_pruning_deletes_old_letters_neither_pending_nor_in_a_mailbox(subject: Subject) -> None:
    (done,) = claimed(subject, at=1000.0)
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, done),))))
    kept = place(subject, at=1000.0)
    owed, elsewhere = acceptance(at=1000.0), acceptance(at=1000.0, server="other", state=DeliveryState.REMOVED)
    (young,) = claimed(subject, at=3000.0)
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.RELAYED, young),))))
    for given in (owed, elsewhere):
        subject.run(subject.store.queue.accept(given))
    assert subject.run(subject.store.history.prune(SERVER, before=2000.0)) == 1
    assert set(ids(subject)) == {kept, owed.letter.id, elsewhere.letter.id, young.letter}
    assert subject.run(subject.store.history.steps(done.letter)) == []


def test_pruning_leaves_the_newest_and_all_pending(subject: Subject) -> None:
    owed = acceptance(at=500.0, due=9000.0)
    subject.run(subject.store.queue.accept(owed))
    letters = [place(subject, at=1000.0 + number) for number in range(5)]
    assert subject.run(subject.store.history.prune(SERVER, before=0.0, keep=2)) == 3
    assert ids(subject) == [letters[4], letters[3], owed.letter.id]
    assert entries(subject) == [(4, letters[3]), (5, letters[4])]
    assert octets_of(subject, letters[0]) is None
    assert subject.run(subject.store.history.prune(SERVER, before=0.0, keep=0)) == 2
    assert ids(subject) == [owed.letter.id]


def test_pruning_deletes_any_number_of_letters(subject: Subject) -> None:
    for number in range(450):
        subject.run(subject.store.queue.accept(acceptance(at=float(number), state=DeliveryState.REMOVED)))
    assert subject.run(subject.store.history.prune(SERVER, before=1e9)) == 450
    assert ids(subject) == []


def holding(subject: Subject, mailbox: str = BOB.key) -> int:
    """What the mailbox says that it holds; its letters must agree."""
    octets = subject.run(subject.store.mailboxes.octets_in(mailbox))
    assert subject.run(subject.store.mailboxes.sizes()).get(mailbox, 0) == octets
    drop = subject.run(subject.store.mailboxes.open(mailbox, "look"))
    subject.run(subject.store.mailboxes.release(mailbox, "look"))
    assert octets == sum(entry.size for entry in drop.entries)
    return octets


def test_what_a_mailbox_holds_is_counted_as_letters_come_and_go(subject: Subject) -> None:
    """CODE-05."""
    assert holding(subject) == 0
    for size in (10, 20, 30):
        place(subject, octets=b"x" * size)
    place(subject, mailbox=ALICE.key, at=2000.0)
    assert holding(subject) == 3 * len(HEADERS) + 60
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[], deleted=[2, 2, 99], steps=[]))
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject.run(subject.store.mailboxes.update(BOB.key, collected=[1], deleted=[], steps=[]))
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject.run(subject.store.history.prune(SERVER, before=0.0, keep=1))
    assert (holding(subject), holding(subject, ALICE.key)) == (0, len(HEADERS) + len(TEXT))


def test_a_letter_for_several_mailboxes_is_counted_in_each(subject: Subject) -> None:
    first, second = claimed(subject, BOB, ALICE)
    one, two = placing(first), placing(second, ALICE.key)
    subject.run(subject.store.queue.settle(Settlement(one.changes + two.changes, one.placements + two.placements)))
    assert holding(subject) == holding(subject, ALICE.key) == len(HEADERS) + len(TEXT)


def test_a_placement_that_fails_is_not_counted(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(placing(delivery)))
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.settle(placing(delivery)))
    assert holding(subject) == len(HEADERS) + len(TEXT)


def test_an_account_that_is_removed_holds_nothing(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0)]))
    place(subject)
    subject.run(subject.store.accounts.remove(BOB.key))
    assert holding(subject) == 0


def test_the_quota_of_an_account_is_set_and_taken_back(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0), Account(ALICE.key, b"hash", 1.0, 5)]))
    quotas = {account.address: account.quota for account in subject.run(subject.store.accounts.all())}
    assert quotas == {BOB.key: None, ALICE.key: 5}
    for quota in (0, 2**40, None):
        subject.run(subject.store.accounts.set_quota(BOB.key, quota))
        assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"hash", 1.0, quota)
    with pytest.raises(KeyError):
        subject.run(subject.store.accounts.set_quota("nobody@home.test", 1))


def test_steps_of_readers_are_added_to_letters_with_a_history(subject: Subject) -> None:
    """IMAP-123."""
    history = subject.store.history
    place(subject)
    (letter,) = ids(subject)
    before = subject.run(history.steps(letter))
    read = Step(letter, 5000.0, SERVER, "read", {"by": BOB.key, "folder": "INBOX"})
    again, other = replace(read, at=5001.0), replace(read, at=5002.0, facts={"by": ALICE.key})
    moved = Step(letter, 5003.0, SERVER, "moved", {"by": BOB.key, "folder": "Trash"})
    unknown = replace(moved, letter=LetterId("unknown"))
    assert subject.run(history.add_steps([read, again])) == [read]
    assert subject.run(history.add_steps([again, other, moved, unknown, moved])) == [other, moved, moved]
    assert subject.run(history.steps(letter)) == [*before, read, other, moved, moved]
    assert subject.run(history.steps(unknown.letter)) == []
    assert subject.run(history.add_steps([])) == []
    with pytest.raises(StoreError):
        subject.run(history.add_steps([moved, replace(moved, facts={"by": "\ud800"})]))
    assert len(subject.run(history.steps(letter))) == len(before) + 4
