"""The contract of `mailstack.store.Store`: import the tests where a fixture `subject` gives an open store."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import pytest
from attrs import frozen
from msgspec.structs import replace

from mailstack.letter import (
    Address,
    Arrival,
    Envelope,
    Letter,
    LetterId,
    Recipient,
    Status,
    new_letter_id,
)
from mailstack.letter.delivery import OWED, Delivery, DeliveryState, Step
from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.letter.letter import Octets, Prefixed, read_all
from mailstack.protocols.sasl import ScramKeys
from mailstack.store import (
    Acceptance,
    Change,
    Claim,
    Conflict,
    Filter,
    MaildropInUse,
    ParkingSlot,
    Placement,
    Settlement,
    Store,
    StoreError,
)
from mailstack.store.accounts import Account, AppPassword
from mailstack.store.greylist import GreylistEntry

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
    return subject.run(subject.store.claim(SERVER, owner, now, limit=limit, lease=lease, next_due=later))


def claimed(subject: Subject, *recipients: Address, **given: Any) -> tuple[Delivery, ...]:
    """The deliveries of a new letter, being attempted."""
    subject.run(subject.store.accept(acceptance(*recipients, **given)))
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
    subject.run(subject.store.settle(placing(delivery, mailbox, size=len(octets))))
    return delivery.letter


def deliveries(subject: Subject, letter: LetterId) -> tuple[Delivery, ...]:
    (record,) = subject.run(subject.store.records(Filter(ids=(letter,))))
    return record.deliveries


def states(subject: Subject, letter: LetterId) -> list[str]:
    return [delivery.state.value for delivery in deliveries(subject, letter)]


def octets_of(subject: Subject, letter: LetterId) -> bytes | None:
    async def read() -> bytes | None:
        try:
            return await read_all(await subject.store.content(letter))
        except KeyError:
            return None

    return subject.run(read())


def entries(subject: Subject, mailbox: str = BOB.key) -> list[tuple[int, LetterId]]:
    found = subject.run(subject.store.open_maildrop(mailbox, "look"))
    subject.run(subject.store.release_maildrop(mailbox, "look"))
    return [(entry.uid, entry.letter) for entry in found.entries]


def ids(subject: Subject, **which: Any) -> list[LetterId]:
    return [record.letter.id for record in subject.run(subject.store.records(Filter(**which)))]


def test_records_are_paged_from_the_newest_and_pending_letters_counted(subject: Subject) -> None:
    letters = [delivery.letter for _ in range(5) for delivery in claimed(subject, CAROL)]
    assert subject.run(subject.store.pending_count()) == 5
    records = subject.run(subject.store.records(Filter(states=OWED)))
    in_order = [record.letter.id for record in records]
    assert set(in_order) == set(letters)
    found: list[LetterId] = []
    before = None
    while page := subject.run(subject.store.records(Filter(states=OWED, before=before, limit=2))):
        found += [record.letter.id for record in page]
        before = (page[-1].letter.arrival.at, page[-1].letter.id)
    assert found == in_order


# --- accept


def test_a_letter_for_many_enters_each_mailbox_in_its_turn(subject: Subject) -> None:
    """As many as no single statement is for."""
    people = [Address(f"p{number}", "home.test") for number in range(12)]
    for _ in range(2):
        made = acceptance(*people, state=DeliveryState.DELIVERED, attempts=1)
        placements = tuple(
            Placement(to.key, (made.letter.id, number), HEADERS, len(HEADERS) + len(TEXT), 2000.0)
            for number, to in enumerate(people)
        )
        subject.run(subject.store.accept(replace(made, placements=placements)))
    for to in people:
        assert [uid for uid, _ in entries(subject, to.key)] == [1, 2]
        assert subject.run(subject.store.octets_in(to.key)) == 2 * (len(HEADERS) + len(TEXT))


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
    subject.run(subject.store.accept(accepted))
    (record,) = subject.run(subject.store.records(Filter(ids=(letter,))))
    assert record.letter.envelope == accepted.letter.envelope
    assert record.letter.arrival == accepted.letter.arrival
    assert record.letter.content.size == len(TEXT)
    assert subject.run(read_all(record.letter.content)) == TEXT
    assert record.deliveries == accepted.deliveries
    assert tuple(subject.run(subject.store.steps(letter))) == accepted.steps


def test_what_was_accepted_is_there_after_the_store_was_closed_and_opened(subject: Subject) -> None:
    """SMTP-29, RLY-14."""
    (delivery,) = claimed(subject)
    subject.run(subject.store.settle(placing(delivery)))
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0)]))
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert entries(subject) == [(1, delivery.letter)]
    assert octets_of(subject, delivery.letter) == TEXT
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"hash", 1.0)


def test_a_letter_that_is_there_is_not_accepted_again(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.accept(accepted))
    with pytest.raises(Conflict):
        subject.run(subject.store.accept(replace(accepted, deliveries=(), steps=())))
    assert states(subject, accepted.letter.id) == ["queued"]
    assert len(subject.run(subject.store.steps(accepted.letter.id))) == 1


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 400_000])
def test_a_content_of_any_size_is_kept_octet_for_octet(subject: Subject, size: int) -> None:
    octets = (b"0123456789abcdef\r\n" * (size // 18 + 1))[:size]

    async def arrive() -> LetterId:
        writer = subject.store.new_content()
        for start in range(0, size, 10_000):
            await writer.write(octets[start : start + 10_000])
        assert writer.size == size
        content = await writer.finish()
        accepted = acceptance()
        await subject.store.accept(replace(accepted, letter=replace(accepted.letter, content=content)))
        writer.discard()
        return accepted.letter.id

    letter = subject.run(arrive())
    assert octets_of(subject, letter) == octets
    (only,) = claim(subject, 5000.0)
    assert only.letter.content.size == size
    assert subject.run(read_all(only.letter.content)) == octets
    assert subject.run(read_all(only.letter.content)) == octets
    subject.run(subject.store.settle(placing(only.deliveries[0], size=size)))
    assert subject.run(read_all(subject.run(subject.store.read(BOB.key, 1)))) == HEADERS + octets


def test_any_content_is_taken_wherever_its_octets_are(subject: Subject) -> None:
    content = Prefixed(b"Received: here\r\n", Octets(b"x" * 100_000))
    first, second = acceptance(), acceptance()
    subject.run(subject.store.accept(replace(first, letter=replace(first.letter, content=content))))
    stored = subject.run(subject.store.content(first.letter.id))
    subject.run(subject.store.accept(replace(second, letter=replace(second.letter, content=stored))))
    one, two = sorted(
        (found for found in claim(subject, 5000.0)), key=lambda found: found.letter.id == second.letter.id
    )
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, one.deliveries[0]),))))
    assert octets_of(subject, one.letter.id) is None
    assert octets_of(subject, two.letter.id) == b"Received: here\r\n" + b"x" * 100_000


def test_a_content_that_was_discarded_leaves_nothing(subject: Subject) -> None:
    async def discard() -> None:
        for size in (10, 100_000):
            writer = subject.store.new_content()
            await writer.write(b"x" * size)
            writer.discard()
            finished = subject.store.new_content()
            await finished.write(b"x" * size)
            await finished.finish()
            finished.discard()
            finished.discard()

    subject.run(discard())


def test_a_thousand_recipients_are_one_letter(subject: Subject) -> None:
    recipients = [Address(f"user{number}", "home.test") for number in range(3000)]
    accepted = acceptance(*recipients)
    subject.run(subject.store.accept(accepted))
    assert len(deliveries(subject, accepted.letter.id)) == 3000
    (only,) = claim(subject, 5000.0, limit=5000)
    changes = tuple(to(DeliveryState.RELAYED, delivery) for delivery in only.deliveries)
    subject.run(subject.store.settle(Settlement(changes)))
    assert set(states(subject, accepted.letter.id)) == {"relayed"}


# --- claim


def test_a_claim_registers_the_attempt_before_it_is_made(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.accept(accepted))
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
        subject.run(subject.store.accept(given))
    assert claim(subject, 1000.0) == []


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(subject: Subject) -> None:
    accepted = [acceptance(due=due) for due in (30.0, 10.0, 20.0)]
    for given in accepted:
        subject.run(subject.store.accept(given))
    assert [found.letter.id for found in claim(subject, 1000.0, limit=2)] == [
        accepted[1].letter.id,
        accepted[2].letter.id,
    ]
    assert [found.letter.id for found in claim(subject, 1000.0, limit=2)] == [accepted[0].letter.id]


def test_the_highest_priority_is_claimed_first_whatever_is_due_longer(subject: Subject) -> None:
    """PRIO-01."""
    for priority, due in [(0, 10.0), (9, 30.0), (-9, 5.0), (0, 20.0), (9, 2000.0), (4, 40.0)]:
        subject.run(subject.store.accept(acceptance(due=due, priority=priority)))
    assert subject.run(subject.store.next_due(SERVER)) == 5.0
    order = []
    for _ in range(3):
        found = [delivery for each in claim(subject, 1000.0, limit=2) for delivery in each.deliveries]
        order += [delivery.priority for delivery in found]
    assert order == [9, 4, 0, 0, -9]
    assert subject.run(subject.store.next_due(SERVER)) == 1100.0


def test_a_priority_is_kept_through_attempts(subject: Subject) -> None:
    """PRIO-01."""
    (delivery,) = claimed(subject, priority=-3)
    subject.run(subject.store.settle(Settlement((to(DeliveryState.QUEUED, delivery, due=6000.0),))))
    assert deliveries(subject, delivery.letter)[0].priority == -3
    (again,) = claim(subject, 7000.0)
    assert again.deliveries[0].priority == -3


def test_a_due_delivery_with_a_slot_is_parked_unclaimed(subject: Subject) -> None:
    store = subject.store
    for address, destination in ((CAROL, "elsewhere.test"), (BOB, "local"), (CAROL, "elsewhere.test")):
        subject.run(store.accept(acceptance(address, destination=destination)))
    work = store.claim(
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
    waiting = [one for record in subject.run(store.records(Filter(recipient=str(CAROL)))) for one in record.deliveries]
    assert [(one.due, one.attempts, one.claimed_by) for one in waiting] == [(9000.0, 0, None)] * 2
    assert subject.run(store.parked_destinations(SERVER, 10)) == ["else"]
    work = store.claim(SERVER, "me", 6000.0, limit=9, lease=60.0, next_due=later, parked_for="else")
    assert [one.attempts for claim in subject.run(work) for one in claim.deliveries] == [1, 1]


def test_a_parked_delivery_is_claimed_before_it_is_due(subject: Subject) -> None:
    """RLY-13: by priority, then in the order in which it came, and only once."""
    store = subject.store
    first, urgent, held, other = (claimed(subject, priority=priority)[0] for priority in (0, 5, 0, 0))
    for delivery, key in ((urgent, "a"), (first, "a"), (held, "a"), (other, "b")):
        back = to(DeliveryState.QUEUED, delivery, due=9000.0, attempts=0, lease=0.0)
        subject.run(store.settle(Settlement((replace(back, parked_for=key),))))
    assert sorted(subject.run(store.parked_destinations(SERVER, 10))) == ["a", "b"]
    assert len(subject.run(store.parked_destinations(SERVER, 1))) == 1
    assert subject.run(store.parked_destinations("elsewhere", 10)) == []
    (waiting,) = deliveries(subject, held.letter)
    subject.run(store.settle(Settlement((to(DeliveryState.HELD, waiting),))))
    assert claim(subject, 6000.0) == []

    def fetch(limit: int) -> list[LetterId]:
        work = store.claim(SERVER, "me", 6000.0, limit=limit, lease=60.0, next_due=later, parked_for="a")
        return [one.letter for each in subject.run(work) for one in each.deliveries]

    assert fetch(1) == [urgent.letter]
    assert fetch(5) == [first.letter]
    assert fetch(5) == []
    assert deliveries(subject, first.letter)[0].attempts == 1
    assert subject.run(store.parked_destinations(SERVER, 10)) == ["b"]
    assert [each.letter.id for each in claim(subject, 9500.0, limit=9) if each.letter.id == other.letter] == [
        other.letter
    ]
    assert subject.run(store.parked_destinations(SERVER, 10)) == []


def test_the_deliveries_of_a_letter_are_claimed_together(subject: Subject) -> None:
    subject.run(subject.store.accept(acceptance(BOB, CAROL, ALICE)))
    (found,) = claim(subject, 1000.0, limit=2)
    assert len(found.deliveries) == 2
    (rest,) = claim(subject, 1000.0, limit=2)
    assert len({delivery.number for delivery in found.deliveries + rest.deliveries}) == 3


def test_a_claim_ends_with_its_lease_and_never_before_the_next_attempt_is_due(subject: Subject) -> None:
    """RLY-14: a crash delays and never hammers."""
    subject.run(subject.store.accept(acceptance(at=1000.0)))
    claim(subject, 1000.0, lease=10.0)
    assert claim(subject, 1099.0, owner="other") == []
    assert subject.run(subject.store.next_due(SERVER)) == 1100.0
    (found,) = claim(subject, 1100.0, owner="other", lease=500.0)
    assert found.deliveries[0].attempts == 2
    assert subject.run(subject.store.next_due(SERVER)) == 1600.0
    assert claim(subject, 1599.0) == []


def test_next_due_is_the_earliest_time_at_which_something_can_be_claimed(subject: Subject) -> None:
    assert subject.run(subject.store.next_due(SERVER)) is None
    subject.run(subject.store.accept(acceptance(due=1e15, state=DeliveryState.HELD)))
    subject.run(subject.store.accept(acceptance(due=1.0, server="mx.elsewhere.test")))
    assert subject.run(subject.store.next_due(SERVER)) is None
    for due in (3000.0, 2000.0):
        subject.run(subject.store.accept(acceptance(due=due)))
    assert subject.run(subject.store.next_due(SERVER)) == 2000.0


def test_recovery_releases_only_the_claims_of_its_owners(subject: Subject) -> None:
    first = acceptance(attempts=1, claimed_by="dead", lease=9000.0, due=8000.0)
    again = acceptance(attempts=2, claimed_by="dead", lease=9000.0, due=8000.0)
    other = acceptance(attempts=1, claimed_by="alive", lease=9000.0, due=8000.0)
    for given in (first, again, other):
        subject.run(subject.store.accept(given))
    assert subject.run(subject.store.recover(["dead", "long dead"], 2000.0)) == 2
    assert deliveries(subject, first.letter.id) == (
        replace(first.deliveries[0], claimed_by=None, lease=0.0, due=2000.0),
    )
    assert deliveries(subject, again.letter.id) == (replace(again.deliveries[0], claimed_by=None, lease=0.0),)
    assert deliveries(subject, other.letter.id) == other.deliveries
    assert [found.letter.id for found in claim(subject, 2000.0)] == [first.letter.id]
    assert subject.run(subject.store.recover(["dead", "long dead"], 2000.0)) == 0


# --- settle


def test_local_delivery_moves_a_letter_into_its_mailbox_exactly_once(subject: Subject) -> None:
    """RLY-14."""
    (delivery,) = claimed(subject)
    settlement = placing(delivery)
    subject.run(subject.store.settle(settlement))
    with pytest.raises(Conflict):
        subject.run(subject.store.settle(settlement))
    assert entries(subject) == [(1, delivery.letter)]
    assert states(subject, delivery.letter) == ["delivered"]
    assert [step.step for step in subject.run(subject.store.steps(delivery.letter))] == ["submitted", "delivered"]
    assert subject.run(subject.store.next_due(SERVER)) is None


def test_a_delivery_is_not_fulfilled_by_two_entries(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.settle(placing(delivery)))
    (there,) = deliveries(subject, delivery.letter)
    with pytest.raises(Conflict):
        subject.run(
            subject.store.settle(replace(placing(there), changes=(Change(there, replace(there, text="again")),)))
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
        subject.run(subject.store.settle(settlement))
    assert deliveries(subject, first.letter) == (first, second)
    assert entries(subject) == []
    assert ids(subject, ids=(report.letter.id,)) == []
    assert [step.step for step in subject.run(subject.store.steps(first.letter))] == ["submitted"]


def test_of_several_outcomes_only_the_bad_one_is_not_written(subject: Subject) -> None:
    settlements = [placing(claimed(subject)[0]) for _ in range(5)]
    subject.run(subject.store.settle(settlements[2]))
    troubles = subject.run(subject.store.settle_together(settlements))
    assert [type(trouble) for trouble in troubles] == [type(None), type(None), Conflict, type(None), type(None)]
    assert len(entries(subject)) == 5
    assert subject.run(subject.store.settle_together([])) == []


def test_what_json_cannot_say_spoils_no_other_outcome(subject: Subject) -> None:
    good, bad = (placing(claimed(subject)[0]) for _ in range(2))
    bad = replace(bad, steps=(replace(bad.steps[0], facts={"what": object()}),))
    troubles = subject.run(subject.store.settle_together([bad, good]))
    assert isinstance(troubles[0], StoreError)
    assert troubles[1] is None
    assert states(subject, good.changes[0].before.letter) == ["delivered"]
    assert states(subject, bad.changes[0].before.letter) == ["queued"]


def test_the_same_delivery_is_not_changed_twice_in_a_settlement(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    with pytest.raises(Conflict):
        subject.run(
            subject.store.settle(Settlement((to(DeliveryState.RELAYED, delivery), to(DeliveryState.BOUNCED, delivery))))
        )
    assert states(subject, delivery.letter) == ["queued"]


def test_a_report_is_taken_with_the_outcome_that_made_it(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    report = acceptance(ALICE, sender=None, due=9000.0)
    settlement = Settlement((to(DeliveryState.BOUNCED, delivery, status=Status(5, 1, 1)),), acceptances=(report,))
    subject.run(subject.store.settle(settlement))
    assert states(subject, report.letter.id) == ["queued"]
    assert octets_of(subject, report.letter.id) == TEXT
    with pytest.raises(Conflict):
        subject.run(subject.store.settle(replace(settlement, acceptances=(acceptance(sender=None),))))
    assert len(ids(subject, sender="")) == 1


def test_letters_can_be_taken_together_with_reports_about_them(subject: Subject) -> None:
    """DSN-02: a report of success is there if, and only if, the letter is."""
    letter, report = acceptance(ALICE, due=8000.0), acceptance(ALICE, sender=None, due=9000.0)
    subject.run(subject.store.settle(Settlement((), acceptances=(letter, report))))
    assert states(subject, letter.letter.id) == states(subject, report.letter.id) == ["queued"]
    with pytest.raises(StoreError):
        subject.run(subject.store.settle(Settlement((), acceptances=(acceptance(BOB), report))))
    assert len(ids(subject)) == 2


def test_a_deferral_keeps_the_letter_and_says_when_the_next_attempt_is(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    after = replace(
        delivery, claimed_by=None, due=7000.0, status=Status(4, 4, 1), text="no answer", host="mx", warned=True
    )
    subject.run(subject.store.settle(Settlement((Change(delivery, after),))))
    assert deliveries(subject, delivery.letter) == (after,)
    assert subject.run(subject.store.next_due(SERVER)) == 7000.0
    assert octets_of(subject, delivery.letter) == TEXT


@pytest.mark.parametrize("stop", [DeliveryState.HELD, DeliveryState.REMOVED])
def test_what_an_operator_stopped_during_an_attempt_is_not_queued_again_by_it(
    subject: Subject, stop: DeliveryState
) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.settle(Settlement((Change(delivery, replace(delivery, state=stop)),))))
    assert octets_of(subject, delivery.letter) == TEXT, "the attempt under way needs it"
    after = replace(delivery, claimed_by=None, due=7000.0, text="later")
    subject.run(subject.store.settle(Settlement((Change(delivery, after),))))
    assert deliveries(subject, delivery.letter) == (replace(after, state=stop),)
    assert claim(subject, 9000.0) == []
    assert octets_of(subject, delivery.letter) == (TEXT if stop is DeliveryState.HELD else None)


@pytest.mark.parametrize("stop", [DeliveryState.HELD, DeliveryState.REMOVED])
def test_success_is_a_fact_whatever_an_operator_did_meanwhile(subject: Subject, stop: DeliveryState) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.settle(Settlement((Change(delivery, replace(delivery, state=stop)),))))
    subject.run(subject.store.settle(placing(delivery)))
    assert states(subject, delivery.letter) == ["delivered"]
    assert subject.run(read_all(subject.run(subject.store.read(BOB.key, 1)))) == HEADERS + TEXT


def test_what_was_held_is_released(subject: Subject) -> None:
    held = acceptance(state=DeliveryState.HELD)
    subject.run(subject.store.accept(held))
    (delivery,) = held.deliveries
    subject.run(subject.store.settle(Settlement((to(DeliveryState.QUEUED, delivery, due=2000.0),))))
    assert [found.letter.id for found in claim(subject, 2000.0)] == [delivery.letter]


def test_what_was_removed_while_its_process_died_loses_its_content_on_recovery(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    removal = Change(delivery, replace(delivery, state=DeliveryState.REMOVED))
    subject.run(subject.store.settle(Settlement((removal,))))
    subject.run(subject.store.recover(["me"], 9000.0))
    assert octets_of(subject, delivery.letter) is None
    assert states(subject, delivery.letter) == ["removed"]


# --- content


def test_a_content_is_stored_while_needed_and_no_longer(subject: Subject) -> None:
    first, second, third = claimed(subject, BOB, CAROL, ALICE)
    subject.run(subject.store.settle(placing(first)))
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, second),))))
    assert octets_of(subject, first.letter) == TEXT
    subject.run(subject.store.settle(placing(third, ALICE.key)))
    subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[1], steps=[]))
    assert octets_of(subject, first.letter) == TEXT
    subject.run(subject.store.update_maildrop(ALICE.key, collected=[], deleted=[1], steps=[]))
    assert octets_of(subject, first.letter) is None
    assert states(subject, first.letter) == ["collected", "relayed", "delivered"]
    with pytest.raises(KeyError):
        subject.run(subject.store.read(BOB.key, 1))


def test_a_content_that_is_gone_is_no_octets_at_all(subject: Subject) -> None:
    (delivery,) = claimed(subject, octets=b"y" * 100_000)
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, delivery),))))
    (record,) = subject.run(subject.store.records(Filter(ids=(delivery.letter,))))
    assert record.letter.content.size == 100_000
    with pytest.raises(StoreError):
        subject.run(read_all(record.letter.content))


# --- mailboxes


def test_a_maildrop_lists_its_letters_in_the_order_of_arrival(subject: Subject) -> None:
    letters = [place(subject, octets=b"x" * size) for size in (10, 20, 30)]
    drop = subject.run(subject.store.open_maildrop(BOB.key, "session"))
    assert [entry.letter for entry in drop.entries] == letters
    assert [entry.size for entry in drop.entries] == [len(HEADERS) + size for size in (10, 20, 30)]
    assert [entry.uid for entry in drop.entries] == [1, 2, 3]


def test_an_unknown_mailbox_is_empty(subject: Subject) -> None:
    """POP-04."""
    assert subject.run(subject.store.open_maildrop("nobody@home.test", "session")).entries == []
    subject.run(subject.store.update_maildrop("nobody@home.test", collected=[1], deleted=[2], steps=[]))
    with pytest.raises(KeyError):
        subject.run(subject.store.read("nobody@home.test", 1))


def test_a_maildrop_has_one_session_at_a_time(subject: Subject) -> None:
    """CODE-30: [IN-USE]."""
    subject.run(subject.store.open_maildrop(BOB.key, "one"))
    with pytest.raises(MaildropInUse):
        subject.run(subject.store.open_maildrop(BOB.key, "two"))
    subject.run(subject.store.open_maildrop(ALICE.key, "two"))
    subject.run(subject.store.release_maildrop(BOB.key, "two"))
    with pytest.raises(MaildropInUse):
        subject.run(subject.store.open_maildrop(BOB.key, "two"))
    subject.run(subject.store.release_maildrop(BOB.key, "one"))
    subject.run(subject.store.release_maildrop(BOB.key, "one"))
    subject.run(subject.store.open_maildrop(BOB.key, "two"))


def test_a_letter_that_arrives_later_is_not_in_an_open_maildrop(subject: Subject) -> None:
    place(subject)
    drop = subject.run(subject.store.open_maildrop(BOB.key, "session"))
    place(subject)
    assert len(drop.entries) == 1


def test_a_uid_is_never_given_again_though_all_letters_are_gone(subject: Subject) -> None:
    for _ in range(2):
        place(subject)
    subject.run(subject.store.update_maildrop(BOB.key, collected=[], deleted=[1, 2], steps=[]))
    letter = place(subject)
    assert entries(subject) == [(3, letter)]


def test_a_mailbox_that_is_made_anew_has_another_validity(subject: Subject) -> None:
    account = Account(BOB.key, b"hash", 1.0)
    seen = set()
    for _ in range(3):
        subject.run(subject.store.accounts.add([account]))
        letter = place(subject)
        drop = subject.run(subject.store.open_maildrop(BOB.key, "session"))
        subject.run(subject.store.release_maildrop(BOB.key, "session"))
        assert drop.validity > 0
        seen |= {(drop.validity, entry.uid) for entry in drop.entries}
        assert len({validity for validity, _ in seen}) == len(seen)
        subject.run(subject.store.accounts.remove(BOB.key))
        assert entries(subject) == []
        assert octets_of(subject, letter) is None
    assert len(seen) == 3


def test_a_session_marks_and_removes_at_its_end(subject: Subject) -> None:
    first, second, third = (place(subject) for _ in range(3))
    steps = [Step(letter, 3000.0, SERVER, "collected", {"by": BOB.key}) for letter in (first, second)]
    subject.run(subject.store.update_maildrop(BOB.key, collected=[1, 2, 99], deleted=[2, 99], steps=steps))
    assert entries(subject) == [(1, first), (3, third)]
    assert [states(subject, letter) for letter in (first, second, third)] == [
        ["collected"],
        ["collected"],
        ["delivered"],
    ]
    assert [step.step for step in subject.run(subject.store.steps(second))] == ["submitted", "delivered", "collected"]


def test_many_letters_in_one_mailbox_get_consecutive_uids(subject: Subject) -> None:
    (one, two), (three,) = claimed(subject, BOB, CAROL), claimed(subject)
    settlements: Sequence[Settlement] = [placing(one), placing(three), placing(two)]
    both = Settlement(
        settlements[0].changes + settlements[2].changes, settlements[0].placements + settlements[2].placements
    )
    subject.run(subject.store.settle(both))
    subject.run(subject.store.settle(settlements[1]))
    assert entries(subject) == [(1, one.letter), (2, one.letter), (3, three.letter)]


# --- accounts


def test_accounts_are_added_all_or_none(subject: Subject) -> None:
    bob, alice = Account(BOB.key, b"\x00hash", 1.5), Account(ALICE.key, b"other", 2.0)
    subject.run(subject.store.accounts.add([bob]))
    with pytest.raises(Conflict, match=BOB.key):
        subject.run(subject.store.accounts.add([alice, bob]))
    subject.run(subject.store.accounts.set_alias("info@home.test", [BOB.key]))
    with pytest.raises(Conflict, match="info@home"):
        subject.run(subject.store.accounts.add([alice, replace(alice, address="info@home.test")]))
    with pytest.raises(Conflict, match=ALICE.key):
        subject.run(subject.store.accounts.add([alice, alice]))
    assert subject.run(subject.store.accounts.all()) == [bob]
    assert subject.run(subject.store.accounts.get(ALICE.key)) is None
    subject.run(subject.store.accounts.add([]))


def test_an_account_is_what_it_was_last_made(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"old", 1.0)]))
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"old", 1.0)
    subject.run(subject.store.accounts.set_password(BOB.key, b"new"))
    assert subject.run(subject.store.accounts.get(BOB.key)) == Account(BOB.key, b"new", 1.0)
    subject.run(subject.store.accounts.remove(BOB.key))
    assert subject.run(subject.store.accounts.get(BOB.key)) is None


def test_scram_keys_go_with_their_password(subject: Subject) -> None:
    """AUTH-07"""
    store = subject.store
    subject.run(store.accounts.add([Account(BOB.key, b"old", 1.0), Account(ALICE.key, b"x", 1.0, scram="keys of x")]))
    assert subject.run(store.accounts.get(ALICE.key)).scram == "keys of x"
    subject.run(store.accounts.set_scram(BOB.key, b"another", "keys of another"))
    subject.run(store.accounts.set_scram("nobody@home.test", b"old", "keys"))
    assert subject.run(store.accounts.get(BOB.key)).scram == ""
    subject.run(store.accounts.set_scram(BOB.key, b"old", "keys of old"))
    assert subject.run(store.accounts.get(BOB.key)) == Account(BOB.key, b"old", 1.0, scram="keys of old")
    subject.run(store.accounts.set_password(BOB.key, b"new", "keys of new"))
    assert subject.run(store.accounts.get(BOB.key)).scram == "keys of new"
    subject.run(store.accounts.set_password(BOB.key, b"newer"))
    assert subject.run(store.accounts.get(BOB.key)).scram == ""
    keys = [str(ScramKeys(b"s" * 16, iterations, b"k" * 32, b"k" * 32)) for iterations in (4096, 65536, 65536)]
    subject.run(store.accounts.add([Account(f"{n}@home.test", b"x", 1.0, scram=each) for n, each in enumerate(keys)]))
    assert subject.run(store.accounts.scram_iterations()) == {0: 2, 4096: 1, 65536: 2}


def test_app_passwords_are_many_each_with_its_name_and_go_with_their_account(subject: Subject) -> None:
    """AUTH-18"""
    store = subject.store
    phone, laptop = AppPassword(BOB.key, "phone", b"1", 2.0), AppPassword(BOB.key, "laptop", b"\x00", 1.0)
    with pytest.raises(KeyError):
        subject.run(store.accounts.add_app_password(phone))
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0), Account(ALICE.key, b"x", 1.0)]))
    for password in (phone, laptop, replace(phone, address=ALICE.key)):
        subject.run(store.accounts.add_app_password(password))
    with pytest.raises(Conflict, match="phone"):
        subject.run(store.accounts.add_app_password(replace(phone, digest=b"2")))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == [laptop, phone]
    subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    with pytest.raises(KeyError):
        subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == [laptop]
    subject.run(store.accounts.remove(BOB.key))
    assert subject.run(store.accounts.app_passwords(BOB.key)) == []
    assert len(subject.run(store.accounts.app_passwords(ALICE.key))) == 1


def test_credentials_change_with_all_that_a_login_rests_on(subject: Subject) -> None:
    store = subject.store
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0), Account(ALICE.key, b"x", 1.0)]))
    subject.run(store.accounts.add_app_password(AppPassword(BOB.key, "phone", b"1", 2.0)))
    seen: list[str] = []

    def new() -> bool:
        found = subject.run(store.accounts.credentials([BOB.key, "nobody@home.test"]))
        assert set(found) == {BOB.key}
        assert subject.run(store.accounts.get(BOB.key)).credentials == found[BOB.key]
        seen.append(found[BOB.key])
        return seen.count(found[BOB.key]) == 1

    assert new()
    subject.run(store.accounts.set_quota(BOB.key, 5))
    subject.run(store.accounts.set_scram(BOB.key, b"x", "keys"))
    subject.run(store.accounts.add_app_password(AppPassword(BOB.key, "laptop", b"2", 2.0)))
    assert not new(), "nothing that a login rests on was changed"
    subject.run(store.accounts.set_password(BOB.key, b"y"))
    assert new()
    subject.run(store.accounts.remove_app_password(BOB.key, "phone"))
    assert new()
    subject.run(store.accounts.end_sessions(BOB.key))
    assert new()
    before = subject.run(store.accounts.get(ALICE.key))
    assert subject.run(store.accounts.credentials([ALICE.key])) == {ALICE.key: before.credentials}
    subject.run(store.accounts.remove(BOB.key))
    assert subject.run(store.accounts.credentials([BOB.key])) == {}
    subject.run(store.accounts.add([Account(BOB.key, b"y", 3.0)]))
    assert new(), "the next holder of the address is another one"
    with pytest.raises(KeyError):
        subject.run(store.accounts.end_sessions("nobody@home.test"))


def test_version_of_accounts_changes_with_each_change(subject: Subject) -> None:
    """None, where only `credentials` can tell of a change."""
    store = subject.store
    is_known = store.accounts.version() is not None
    subject.run(store.accounts.add([Account(BOB.key, b"x", 1.0)]))
    for change in (
        lambda: store.accounts.set_password(BOB.key, b"y"),
        lambda: store.accounts.end_sessions(BOB.key),
        lambda: store.accounts.log_out("s", 9.0, 1.0),
        lambda: store.accounts.remove(BOB.key),
    ):
        before = store.accounts.version()
        subject.run(change())
        assert (store.accounts.version() != before) is is_known


def test_logouts_are_stored_for_their_time(subject: Subject) -> None:
    store = subject.store
    subject.run(store.accounts.log_out("one", 50.0, 10.0))
    subject.run(store.accounts.log_out("one", 50.0, 10.0))
    assert subject.run(store.accounts.logged_out(["one", "two"])) == {"one"}
    subject.run(store.accounts.log_out("two", 90.0, 60.0))
    assert subject.run(store.accounts.logged_out(["one", "two", "three"])) == {"two"}
    assert subject.run(store.accounts.logged_out([])) == set()
    store = subject.reopen()
    assert subject.run(store.accounts.logged_out(["two"])) == {"two"}, "a restart makes no session good again"


def test_what_is_not_there_is_not_changed(subject: Subject) -> None:
    for work in (
        lambda: subject.store.accounts.set_password(BOB.key, b"x"),
        lambda: subject.store.accounts.remove(BOB.key),
        lambda: subject.store.accounts.remove_alias(BOB.key),
    ):
        with pytest.raises(KeyError):
            subject.run(work())


def test_aliases_keep_their_targets_in_order_and_as_written(subject: Subject) -> None:
    targets = ("Zoe@Elsewhere.test", "bob@home.test", '"odd local"@home.test')
    subject.run(subject.store.accounts.set_alias("all@home.test", targets))
    subject.run(subject.store.accounts.set_alias("b@home.test", ["Bob@HOME.test"]))
    assert subject.run(subject.store.accounts.alias("all@home.test")) == targets
    assert subject.run(subject.store.accounts.alias("bob@home.test")) is None
    assert subject.run(subject.store.accounts.aliases()) == [
        ("all@home.test", targets),
        ("b@home.test", ("Bob@HOME.test",)),
    ]
    assert subject.run(subject.store.accounts.aliases_to("bob@home.test")) == ["all@home.test", "b@home.test"]
    assert subject.run(subject.store.accounts.aliases_to("zoe@elsewhere.test")) == ["all@home.test"]
    subject.run(subject.store.accounts.set_alias("all@home.test", ["carol@elsewhere.test"]))
    assert subject.run(subject.store.accounts.alias("all@home.test")) == ("carol@elsewhere.test",)
    subject.run(subject.store.accounts.remove_alias("all@home.test"))
    assert subject.run(subject.store.accounts.alias("all@home.test")) is None


def test_an_alias_has_a_target_and_an_address_of_its_own(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"x", 1.0)]))
    with pytest.raises(Conflict):
        subject.run(subject.store.accounts.set_alias(BOB.key, [ALICE.key]))
    with pytest.raises(StoreError):
        subject.run(subject.store.accounts.set_alias("info@home.test", []))
    assert subject.run(subject.store.accounts.aliases()) == []


# --- for people who look


def test_records_are_the_newest_first_and_no_more_than_asked_for(subject: Subject) -> None:
    letters = []
    for at in (1000.0, 3000.0, 2000.0):
        accepted = acceptance(at=at)
        subject.run(subject.store.accept(accepted))
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
        subject.run(subject.store.accept(given))
    assert ids(subject, sender="") == [bounce.letter.id]
    assert ids(subject, sender=ALICE.key) == [aliased.letter.id, elsewhere.letter.id]
    assert ids(subject, recipient=BOB.key) == [aliased.letter.id]
    assert ids(subject, recipient="info@home.test") == [aliased.letter.id]
    assert ids(subject, recipient=CAROL.key, server=SERVER) == [bounce.letter.id]
    assert ids(subject, recipient="x' OR '1'='1") == []


def test_records_are_found_by_the_state_of_any_delivery(subject: Subject) -> None:
    first, second = claimed(subject, BOB, CAROL)
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, first),))))
    held = acceptance(at=2000.0, state=DeliveryState.HELD)
    subject.run(subject.store.accept(held))
    queued, relayed = DeliveryState.QUEUED, DeliveryState.RELAYED
    assert ids(subject, states=frozenset({queued})) == [second.letter]
    assert ids(subject, states=frozenset({DeliveryState.HELD, queued})) == [held.letter.id, second.letter]
    assert ids(subject, states=frozenset({relayed, DeliveryState.HELD})) == [held.letter.id, first.letter]
    assert ids(subject, states=frozenset({DeliveryState.BOUNCED})) == []
    assert ids(subject, states=frozenset()) == []
    assert states(subject, first.letter) == ["relayed", "queued"]


def test_steps_of_the_same_instant_keep_their_order(subject: Subject) -> None:
    accepted = acceptance()
    subject.run(subject.store.accept(accepted))
    letter = accepted.letter.id
    for number in range(3):
        steps = [Step(letter, 1000.0, SERVER, "attempted", {"number": number, "part": part}) for part in range(3)]
        subject.run(subject.store.update_maildrop("nobody@home.test", collected=[], deleted=[], steps=steps))
    found = subject.run(subject.store.steps(letter))[1:]
    assert [(step.facts["number"], step.facts["part"]) for step in found] == [
        (n, p) for n in range(3) for p in range(3)
    ]
    assert subject.run(subject.store.steps(LetterId("unknown"))) == []


def test_what_json_cannot_say_is_refused_and_nothing_is_changed(subject: Subject) -> None:
    accepted = acceptance(at=1000.0)
    broken = replace(accepted, steps=(Step(accepted.letter.id, 1.0, SERVER, "submitted", {"helo": "\udc80"}),))
    with pytest.raises(StoreError):
        subject.run(subject.store.accept(broken))
    assert ids(subject) == []


# --- prune


def test_pruning_deletes_old_letters_neither_pending_nor_in_a_mailbox(subject: Subject) -> None:
    (done,) = claimed(subject, at=1000.0)
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, done),))))
    kept = place(subject, at=1000.0)
    owed, elsewhere = acceptance(at=1000.0), acceptance(at=1000.0, server="other", state=DeliveryState.REMOVED)
    (young,) = claimed(subject, at=3000.0)
    subject.run(subject.store.settle(Settlement((to(DeliveryState.RELAYED, young),))))
    for given in (owed, elsewhere):
        subject.run(subject.store.accept(given))
    assert subject.run(subject.store.prune(SERVER, before=2000.0)) == 1
    assert set(ids(subject)) == {kept, owed.letter.id, elsewhere.letter.id, young.letter}
    assert subject.run(subject.store.steps(done.letter)) == []


def test_pruning_leaves_the_newest_and_all_pending(subject: Subject) -> None:
    owed = acceptance(at=500.0, due=9000.0)
    subject.run(subject.store.accept(owed))
    letters = [place(subject, at=1000.0 + number) for number in range(5)]
    assert subject.run(subject.store.prune(SERVER, before=0.0, keep=2)) == 3
    assert ids(subject) == [letters[4], letters[3], owed.letter.id]
    assert entries(subject) == [(4, letters[3]), (5, letters[4])]
    assert octets_of(subject, letters[0]) is None
    assert subject.run(subject.store.prune(SERVER, before=0.0, keep=0)) == 2
    assert ids(subject) == [owed.letter.id]


def test_pruning_deletes_any_number_of_letters(subject: Subject) -> None:
    for number in range(450):
        subject.run(subject.store.accept(acceptance(at=float(number), state=DeliveryState.REMOVED)))
    assert subject.run(subject.store.prune(SERVER, before=1e9)) == 450
    assert ids(subject) == []


# --- quotas


def holding(subject: Subject, mailbox: str = BOB.key) -> int:
    """What the mailbox says that it holds; its letters must agree."""
    octets = subject.run(subject.store.octets_in(mailbox))
    assert subject.run(subject.store.mailboxes()).get(mailbox, 0) == octets
    drop = subject.run(subject.store.open_maildrop(mailbox, "look"))
    subject.run(subject.store.release_maildrop(mailbox, "look"))
    assert octets == sum(entry.size for entry in drop.entries)
    return octets


def test_what_a_mailbox_holds_is_counted_as_letters_come_and_go(subject: Subject) -> None:
    """CODE-05."""
    assert holding(subject) == 0
    for size in (10, 20, 30):
        place(subject, octets=b"x" * size)
    place(subject, mailbox=ALICE.key, at=2000.0)
    assert holding(subject) == 3 * len(HEADERS) + 60
    subject.run(subject.store.update_maildrop(BOB.key, collected=[], deleted=[2, 2, 99], steps=[]))
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[], steps=[]))
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject = Subject(subject.reopen(), subject.run, subject.reopen)
    assert holding(subject) == 2 * len(HEADERS) + 40
    subject.run(subject.store.prune(SERVER, before=0.0, keep=1))
    assert (holding(subject), holding(subject, ALICE.key)) == (0, len(HEADERS) + len(TEXT))


def test_a_letter_for_several_mailboxes_is_counted_in_each(subject: Subject) -> None:
    first, second = claimed(subject, BOB, ALICE)
    one, two = placing(first), placing(second, ALICE.key)
    subject.run(subject.store.settle(Settlement(one.changes + two.changes, one.placements + two.placements)))
    assert holding(subject) == holding(subject, ALICE.key) == len(HEADERS) + len(TEXT)


def test_a_placement_that_fails_is_not_counted(subject: Subject) -> None:
    (delivery,) = claimed(subject)
    subject.run(subject.store.settle(placing(delivery)))
    with pytest.raises(Conflict):
        subject.run(subject.store.settle(placing(delivery)))
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


# --- reading


def test_letters_are_read_together_without_those_that_are_gone(subject: Subject) -> None:
    for size in (10, 100_000, 30):
        place(subject, octets=b"x" * size)
    subject.run(subject.store.update_maildrop(BOB.key, collected=[], deleted=[3], steps=[]))
    found = subject.run(subject.store.read_together(BOB.key, [2, 3, 1, 99]))
    assert {uid: len(subject.run(read_all(content))) for uid, content in found.items()} == {
        1: len(HEADERS) + 10,
        2: len(HEADERS) + 100_000,
    }
    assert subject.run(subject.store.read_together("nobody@home.test", [1])) == {}
    assert subject.run(subject.store.read_together(BOB.key, [])) == {}


def test_letters_that_are_read_together_are_octet_for_octet_what_they_were(subject: Subject) -> None:
    letters = [b"\0", b"\xff\xfe\0\x80" * 300, "ünï\r\n".encode(), b"", b"a\nb\n1 5\n" * 20, bytes(range(256))]
    for octets in letters:
        place(subject, octets=octets)
    found = subject.run(subject.store.read_together(BOB.key, range(1, len(letters) + 1)))
    read = {uid: subject.run(read_all(content)) for uid, content in found.items()}
    assert read == {uid: HEADERS + octets for uid, octets in enumerate(letters, 1)}
    assert {uid: content.size for uid, content in found.items()} == {uid: len(octets) for uid, octets in read.items()}


def test_a_letter_is_collected_once_however_often_it_is_fetched(subject: Subject) -> None:
    letter = place(subject)
    step = Step(letter, 3000.0, SERVER, "collected", {"by": BOB.key})
    assert subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[], steps=[step])) == [step]
    assert subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[1], steps=[step])) == []
    assert [told.step for told in subject.run(subject.store.steps(letter))].count("collected") == 1


def collected(letter: LetterId, at: float, **facts: Any) -> Step:
    return Step(letter, at, SERVER, "collected", facts)


def client_info_of(subject: Subject, letter: LetterId) -> list[Step]:
    return subject.run(subject.store.steps(letter))


def test_a_collected_step_has_its_facts_and_time(subject: Subject) -> None:
    letter = place(subject)
    fetched = collected(letter, 3000.123456789, by=BOB.key, tls={"version": "TLSv1.3", "cipher": "ü"})
    subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[1], steps=[fetched]))
    for at in (2500.0, 3000.123456789, 3500.0):
        steps = [Step(letter, at, SERVER, "attempted", {})]
        subject.run(subject.store.update_maildrop("nobody@home.test", collected=[], deleted=[], steps=steps))
    told = client_info_of(subject, letter)
    assert [step.step for step in told[2:]] == ["attempted", "collected", "attempted", "attempted"]
    assert told[3] == fetched


def test_each_reader_of_a_letter_has_a_collected_step(subject: Subject) -> None:
    first, second = claimed(subject, BOB, ALICE)
    subject.run(subject.store.settle(placing(first)))
    subject.run(subject.store.settle(placing(second, ALICE.key)))
    steps = [collected(first.letter, 4000.0 - n, by=reader.key) for n, reader in enumerate((BOB, ALICE))]
    for reader, step in zip((BOB, ALICE), steps, strict=True):
        update = subject.store.update_maildrop(reader.key, collected=[1], deleted=[1], steps=[step])
        assert subject.run(update) == [step]
    assert client_info_of(subject, first.letter)[-2:] == steps[::-1]


def test_a_letter_in_a_mailbox_twice_has_a_collected_step_for_each(subject: Subject) -> None:
    first, second, third = claimed(subject, BOB, ALICE, CAROL)
    for delivery in (first, second, third):
        subject.run(subject.store.settle(placing(delivery)))
    steps = [collected(first.letter, 3000.0 + n) for n in range(3)]
    told = subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[], steps=steps[:1]))
    assert told == steps[:1]
    told = subject.run(subject.store.update_maildrop(BOB.key, collected=[1, 2, 3], deleted=[1, 2, 3], steps=steps))
    assert told == steps[:2]
    assert [step.at for step in client_info_of(subject, first.letter) if step.step == "collected"] == [
        3000.0,
        3000.0,
        3001.0,
    ]


def test_a_letter_delivered_and_collected_again_has_two_collected_steps(subject: Subject) -> None:
    letter = place(subject)
    for at in (3000.0, 4000.0):
        step = collected(letter, at, by=BOB.key)
        assert subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[], steps=[step])) == [step]
        (delivery,) = deliveries(subject, letter)
        subject.run(subject.store.settle(Settlement((to(DeliveryState.DELIVERED, delivery),))))
    subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[], steps=[]))
    assert states(subject, letter) == ["collected"]
    assert [step.at for step in client_info_of(subject, letter) if step.step == "collected"] == [3000.0, 4000.0]


def test_a_step_that_can_not_be_stored_leaves_the_mailbox_as_it_is(subject: Subject) -> None:
    letter = place(subject)
    step = collected(letter, 3000.0, by=object())
    with pytest.raises(StoreError):
        subject.run(subject.store.update_maildrop(BOB.key, collected=[1], deleted=[1], steps=[step]))
    assert entries(subject) == [(1, letter)]
    assert states(subject, letter) == ["delivered"]


def test_a_greylist_entry_is_stored_replaced_and_deleted(subject: Subject) -> None:
    store, run = subject.store, subject.run
    assert run(store.greylist.find("192.0.2.0/24")) is None
    run(store.greylist.set(GreylistEntry("192.0.2.0/24", 1.0, 50.0)))
    run(store.greylist.set(GreylistEntry("192.0.2.0/24", 2.0, 100.0)))
    run(store.greylist.set(GreylistEntry("a b c", 3.0, 60.0)))
    store = subject.reopen()
    assert run(store.greylist.find("192.0.2.0/24")) == GreylistEntry("192.0.2.0/24", 2.0, 100.0)
    assert run(store.greylist.purge(60.0, 10)) == 1
    assert run(store.greylist.find("a b c")) is None
    assert run(store.greylist.find("192.0.2.0/24")) is not None


def test_of_too_many_greylist_entries_those_that_expire_first_are_deleted(subject: Subject) -> None:
    for number in range(10):
        subject.run(subject.store.greylist.set(GreylistEntry(f"contact {number}", 0.0, 100.0 + number)))
    assert subject.run(subject.store.greylist.purge(50.0, 3)) == 7
    kept = [number for number in range(10) if subject.run(subject.store.greylist.find(f"contact {number}"))]
    assert kept == [7, 8, 9]


def test_a_mailbox_is_listed_from_any_place_on(subject: Subject) -> None:
    letters = [place(subject) for _ in range(3)]
    listed = subject.run(subject.store.entries(BOB.key, 0, 10))
    assert [entry.letter for entry in listed] == letters
    assert subject.run(subject.store.entries(BOB.key, listed[0].uid, 1)) == listed[1:2]
    assert subject.run(subject.store.entries(BOB.key, listed[2].uid, 10)) == []
    assert subject.run(subject.store.entries("nobody@home.test", 0, 10)) == []
