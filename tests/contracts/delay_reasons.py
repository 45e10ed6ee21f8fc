"""The contract of `mailstack.store.delay_reasons.DelayReasonStore`: import the tests where a fixture `subject` gives an open store."""

from __future__ import annotations

from mailstack.letter.delivery import DeliveryState
from mailstack.store import Settlement
from mailstack.store.delay_reasons import DelayReason
from tests.contracts.store import BOB, CAROL, Subject, acceptance, claimed, to

DOWN = DelayReason("down", "mx [192.0.2.1]:25", "connection refused", 2000.0, {"host": "mx", "port": 25})
BUSY = DelayReason("busy", "else.test", "20 attempts are under way", None, {"waiting": 7})


def test_conditions_replace_those_of_the_same_process_and_stand_beside_others(subject: Subject) -> None:
    store, run = subject.store, subject.run
    run(store.delay_reasons.publish("one", [DOWN, BUSY], 1100.0))
    run(store.delay_reasons.publish("two", [DOWN], 1100.0))
    run(store.delay_reasons.publish("one", [BUSY], 1100.0))
    assert run(store.delay_reasons.current(1000.0)) == [BUSY, DOWN]
    run(store.delay_reasons.publish("one", [], 1100.0))
    assert run(store.delay_reasons.current(1000.0)) == [DOWN]


def test_what_a_dead_process_told_is_believed_no_longer(subject: Subject) -> None:
    subject.run(subject.store.delay_reasons.publish("one", [DOWN], 1100.0))
    assert subject.run(subject.store.delay_reasons.current(1099.0)) == [DOWN]
    assert subject.run(subject.store.delay_reasons.current(1100.0)) == []


def test_which_deliveries_stand_in_line_is_known_by_letter(subject: Subject) -> None:
    one, two = claimed(subject, BOB, CAROL)
    change = to(DeliveryState.QUEUED, two, attempts=0)
    subject.run(subject.store.queue.settle(Settlement((type(change)(two, change.after, "else.test"),))))
    assert subject.run(subject.store.queue.parked_deliveries(one.letter)) == {1: "else.test"}
    subject.run(subject.store.queue.accept(other := acceptance()))
    assert subject.run(subject.store.queue.parked_deliveries(other.letter.id)) == {}
