"""Contract of a store: outcomes, placements and states of deliveries."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import Status
from mailstack.letter.delivery import DeliveryState, Step
from mailstack.letter.letter import read_all
from mailstack.store import Change, Conflict, Settlement, StoreError
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
    ids,
    octets_of,
    placing,
    states,
    to,
)


def test_local_delivery_moves_a_letter_into_its_mailbox_exactly_once(subject: Subject) -> None:
    """RLY-14."""
    (delivery,) = claimed(subject)
    settlement = placing(delivery)
    subject.run(subject.store.queue.settle(settlement))
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.settle(settlement))
    assert entries(subject) == [(1, delivery.letter)]
    assert states(subject, delivery.letter) == ["delivered"]
    assert [step.step for step in subject.run(subject.store.history.steps(delivery.letter))] == [
        "submitted",
        "delivered",
    ]
    assert subject.run(subject.store.queue.next_due(SERVER)) is None


def test_a_delivery_is_not_fulfilled_by_two_entries(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(placing(delivery)))
    (there,) = deliveries(subject, delivery.letter)
    with pytest.raises(Conflict):
        subject.run(
            subject.store.queue.settle(replace(placing(there), changes=(Change(there, replace(there, text="again")),)))
        )
    assert entries(subject) == [(1, delivery.letter)]
    assert deliveries(subject, delivery.letter) == (there,)


def test_a_settlement_that_conflicts_changes_nothing(subject: Subject) -> None:
    first, second = claimed(subject, BOB, CAROL)
    report = acceptance(ALICE, sender=None)
    settlement = Settlement(
        (to(DeliveryState.DELIVERED, first), to(DeliveryState.BOUNCED, replace(second, attempts=7))),
        placing(first).placements,
        (Step(first.letter, 3000.0, SERVER, "bounced"),),
        (report,),
    )
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.settle(settlement))
    assert deliveries(subject, first.letter) == (first, second)
    assert entries(subject) == []
    assert ids(subject, ids=(report.letter.id,)) == []
    assert [step.step for step in subject.run(subject.store.history.steps(first.letter))] == ["submitted"]


def test_of_several_outcomes_only_the_bad_one_is_not_written(subject: Subject) -> None:
    settlements = [placing(claimed(subject)[0]) for _ in range(5)]
    subject.run(subject.store.queue.settle(settlements[2]))
    troubles = subject.run(subject.store.queue.settle_together(settlements))
    assert [type(trouble) for trouble in troubles] == [type(None), type(None), Conflict, type(None), type(None)]
    assert len(entries(subject)) == 5
    assert subject.run(subject.store.queue.settle_together([])) == []


def test_what_json_cannot_say_spoils_no_other_outcome(subject: Subject) -> None:
    good, bad = (placing(claimed(subject)[0]) for _ in range(2))
    bad = replace(bad, steps=(replace(bad.steps[0], facts={"what": object()}),))
    troubles = subject.run(subject.store.queue.settle_together([bad, good]))
    assert isinstance(troubles[0], StoreError)
    assert troubles[1] is None
    assert states(subject, good.changes[0].before.letter) == ["delivered"]
    assert states(subject, bad.changes[0].before.letter) == ["queued"]


def test_the_same_delivery_is_not_changed_twice_in_a_settlement(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    with pytest.raises(Conflict):
        subject.run(
            subject.store.queue.settle(
                Settlement((to(DeliveryState.RELAYED, delivery), to(DeliveryState.BOUNCED, delivery)))
            )
        )
    assert states(subject, delivery.letter) == ["queued"]


def test_a_report_is_taken_with_the_outcome_that_made_it(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    report = acceptance(ALICE, sender=None, due=9000.0)
    settlement = Settlement((to(DeliveryState.BOUNCED, delivery, status=Status(5, 1, 1)),), acceptances=(report,))
    subject.run(subject.store.queue.settle(settlement))
    assert states(subject, report.letter.id) == ["queued"]
    assert octets_of(subject, report.letter.id) == TEXT
    with pytest.raises(Conflict):
        subject.run(subject.store.queue.settle(replace(settlement, acceptances=(acceptance(sender=None),))))
    assert len(ids(subject, sender="")) == 1


def test_letters_can_be_taken_together_with_reports_about_them(subject: Subject) -> None:
    """DSN-02: a report of success is there if, and only if, the letter is."""
    letter, report = acceptance(ALICE, due=8000.0), acceptance(ALICE, sender=None, due=9000.0)
    subject.run(subject.store.queue.settle(Settlement((), acceptances=(letter, report))))
    assert states(subject, letter.letter.id) == states(subject, report.letter.id) == ["queued"]
    with pytest.raises(StoreError):
        subject.run(subject.store.queue.settle(Settlement((), acceptances=(acceptance(BOB), report))))
    assert len(ids(subject)) == 2


def test_a_deferral_keeps_the_letter_and_says_when_the_next_attempt_is(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    after = replace(
        delivery, claimed_by=None, due=7000.0, status=Status(4, 4, 1), text="no answer", host="mx", warned=True
    )
    subject.run(subject.store.queue.settle(Settlement((Change(delivery, after),))))
    assert deliveries(subject, delivery.letter) == (after,)
    assert subject.run(subject.store.queue.next_due(SERVER)) == 7000.0
    assert octets_of(subject, delivery.letter) == TEXT


@pytest.mark.parametrize("stop", [DeliveryState.HELD, DeliveryState.REMOVED])
def test_what_an_operator_stopped_during_an_attempt_is_not_queued_again_by_it(
    subject: Subject, stop: DeliveryState
) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(Settlement((Change(delivery, replace(delivery, state=stop)),))))
    assert octets_of(subject, delivery.letter) == TEXT, "the attempt under way needs it"
    after = replace(delivery, claimed_by=None, due=7000.0, text="later")
    subject.run(subject.store.queue.settle(Settlement((Change(delivery, after),))))
    assert deliveries(subject, delivery.letter) == (replace(after, state=stop),)
    assert claim(subject, 9000.0) == []
    assert octets_of(subject, delivery.letter) == (TEXT if stop is DeliveryState.HELD else None)


@pytest.mark.parametrize("stop", [DeliveryState.HELD, DeliveryState.REMOVED])
def test_success_is_a_fact_whatever_an_operator_did_meanwhile(subject: Subject, stop: DeliveryState) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.queue.settle(Settlement((Change(delivery, replace(delivery, state=stop)),))))
    subject.run(subject.store.queue.settle(placing(delivery)))
    assert states(subject, delivery.letter) == ["delivered"]
    assert subject.run(read_all(subject.run(subject.store.mailboxes.read(BOB.key, 1)))) == HEADERS + TEXT


def test_what_was_held_is_released(subject: Subject) -> None:
    held = acceptance(state=DeliveryState.HELD)
    subject.run(subject.store.queue.accept(held))
    (delivery,) = held.deliveries
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.QUEUED, delivery, due=2000.0),))))
    assert [found.letter.id for found in claim(subject, 2000.0)] == [delivery.letter]


def test_what_was_removed_while_its_process_died_loses_its_content_on_recovery(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    removal = Change(delivery, replace(delivery, state=DeliveryState.REMOVED))
    subject.run(subject.store.queue.settle(Settlement((removal,))))
    subject.run(subject.store.queue.recover(["me"], 9000.0))
    assert octets_of(subject, delivery.letter) is None
    assert states(subject, delivery.letter) == ["removed"]
