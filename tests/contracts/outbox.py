"""The contract of `mailstack.store.outbox.OutboxStore`; import it as `tests.contracts.store`."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter.delivery import DeliveryState, Step
from mailstack.store import Change, Conflict, Filter, Settlement, Store
from mailstack.store.outbox import RETRY_NOW, OutboxBacklog, OutboxEntry, new_id
from tests.contracts.store import BOB, CAROL, SERVER, Subject, acceptance, claim

HOOK, OTHER = "hook", "other"


def announcement(at: float, target: str = HOOK) -> OutboxEntry:
    step = Step(acceptance(CAROL, at=at).letter.id, at, SERVER, "relayed", {"recipient": str(CAROL)})
    return OutboxEntry(new_id(), target, step, at)


def claimed(subject: Subject, store: Store, now: float, limit: int = 10, owner: str = "me") -> list[OutboxEntry]:
    return subject.run(store.outbox.claim(HOOK, owner, now, limit=limit, lease=60.0))


def test_steps_are_queued_for_who_wants_them_and_for_nobody_else(subject: Subject) -> None:
    run, store = subject.run, subject.store
    run(store.queue.accept(acceptance(BOB, at=900.0)))
    assert run(store.outbox.entries(None, 10)) == []
    store.outbox.subscribe(HOOK, lambda step: step.step in {"submitted", "relayed"})
    store.outbox.subscribe(OTHER, lambda step: step.step == "deferred")
    letter = acceptance(CAROL, destination="elsewhere.test")
    run(store.queue.accept(letter))
    (attempted,) = next(each for each in claim(subject, 1000.0) if each.letter.id == letter.letter.id).deliveries
    step = Step(letter.letter.id, 1001.0, SERVER, "relayed", {"reply": "250 ok", "n": [1, {"a": None}]})
    after = replace(attempted, state=DeliveryState.RELAYED, claimed_by=None, lease=0.0)
    run(store.queue.settle(Settlement((Change(attempted, after),), steps=(step,))))
    store = subject.reopen()
    first, second = run(store.outbox.entries(None, 10))
    assert (first.target, first.step, first.attempts, first.due) == (HOOK, letter.steps[0], 0, 1000.0)
    assert (second.target, second.step) == (HOOK, step)
    assert first.id != second.id


def test_what_is_not_stored_is_not_told(subject: Subject) -> None:
    """A settlement that fails leaves no announcement behind."""
    run, store = subject.run, subject.store
    store.outbox.subscribe(HOOK, lambda _: True)
    letter = acceptance(CAROL, destination="elsewhere.test")
    run(store.queue.accept(letter))
    (before,) = letter.deliveries
    stale = replace(before, attempts=7)
    step = Step(letter.letter.id, 1001.0, SERVER, "relayed")
    with pytest.raises(Conflict):
        run(store.queue.settle(Settlement((Change(stale, stale),), steps=(step,))))
    assert [each.step.step for each in run(store.outbox.entries(None, 10))] == ["submitted"]
    assert run(store.history.records(Filter(limit=10)))


def test_a_claim_is_for_one_until_its_lease_ends(subject: Subject) -> None:
    run, store = subject.run, subject.store
    early, late, others = announcement(1000.0), announcement(1005.0), announcement(1000.0, OTHER)
    run(store.outbox.add([late, early, others]))
    assert run(store.outbox.next_due(HOOK)) == 1000.0
    assert claimed(subject, store, 999.0) == []
    (got,) = claimed(subject, store, 1010.0, limit=1)
    assert got == replace(early, due=1070.0, attempts=1, claimed_by="me")
    (second,) = claimed(subject, store, 1010.0, owner="you")
    assert second.id == late.id
    assert run(store.outbox.next_due(HOOK)) == 1070.0
    (again,) = claimed(subject, store, 1070.0, limit=1, owner="you")
    assert again.attempts == 2
    # Who comes back late has nothing to say about it any more.
    run(store.outbox.settle("me", sent=[early.id]))
    assert {each.id for each in run(store.outbox.entries(HOOK, 10))} == {early.id, late.id}


def test_what_was_told_is_gone_and_what_was_not_waits(subject: Subject) -> None:
    run, store = subject.run, subject.store
    one, two = announcement(1000.0), announcement(1001.0)
    run(store.outbox.add([one, two]))
    with pytest.raises(Conflict):
        run(store.outbox.add([one]))
    claimed(subject, store, 1010.0)
    run(store.outbox.settle("me", sent=[one.id], again=[replace(two, due=1300.0, trouble="500")]))
    store = subject.reopen()
    (left,) = run(store.outbox.entries(None, 10))
    assert left == replace(two, due=1300.0, attempts=1, trouble="500")
    assert run(store.outbox.backlogs()) == [OutboxBacklog(HOOK, 1, 1001.0)]
    assert claimed(subject, store, 1010.0) == []
    three = announcement(1002.0)
    run(store.outbox.add([replace(three, due=1400.0)]))
    assert run(store.outbox.retry_now(OTHER, 1010.0)) == 0
    assert run(store.outbox.retry_now(HOOK, 1010.0)) == 2
    assert [each.due for each in run(store.outbox.entries(HOOK, 10))] == [RETRY_NOW, 1010.0]
    assert [each.id for each in claimed(subject, store, 1010.0)] == [two.id, three.id]
    # Nobody gets what is being told.
    assert run(store.outbox.retry_now(HOOK, 1010.0)) == 2
    assert claimed(subject, store, 1010.0) == []


def test_what_a_dead_process_held_is_due_at_once(subject: Subject) -> None:
    run, store = subject.run, subject.store
    run(store.outbox.add([announcement(1000.0), announcement(1001.0)]))
    claimed(subject, store, 1010.0, limit=1)
    store = subject.reopen()
    assert run(store.outbox.recover("you", 1020.0)) == 0
    assert run(store.outbox.recover("me", 1020.0)) == 1
    assert [each.attempts for each in claimed(subject, store, 1020.0)] == [1, 2]


def test_what_is_too_old_is_forgotten_unless_it_is_being_told(subject: Subject) -> None:
    run, store = subject.run, subject.store
    held, old, young, other = (
        announcement(1000.0),
        announcement(1001.0),
        announcement(2000.0),
        announcement(1000.0, OTHER),
    )
    run(store.outbox.add([held, old, young, other]))
    claimed(subject, store, 1500.0, limit=1)
    assert run(store.outbox.purge(HOOK, 1510.0)) == 1
    assert {each.id for each in run(store.outbox.entries(None, 10))} == {held.id, young.id, other.id}
    assert run(store.outbox.purge(None, 1600.0)) == 2
    assert [each.id for each in run(store.outbox.entries(None, 10))] == [young.id]
