"""Contract of a store: claims of due deliveries."""

from __future__ import annotations

from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.store import Filter, ParkingSlot, Settlement
from tests.contracts.store import ALICE, BOB, CAROL, SERVER, Subject, acceptance, claim, claimed, deliveries, later, to


def test_a_claim_registers_the_attempt_before_it_is_made(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.queue.accept(accepted))
    (found,) = claim(subject, 1000.0)
    (delivery,) = found.deliveries
    assert delivery == replace(accepted.deliveries[0], attempts=1, claimed_by="me", lease=1060.0, due=1100.0)
    assert deliveries(subject, accepted.letter.id) == (delivery,)
    assert found.letter.envelope == accepted.letter.envelope


def test_what_is_not_due_or_claimed_or_held_or_of_another_server_is_not_claimed(subject: Subject) -> None:
    for given in (
        acceptance(due=1001.0),
        acceptance(claimed_by="other", lease=1001.0, attempts=1),
        acceptance(state=DeliveryState.HELD),
        acceptance(server="mx.elsewhere.test"),
    ):
        subject.run(subject.store.queue.accept(given))
    assert claim(subject, 1000.0) == []


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(subject: Subject) -> None:
    accepted = [acceptance(due=due) for due in (30.0, 10.0, 20.0)]
    for given in accepted:
        subject.run(subject.store.queue.accept(given))
    assert [found.letter.id for found in claim(subject, 1000.0, limit=2)] == [
        accepted[1].letter.id,
        accepted[2].letter.id,
    ]
    assert [found.letter.id for found in claim(subject, 1000.0, limit=2)] == [accepted[0].letter.id]


def test_the_highest_priority_is_claimed_first_whatever_is_due_longer(subject: Subject) -> None:
    """PRIO-01."""
    for priority, due in [(0, 10.0), (9, 30.0), (-9, 5.0), (0, 20.0), (9, 2000.0), (4, 40.0)]:
        subject.run(subject.store.queue.accept(acceptance(due=due, priority=priority)))
    assert subject.run(subject.store.queue.next_due(SERVER)) == 5.0
    order = []
    for _ in range(3):
        found = [delivery for each in claim(subject, 1000.0, limit=2) for delivery in each.deliveries]
        order += [delivery.priority for delivery in found]
    assert order == [9, 4, 0, 0, -9]
    assert subject.run(subject.store.queue.next_due(SERVER)) == 1100.0


def test_a_priority_is_kept_through_attempts(subject: Subject) -> None:
    """PRIO-01."""
    (delivery,) = claimed(subject, priority=-3)
    subject.run(subject.store.queue.settle(Settlement((to(DeliveryState.QUEUED, delivery, due=6000.0),))))
    assert deliveries(subject, delivery.letter)[0].priority == -3
    (again,) = claim(subject, 7000.0)
    assert again.deliveries[0].priority == -3


def test_a_due_delivery_with_a_slot_is_parked_unclaimed(subject: Subject) -> None:
    store = subject.store
    for address, destination in ((CAROL, "elsewhere.test"), (BOB, "local"), (CAROL, "elsewhere.test")):
        subject.run(store.queue.accept(acceptance(address, destination=destination)))
    work = store.queue.claim(
        SERVER,
        "me",
        5000.0,
        limit=9,
        lease=60.0,
        next_due=later,
        slot=lambda destination: ParkingSlot("else", 9000.0) if destination == "elsewhere.test" else None,
    )
    (taken,) = subject.run(work)
    assert [one.destination for one in taken.deliveries] == ["local"]
    waiting = [
        one for record in subject.run(store.history.records(Filter(recipient=str(CAROL)))) for one in record.deliveries
    ]
    assert [(one.due, one.attempts, one.claimed_by) for one in waiting] == [(9000.0, 0, None)] * 2
    assert subject.run(store.queue.parked_destinations(SERVER, 10)) == ["else"]
    work = store.queue.claim(SERVER, "me", 6000.0, limit=9, lease=60.0, next_due=later, parked_for="else")
    assert [one.attempts for claim in subject.run(work) for one in claim.deliveries] == [1, 1]


def test_a_parked_delivery_is_claimed_before_it_is_due(subject: Subject) -> None:
    """RLY-13: by priority, then in the order in which it came, and only once."""
    store = subject.store
    first, urgent, held, other = (claimed(subject, priority=priority)[0] for priority in (0, 5, 0, 0))
    for delivery, key in ((urgent, "a"), (first, "a"), (held, "a"), (other, "b")):
        back = to(DeliveryState.QUEUED, delivery, due=9000.0, attempts=0, lease=0.0)
        subject.run(store.queue.settle(Settlement((replace(back, parked_for=key),))))
    assert sorted(subject.run(store.queue.parked_destinations(SERVER, 10))) == ["a", "b"]
    assert len(subject.run(store.queue.parked_destinations(SERVER, 1))) == 1
    assert subject.run(store.queue.parked_destinations("elsewhere", 10)) == []
    (waiting,) = deliveries(subject, held.letter)
    subject.run(store.queue.settle(Settlement((to(DeliveryState.HELD, waiting),))))
    assert claim(subject, 6000.0) == []

    def fetch(limit: int) -> list[LetterId]:
        work = store.queue.claim(SERVER, "me", 6000.0, limit=limit, lease=60.0, next_due=later, parked_for="a")
        return [one.letter for each in subject.run(work) for one in each.deliveries]

    assert fetch(1) == [urgent.letter]
    assert fetch(5) == [first.letter]
    assert fetch(5) == []
    assert deliveries(subject, first.letter)[0].attempts == 1
    assert subject.run(store.queue.parked_destinations(SERVER, 10)) == ["b"]
    assert [each.letter.id for each in claim(subject, 9500.0, limit=9) if each.letter.id == other.letter] == [
        other.letter
    ]
    assert subject.run(store.queue.parked_destinations(SERVER, 10)) == []


def test_the_deliveries_of_a_letter_are_claimed_together(subject: Subject) -> None:
    subject.run(subject.store.queue.accept(acceptance(BOB, CAROL, ALICE)))
    (found,) = claim(subject, 1000.0, limit=2)
    assert len(found.deliveries) == 2
    (rest,) = claim(subject, 1000.0, limit=2)
    assert len({delivery.number for delivery in found.deliveries + rest.deliveries}) == 3


def test_a_claim_ends_with_its_lease_and_never_before_the_next_attempt_is_due(subject: Subject) -> None:
    """RLY-14: a crash delays and never hammers."""
    subject.run(subject.store.queue.accept(acceptance(at=1000.0)))
    claim(subject, 1000.0, lease=10.0)
    assert claim(subject, 1099.0, owner="other") == []
    assert subject.run(subject.store.queue.next_due(SERVER)) == 1100.0
    (found,) = claim(subject, 1100.0, owner="other", lease=500.0)
    assert found.deliveries[0].attempts == 2
    assert subject.run(subject.store.queue.next_due(SERVER)) == 1600.0
    assert claim(subject, 1599.0) == []


def test_next_due_is_the_earliest_time_at_which_something_can_be_claimed(subject: Subject) -> None:
    assert subject.run(subject.store.queue.next_due(SERVER)) is None
    subject.run(subject.store.queue.accept(acceptance(due=1e15, state=DeliveryState.HELD)))
    subject.run(subject.store.queue.accept(acceptance(due=1.0, server="mx.elsewhere.test")))
    assert subject.run(subject.store.queue.next_due(SERVER)) is None
    for due in (3000.0, 2000.0):
        subject.run(subject.store.queue.accept(acceptance(due=due)))
    assert subject.run(subject.store.queue.next_due(SERVER)) == 2000.0


def test_recovery_releases_only_the_claims_of_its_owners(subject: Subject) -> None:
    first = acceptance(attempts=1, claimed_by="dead", lease=9000.0, due=8000.0)
    again = acceptance(attempts=2, claimed_by="dead", lease=9000.0, due=8000.0)
    other = acceptance(attempts=1, claimed_by="alive", lease=9000.0, due=8000.0)
    for given in (first, again, other):
        subject.run(subject.store.queue.accept(given))
    assert subject.run(subject.store.queue.recover(["dead", "long dead"], 2000.0)) == 2
    assert deliveries(subject, first.letter.id) == (
        replace(first.deliveries[0], claimed_by=None, lease=0.0, due=2000.0),
    )
    assert deliveries(subject, again.letter.id) == (replace(again.deliveries[0], claimed_by=None, lease=0.0),)
    assert deliveries(subject, other.letter.id) == other.deliveries
    assert [found.letter.id for found in claim(subject, 2000.0)] == [first.letter.id]
    assert subject.run(subject.store.queue.recover(["dead", "long dead"], 2000.0)) == 0
