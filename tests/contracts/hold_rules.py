"""The contract of `mailstack.store.Store` for what an operator orders; import it as `tests.contracts.store`."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Recipient
from mailstack.letter.delivery import DeliveryState, Step
from mailstack.store import Change, Conflict, Filter, Settlement, StoreError
from mailstack.store.hold_rules import HoldRule, HoldRuleSet, Suppression
from tests.contracts.store import ALICE, BOB, CAROL, SERVER, Subject, acceptance, claim

HOLD = HoldRule("r1", "hold", sender="*@home.test", created=2.0)
PAUSE = HoldRule("pause *", "pause", domain="*", created=1.0)
DAVE = Address("dave", "third.test")


def test_rules_are_kept_in_the_order_they_were_made(subject: Subject) -> None:
    run = subject.run
    assert run(subject.store.hold_rules.load()) == HoldRuleSet()
    for rule in (HOLD, PAUSE):
        run(subject.store.hold_rules.add(rule))
    with pytest.raises(Conflict):
        run(subject.store.hold_rules.add(replace(HOLD, sender="*")))
    store = subject.reopen()
    assert run(store.hold_rules.load()) == HoldRuleSet((PAUSE, HOLD))
    run(store.hold_rules.remove("r1"))
    assert run(store.hold_rules.load()) == HoldRuleSet((PAUSE,))
    with pytest.raises(KeyError):
        run(store.hold_rules.remove("r1"))


def test_suppressed_addresses_are_found_until_they_are_removed(subject: Subject) -> None:
    run = subject.run
    first = Suppression(CAROL.key, "bounced", 1.0)
    assert run(subject.store.suppressions.add([first, Suppression(DAVE.key, "by hand", 2.0)])) == 2
    assert run(subject.store.suppressions.add([replace(first, reason="again")])) == 0
    store = subject.reopen()
    assert run(store.hold_rules.load()).suppressing
    assert run(store.suppressions.lookup([CAROL.key, BOB.key])) == {CAROL.key: first}
    assert run(store.suppressions.lookup([])) == {}
    assert [each.address for each in run(store.suppressions.newest(10))] == [DAVE.key, CAROL.key]
    assert [each.address for each in run(store.suppressions.newest(1))] == [DAVE.key]
    for address in (CAROL.key, DAVE.key):
        run(store.suppressions.remove(address))
    with pytest.raises(KeyError):
        run(store.suppressions.remove(CAROL.key))
    assert not run(store.hold_rules.load()).suppressing


def test_a_letter_may_get_one_more_delivery_in_place_of_another(subject: Subject) -> None:
    letter = acceptance(CAROL, destination="elsewhere.test")
    subject.run(subject.store.queue.accept(letter))
    (before,) = letter.deliveries
    to = Recipient(DAVE, CAROL)
    more = replace(before, number=1, recipient=to, destination="third.test", due=1500.0)
    step = Step(letter.letter.id, 1500.0, SERVER, "redirected", {"to": str(DAVE)})
    change = Change(before, replace(before, state=DeliveryState.REMOVED))
    subject.run(subject.store.queue.settle(Settlement((change,), steps=(step,), additions=(more,))))
    store = subject.reopen()
    (record,) = subject.run(store.history.records(Filter(recipient=DAVE.key)))
    assert [delivery.state for delivery in record.deliveries] == ["removed", "queued"]
    assert record.deliveries[1] == more
    assert subject.run(store.contents.get(letter.letter.id)).size == letter.letter.content.size
    assert [each.step for each in subject.run(store.history.steps(letter.letter.id))] == ["submitted", "redirected"]
    (taken,) = claim(Subject(store, subject.run, subject.reopen), 2000.0)
    assert [delivery.number for delivery in taken.deliveries] == [1]


def test_a_delivery_that_is_there_is_not_added_and_nothing_is_changed(subject: Subject) -> None:
    letter = acceptance(BOB, CAROL)
    subject.run(subject.store.queue.accept(letter))
    first, second = letter.deliveries
    change = Change(first, replace(first, state=DeliveryState.REMOVED))
    for addition in (second, replace(second, letter=acceptance(ALICE).letter.id, number=7)):
        with pytest.raises(StoreError):
            subject.run(subject.store.queue.settle(Settlement((change,), additions=(addition,))))
    (record,) = subject.run(subject.store.history.records(Filter()))
    assert record.deliveries == letter.deliveries


def test_letters_are_found_by_the_time_until_which_they_arrived(subject: Subject) -> None:
    ids = []
    for at in (1000.0, 2000.0, 3000.0):
        letter = acceptance(at=at)
        subject.run(subject.store.queue.accept(letter))
        ids.append(letter.letter.id)
    found = subject.run(subject.store.history.records(Filter(since=2000.0, until=2000.0)))
    assert [record.letter.id for record in found] == ids[1:2]
    assert len(subject.run(subject.store.history.records(Filter(until=2500.0)))) == 2


def test_what_was_removed_is_not_held_by_an_attempt_that_was_under_way(subject: Subject) -> None:
    subject.run(subject.store.queue.accept(acceptance(CAROL, destination="elsewhere.test")))
    (taken,) = claim(subject, 2000.0)
    (before,) = taken.deliveries
    removed = Change(before, replace(before, state=DeliveryState.REMOVED))
    held = Change(before, replace(before, state=DeliveryState.HELD, claimed_by=None, lease=0.0))
    for change in (removed, held):
        subject.run(subject.store.queue.settle(Settlement((change,))))
    (record,) = subject.run(subject.store.history.records(Filter()))
    assert record.deliveries[0].state is DeliveryState.REMOVED
    with pytest.raises(KeyError):
        subject.run(subject.store.contents.get(record.letter.id))
