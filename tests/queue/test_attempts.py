"""Attempts and claims of a queue, while much goes on at once, or goes wrong."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred as Later

from mailstack.letter import Address, Deferred, Failed, Status
from mailstack.letter.delivery import Delivery
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.attempt import Attempt
from mailstack.queue.settings import QueueLimits
from mailstack.store import Acceptance, Filter, StoreError, StoreFull
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.queue.letters import a_letter
from tests.queue.people import FailingDirectory, MemoryDirectory
from tests.queue.rig import TAKEN, FailingStore, OneByOne, Rig

HOUR, DAY = 3600.0, 86400.0
BUSY = Deferred(Status(4, 2, 1), "450 4.2.1 busy", "mx.else.test")
REFUSED = Failed(Status(5, 1, 1), "550 5.1.1 nobody", "mx.else.test")


@pytest.fixture
def rig():
    rig = Rig()
    rig.relay.waits = True
    yield rig
    assert not rig.clock.bugs


# --- limits


def test_a_destination_gets_ten_attempts_at_a_time(rig):
    """RLY-13."""
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(25)]
    assert len(rig.relay.calls) == 10
    rig.relay.answer_all()
    assert rig.relay.most_under_way == 10
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}


def test_mailboxes_here_do_not_wait_for_other_hosts(rig):
    for number in range(150):
        rig.accept(a_letter(f"x@d{number}.test"))
    assert len(rig.relay.calls) == 100
    assert rig.states(rig.accept(a_letter("bob@home.test"))) == ["delivered"]


def test_what_has_no_room_waits_in_the_store():
    rig = Rig(limits=QueueLimits(concurrency=1, backlog=4))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(20)]
    claimed = [rig.record(letter).deliveries[0].claimed_by for letter in letters]
    assert 1 <= claimed.count("me") < 4
    for _ in range(100):
        if rig.relay.under_way:
            rig.relay.answer()
        rig.clock.advance(30)
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}
    assert len(rig.relay.calls) == 20
    assert {rig.record(letter).deliveries[0].attempts for letter in letters} == {1}
    assert not rig.clock.bugs


def test_a_slow_host_stands_in_nobodys_way():
    rig = Rig(limits=QueueLimits(concurrency=20, per_destination=10, first_per_destination=10, backlog=40))
    rig.queue.stop(lambda: None)
    slow = [rig.accept(a_letter("x@slow.test")) for _ in range(200)]
    others = [rig.accept(a_letter(to)) for to in ("x@else.test", "bob@home.test", "x@third.test")]
    rig.relay.waits = True
    rig.restart()
    assert [addresses for _, addresses in rig.relay.calls] == [("x@slow.test",)] * 10 + [
        ("x@else.test",),
        ("x@third.test",),
    ]
    assert rig.states(others[1]) == ["delivered"]
    waiting = [rig.record(letter).deliveries[0] for letter in slow]
    assert [delivery.attempts for delivery in waiting].count(1) == 25
    assert {delivery.due - rig.clock.now() for delivery in waiting if not delivery.attempts} == {3600.0}
    assert not rig.clock.bugs


def test_a_line_moves_up_as_soon_as_there_is_room_and_in_its_order():
    """RLY-13: nobody who stands in it is overtaken, and no time goes by."""
    rig = Rig(limits=QueueLimits(concurrency=4, per_destination=4, first_per_destination=4, backlog=16))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(100)]
    rig.clock.advance(2)
    letters += [rig.accept(a_letter("x@else.test")) for _ in range(20)]
    rig.clock.advance(2)
    rig.relay.answer_all()
    assert [letter for letter, _ in rig.relay.calls] == [letter.id for letter in letters]
    assert {rig.record(letter).deliveries[0].attempts for letter in letters} == {1}
    assert not rig.clock.bugs


def test_a_line_outlives_a_restart():
    rig = Rig(limits=QueueLimits(concurrency=4, backlog=16))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(50)]
    rig.clock.advance(2)
    rig.relay.waits = False
    rig.restart()
    rig.clock.advance(2)
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}


def test_an_operator_hurries_past_a_line():
    rig = Rig(limits=QueueLimits(concurrency=1, backlog=8))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(20)]
    rig.clock.advance(2)
    run(QueueAdmin(rig.store, rig.clock.now).hold([letters[9].id]))
    run(QueueAdmin(rig.store, rig.clock.now).remove([letters[10].id]))
    rig.relay.answer_all()
    rig.clock.advance(2)
    rig.relay.answer_all()
    assert [rig.states(letter)[0] for letter in letters].count("relayed") == 18


def test_large_contents_are_not_kept_in_memory_to_wait():
    rig = Rig(limits=QueueLimits(backlog_octets=100 * 65536))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test", body=b"x" * 70_000)) for _ in range(200)]
    claimed = [rig.record(letter).deliveries[0].claimed_by for letter in letters]
    assert claimed.count("me") == 100


def test_many_attempts_that_end_at_once_do_not_pile_up(rig):
    rig.relay.waits = True
    for _ in range(3000):
        rig.accept(a_letter("x@else.test"))
    rig.relay.waits = False
    rig.relay.answer_all()
    rig.clock.advance(600)
    assert len(rig.relay.calls) == 3000


# --- crashes


def test_a_crash_during_the_first_attempt_delays_nothing(rig):
    """RLY-14."""
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.record(letter).deliveries[0].claimed_by == "me"
    rig.relay.waits = False
    rig.restart()
    assert rig.relay.calls == [(letter.id, ("x@else.test",))]
    assert rig.states(letter) == ["relayed"]


def test_a_crash_during_a_later_attempt_never_hammers(rig):
    rig.relay.waits = False
    rig.relay.outcome = lambda _: BUSY
    letter = rig.accept(a_letter("x@else.test"))
    rig.relay.waits = True
    rig.clock.advance(301)
    rig.restart()
    assert rig.relay.calls == []
    rig.clock.advance(601)
    assert rig.relay.calls == [(letter.id, ("x@else.test",))]


def test_a_crash_between_outcome_and_settlement_repeats_only_what_was_in_flight():
    """RLY-10."""
    store = FailingStore()
    rig = Rig(store=store)
    kept = rig.accept(a_letter("x@else.test"))
    store.failures = 10**6
    lost = rig.accept(a_letter("y@else.test"))
    store.failures = 0
    rig.restart()
    assert rig.relay.calls == [(lost.id, ("y@else.test",))]
    assert rig.states(kept) == rig.states(lost) == ["relayed"]


def test_delivery_to_a_mailbox_is_exactly_once_whatever_happens():
    """A delivery that could not be made with the acceptance is made by the runner, over any trouble of the store."""
    store, directory = FailingStore(), FailingDirectory("bob@home.test")
    rig = Rig(directory, store=store)
    store.failures = 3
    directory.good = 1
    letter = rig.accept(a_letter("bob@home.test"))
    directory.good = None
    assert rig.mailbox("bob@home.test") == []
    rig.clock.advance(60)
    rig.restart()
    rig.clock.advance(HOUR)
    assert rig.mailbox("bob@home.test") == [letter.id]


# --- trouble of the store


def test_a_short_trouble_of_the_store_has_no_letter_sent_twice():
    store = FailingStore()
    rig = Rig(store=store)
    store.failures = 5
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.states(letter) == ["queued"]
    rig.clock.advance(120)
    assert rig.states(letter) == ["relayed"]
    assert len(rig.relay.calls) == 1


def test_a_report_that_could_not_be_stored_is_not_made_twice():
    store = FailingStore()
    rig = Rig(store=store)
    rig.relay.outcome = lambda _: REFUSED
    store.failures = 5
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(120)
    assert rig.states(letter) == ["bounced"]
    assert len(rig.reports()) == 1
    assert len(rig.mailbox("alice@home.test")) == 1


def test_the_runner_gives_up_settling_when_its_lease_ends():
    store = FailingStore()
    rig = Rig(store=store, limits=QueueLimits(lease=100))
    store.failures = 10**6
    rig.accept(a_letter("x@else.test"))
    rig.clock.advance(99)
    store.failures = 0
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 1
    rig.clock.advance(300)
    assert len(rig.relay.calls) == 2


class SlowStore(InMemoryStore):
    """Takes outcomes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.flush: Later[None] | None = None

    async def settle_together(self, settlements):
        self.groups.append(len(settlements))
        self.flush = Later()
        await self.flush
        return await super().settle_together(settlements)


def test_outcomes_that_wait_are_written_together_and_the_next_letters_go_meanwhile():
    store = SlowStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1))
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(10)]
    assert len(rig.relay.calls) == 10
    while store.flush is not None:
        flush, store.flush = store.flush, None
        flush.callback(None)
    assert store.groups == [1, 9]
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}
    stopped = []
    rig.queue.stop(lambda: stopped.append(True))
    assert stopped == [True]


def test_no_more_is_sent_and_not_written_down_than_may_be_under_way():
    """RLY-10: what a crash would have us send again is never much."""
    store = SlowStore()
    rig = Rig(store=store, limits=QueueLimits(concurrency=7))
    for number in range(30):
        rig.accept(a_letter(f"x@d{number}.test"))
    assert len(rig.relay.calls) == 7
    rig.queue.stop(lambda: None)
    flush, store.flush = store.flush, None
    flush.callback(None)
    assert store.groups == [1, 6]


class ShyBouncer:
    """Can't read what it shall report on, a few times."""

    def __init__(self, bouncer, failures: int) -> None:
        self._bouncer, self._failures = bouncer, failures

    async def reports(self, *given):
        self._failures -= 1
        if self._failures >= 0:
            raise StoreError("the disk is away")
        return await self._bouncer.reports(*given)


def test_an_outcome_whose_report_cannot_be_composed_waits_and_holds_up_no_other():
    rig = Rig(bouncer=lambda bouncer: ShyBouncer(bouncer, 3))
    rig.relay.outcome = lambda delivery: REFUSED if str(delivery.recipient.address) == "x@else.test" else TAKEN
    bad, good = rig.accept(a_letter("x@else.test")), rig.accept(a_letter("y@else.test"))
    assert rig.states(bad) == ["queued"]
    assert rig.states(good) == ["relayed"]
    rig.clock.advance(30)
    assert rig.states(bad) == ["bounced"]
    assert len(rig.reports()) == 1


class FullStore(OneByOne):
    """A store whose disk is full when the test says so: it can be read."""

    is_full = False

    def _check(self) -> None:
        if self.is_full:
            raise StoreFull("no space left on device")

    async def accept(self, acceptance):
        self._check()
        await super().accept(acceptance)

    async def settle(self, settlement):
        self._check()
        await super().settle(settlement)

    async def recover(self, owners, now):
        self._check()
        return await super().recover(owners, now)

    async def claim(self, *arguments, **options):
        self._check()
        return await super().claim(*arguments, **options)


def test_a_server_begins_on_a_full_disk_and_delivers_once_there_is_room():
    store = FullStore()
    rig = Rig(store=store)
    rig.relay.waits = True
    before = rig.accept(a_letter("x@else.test"))
    store.is_full = True
    rig.restart()
    rig.clock.advance(10)
    assert rig.relay.calls == []
    assert rig.states(before) == ["queued"]
    store.is_full = False
    rig.clock.advance(2)
    assert len(rig.relay.calls) == 1
    rig.relay.answer_all()
    assert rig.states(before) == ["relayed"]


def test_what_comes_before_claims_could_be_recovered_is_attempted_once():
    """Claimed at once it would be let go of with the claims of the life before, and attempted again."""
    store = FullStore()
    store.is_full = True
    rig = Rig(store=store)
    rig.relay.waits = True
    store.is_full = False
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    assert [called for called, _ in rig.relay.calls] == [letter.id]
    rig.relay.answer_all()
    assert rig.states(letter) == ["relayed"]
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 1


def test_trouble_that_is_no_full_disk_still_stops_the_start():
    class LostStore(InMemoryStore):
        async def recover(self, owners, now):
            raise StoreError("the disk is away")

    with pytest.raises(StoreError, match="away"):
        Rig(store=LostStore())


@pytest.mark.parametrize("outcome", [TAKEN, REFUSED], ids=["relayed", "bounced"])
def test_stop_does_not_wait_for_room_on_a_full_disk(outcome):
    """What can't be written down by then is attempted again after the next start."""
    store = FullStore()
    rig = Rig(store=store)
    rig.relay.outcome = lambda _: outcome
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(3)]
    rig.relay.answer()
    store.is_full = True
    rig.relay.answer_all()
    rig.clock.advance(30)
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True), within=10)
    assert stopped == [True]
    states = [rig.states(letter) for letter in letters]
    assert states.count(["queued"]) == 2
    store.is_full = False
    rig.restart()
    rig.relay.answer_all()
    rig.clock.advance(1)
    assert ["queued"] not in [rig.states(letter) for letter in letters]


def test_what_waits_for_room_is_written_at_the_end_if_there_is_any():
    store = FullStore()
    rig = Rig(store=store)
    rig.relay.waits = True
    letter = rig.accept(a_letter("x@else.test"))
    store.is_full = True
    rig.relay.answer()
    rig.clock.advance(45)
    store.is_full = False
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True), within=10)
    assert stopped == [True]
    assert rig.states(letter) == ["relayed"]


class UnreadableStore(InMemoryStore):
    readable = True

    async def next_due(self, server: str) -> float | None:
        if not self.readable:
            raise StoreError("the disk is away")
        return await super().next_due(server)


def test_the_runner_looks_again_after_the_store_could_not_be_read():
    store = UnreadableStore()
    rig = Rig(store=store)
    rig.relay.outcome = lambda _: BUSY
    rig.accept(a_letter("x@else.test"))
    store.readable = False
    rig.clock.advance(600)
    assert len(rig.relay.calls) == 1
    store.readable = True
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2


# --- bugs


def test_a_bug_in_an_agent_defers_the_letter(rig, caplog):
    rig.relay.waits = False
    rig.relay.outcome = lambda _: 1 / 0
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.states(letter) == ["queued"]
    assert rig.record(letter).deliveries[0].status == Status(4, 3, 0)
    assert "ZeroDivisionError" in caplog.text


def test_an_agent_that_forgets_a_recipient_is_a_bug(rig, monkeypatch, caplog):
    async def deliver(letter, deliveries, _turn=None):
        return Attempt((BUSY,))

    monkeypatch.setattr(rig.relay, "deliver", deliver)
    letter = rig.accept(a_letter("x@else.test", "y@else.test"))
    assert rig.states(letter) == ["queued", "queued"]
    assert "internal error" in caplog.text


# --- operators and other processes


def test_what_is_held_while_in_flight_stays_held_when_deferred(rig):
    rig.relay.outcome = lambda _: BUSY
    letter = rig.accept(a_letter("x@else.test"))
    run(QueueAdmin(rig.store, rig.clock.now).hold([letter.id]))
    rig.relay.answer()
    assert rig.states(letter) == ["held"]
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 1
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2


def test_success_is_a_fact_even_for_what_was_held_or_removed(rig):
    held, removed = rig.accept(a_letter("x@else.test")), rig.accept(a_letter("y@else.test"))
    operator = QueueAdmin(rig.store, rig.clock.now)
    run(operator.hold([held.id]))
    run(operator.remove([removed.id]))
    assert rig.states(held) + rig.states(removed) == ["held", "removed"]
    rig.relay.answer()
    rig.relay.answer()
    assert rig.states(held) == rig.states(removed) == ["relayed"]


def test_a_deferral_is_tried_when_it_is_due_however_rare_the_looks_are():
    rig = Rig(limits=QueueLimits(poll=DAY))
    rig.relay.outcome = lambda _: BUSY
    rig.accept(a_letter("x@else.test", "y@else.test"))
    rig.relay.outcome = lambda delivery: BUSY if delivery.number else REFUSED
    rig.clock.advance(299)
    assert len(rig.relay.calls) == 1
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2


def test_a_retry_is_seen_within_a_second(rig):
    rig.relay.waits = False
    rig.relay.outcome = lambda _: BUSY
    letter = rig.accept(a_letter("x@else.test"))
    run(QueueAdmin(rig.store, rig.clock.now).retry([letter.id]))
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2


def test_a_claim_that_another_process_took_over_is_dropped(rig, caplog):
    letter = rig.accept(a_letter("x@else.test"))
    (claim,) = run(
        rig.store.claim("mx.home.test", "other", rig.clock.now() + DAY, limit=9, lease=60, next_due=lambda d, a: 0.0)
    )
    assert claim.letter.id == letter.id
    rig.relay.answer()
    assert rig.states(letter) == ["queued"]
    assert "another process" in caplog.text


def test_letters_of_another_process_are_found(rig):
    """What the command line puts into the queue, and what came while nobody ran it."""
    rig.relay.waits = False
    rig.queue.stop(lambda: None)
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.states(letter) == ["queued"]
    assert rig.record(letter).deliveries[0].claimed_by is None
    rig.restart()
    assert rig.states(letter) == ["relayed"]


# --- the end


def test_stop_waits_for_attempts_under_way_and_begins_no_more(rig):
    """SMTP-41."""
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(11)]
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True))
    for _ in range(10):
        assert not stopped
        rig.relay.answer()
    assert stopped == [True]
    assert not rig.relay.under_way
    assert [rig.states(letter) for letter in letters] == [["relayed"]] * 10 + [["queued"]]
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 10
    assert stopped == [True]
    rig.relay.waits = False
    rig.restart()
    assert rig.states(letters[10]) == ["relayed"]


def test_stop_waits_no_longer_than_it_is_told(rig):
    rig.accept(a_letter("x@else.test"))
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True), within=5)
    rig.clock.advance(4.9)
    assert not stopped
    rig.clock.advance(0.2)
    assert stopped == [True]


def test_an_idle_runner_stops_at_once_and_polls_no_more(rig):
    stopped: list[bool] = []
    rig.queue.stop(lambda: stopped.append(True))
    assert stopped == [True]
    assert run(rig.store.records(Filter())) == []


# --- reports that can't be delivered


def test_a_report_that_cannot_be_delivered_goes_to_the_postmaster_once():
    """And what is written to him goes no further."""
    rig = Rig(MemoryDirectory("postmaster@home.test"), postmaster=Address("postmaster", "home.test"))
    rig.relay.outcome = lambda _: REFUSED
    letter = rig.accept(a_letter("x@else.test", sender=Address("gone", "third.test")))
    rig.clock.advance(DAY)
    assert rig.states(letter) == ["bounced"]
    # Both are of the same instant: nothing says which is listed first.
    first, second = sorted(rig.reports(), key=lambda each: each.deliveries[0].state.value)
    assert [each.deliveries[0].state.value for each in (first, second)] == ["bounced", "delivered"]
    text = rig.octets(second)
    assert b"Subject: A report could not be delivered\r\n" in text
    assert b"Subject: Your letter could not be delivered\r\n" in text
    (step,) = (each for each in rig.journal.steps if each.step == "bounced" and each.letter == first.letter.id)
    assert step.facts["report_to"] == "postmaster@home.test"


def test_the_postmaster_who_cannot_be_reached_is_told_nothing_more():
    rig = Rig(MemoryDirectory(), postmaster=Address("postmaster", "home.test"))
    rig.relay.outcome = lambda _: REFUSED
    rig.accept(a_letter("x@else.test", sender=Address("gone", "third.test")))
    rig.clock.advance(DAY)
    assert [each.deliveries[0].state.value for each in rig.reports()] == ["bounced", "bounced"]


def test_a_strangers_letter_with_the_null_reverse_path_is_told_to_nobody():
    rig = Rig(MemoryDirectory("postmaster@home.test"), postmaster=Address("postmaster", "home.test"))
    rig.relay.outcome = lambda _: REFUSED
    rig.accept(a_letter("x@else.test", sender=None))
    rig.clock.advance(DAY)
    assert len(rig.reports()) == 1


class DoubtfulStore(InMemoryStore):
    """Shared with others, who may have taken this process for dead."""

    since: float | None = 0.0

    def tenure(self):
        return self.since

    def on_news(self, told):
        self.tell = told


def test_who_has_lost_the_store_begins_nothing_until_it_is_back():
    store = DoubtfulStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1))
    rig.relay.waits = True
    first, second = rig.accept(a_letter("x@else.test")), rig.accept(a_letter("x@else.test"))
    store.since = None
    third = rig.accept(a_letter("y@other.test"))
    rig.relay.answer()
    assert [letter for letter, _ in rig.relay.calls] == [first.id]
    store.since = 0.0
    rig.clock.advance(1)
    assert {letter for letter, _ in rig.relay.calls} == {first.id, second.id, third.id}


def test_what_others_may_have_taken_over_is_not_begun():
    store = DoubtfulStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1))
    rig.relay.waits = True
    rig.accept(a_letter("x@else.test"))
    waiting = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    store.since = rig.clock.now() - 5
    run(store.recover(["me"], rig.clock.now()))
    rig.relay.answer()
    assert waiting.id not in [letter for letter, _ in rig.relay.calls]
    assert rig.queue._attempts.backlog.active == rig.queue._attempts.backlog.finished == 0
    rig.clock.advance(1)
    rig.relay.answer()
    assert [letter for letter, _ in rig.relay.calls].count(waiting.id) == 1
    (delivery,) = rig.record(waiting).deliveries
    assert delivery.attempts == 2


def test_what_waited_in_hand_until_its_lease_is_nearly_over_is_claimed_anew_and_attempted_once():
    rig = Rig(limits=QueueLimits(per_destination=1, first_per_destination=1, lease=3000))
    rig.relay.waits = True
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(3)]
    for _ in range(2):
        rig.clock.advance(900)
        rig.relay.answer()
    rig.clock.advance(1500)  # the first claim was over five minutes ago
    assert [letter for letter, _ in rig.relay.calls] == [letter.id for letter in letters]
    rig.relay.answer()
    rig.clock.advance(3000)
    assert len(rig.relay.calls) == 3
    assert [rig.record(letter).deliveries[0].attempts for letter in letters] == [1, 1, 1]
    assert rig.queue._attempts.backlog.active == rig.queue._attempts.backlog.finished == 0


def test_what_was_stored_after_others_had_let_go_is_not_left_to_the_end_of_its_lease():
    """As when a process was stopped in the middle of a commit: the claim is older than its life in the eyes of others."""
    store = DoubtfulStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1))
    rig.relay.waits = True
    rig.accept(a_letter("x@else.test"))
    waiting = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    store.since = rig.clock.now() - 5
    rig.relay.answer()
    assert waiting.id not in [letter for letter, _ in rig.relay.calls]
    rig.clock.advance(2)
    rig.relay.answer()
    assert [letter for letter, _ in rig.relay.calls].count(waiting.id) == 1
    (delivery,) = rig.record(waiting).deliveries
    assert (delivery.attempts, delivery.state.value) == (1, "relayed")


def test_what_has_no_room_is_given_back_however_often_the_store_fails():
    store = FailingStore()
    rig = Rig(store=store, limits=QueueLimits(concurrency=20, per_destination=10, first_per_destination=10, backlog=40))
    rig.queue.stop(lambda: None)
    letters = [rig.accept(a_letter("x@slow.test")) for _ in range(60)]
    rig.relay.waits = True
    store.failures = 100
    rig.restart()
    rig.clock.advance(1)
    assert store.failures < 100, "there was no need to give anything back"
    store.failures = 0
    for _ in range(60):
        rig.clock.advance(2)
        rig.relay.answer()
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}
    assert {rig.record(letter).deliveries[0].attempts for letter in letters} == {1}


def test_work_that_another_process_left_is_not_waited_for():
    store = DoubtfulStore()
    rig = Rig(store=store)
    rig.clock.advance(0.5)
    letter = a_letter("x@else.test")
    run(store.accept(unclaimed(letter, rig.clock.now())))
    store.tell()
    rig.clock.advance(0.01)
    assert rig.states(letter) == ["relayed"]


def unclaimed(letter, now):
    delivery = Delivery(letter.id, 0, letter.envelope.recipients[0], "else.test", due=now)
    return Acceptance(letter, (delivery,), ())
