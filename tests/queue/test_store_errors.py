"""Queue on a store that fails, or is lost for a while."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred as Later

from mailstack.letter.delivery import Delivery
from mailstack.queue.settings import QueueLimits
from mailstack.store import Acceptance, StoreError
from mailstack.store.sql_parts.queue import SqlQueue
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.queue.rig import BUSY, REFUSED, TAKEN, FailingStore, Rig, a_letter


def test_a_short_trouble_of_the_store_has_no_letter_sent_twice():
    store = FailingStore()
    rig = Rig(store=store)
    store.queue.failures = 5
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.states(letter) == ["queued"]
    rig.clock.advance(120)
    assert rig.states(letter) == ["relayed"]
    assert len(rig.relay.calls) == 1


def test_a_report_that_could_not_be_stored_is_not_made_twice():
    store = FailingStore()
    rig = Rig(store=store, outcome=REFUSED)
    store.queue.failures = 5
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(120)
    assert rig.states(letter) == ["bounced"]
    assert len(rig.reports()) == 1
    assert len(rig.mailbox("alice@home.test")) == 1


def test_the_runner_gives_up_settling_when_its_lease_ends():
    store = FailingStore()
    rig = Rig(store=store, limits=QueueLimits(lease=100))
    store.queue.failures = 10**6
    rig.accept(a_letter("x@else.test"))
    rig.clock.advance(99)
    store.queue.failures = 0
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 1
    rig.clock.advance(300)
    assert len(rig.relay.calls) == 2


class SlowQueue(SqlQueue):
    """Takes outcomes when the test says so."""

    def __init__(self, *parts: Any, **settings: Any) -> None:
        super().__init__(*parts, **settings)
        self.groups: list[int] = []
        self.flush: Later[None] | None = None

    async def settle_together(self, settlements):
        self.groups.append(len(settlements))
        self.flush = Later()
        await self.flush
        return await super().settle_together(settlements)


class SlowStore(InMemoryStore):
    queue_class = SlowQueue
    queue: SlowQueue


def test_outcomes_that_wait_are_written_together_and_the_next_letters_go_meanwhile():
    store = SlowStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1))
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(10)]
    assert len(rig.relay.calls) == 10
    while store.queue.flush is not None:
        flush, store.queue.flush = store.queue.flush, None
        flush.callback(None)
    assert store.queue.groups == [1, 9]
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
    flush, store.queue.flush = store.queue.flush, None
    flush.callback(None)
    assert store.queue.groups == [1, 6]


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


class UnreadableQueue(SqlQueue):
    readable = True

    async def next_due(self, server: str) -> float | None:
        if not self.readable:
            raise StoreError("the disk is away")
        return await super().next_due(server)


class UnreadableStore(InMemoryStore):
    queue_class = UnreadableQueue
    queue: UnreadableQueue


def test_the_runner_looks_again_after_the_store_could_not_be_read():
    store = UnreadableStore()
    rig = Rig(store=store, outcome=BUSY)
    rig.accept(a_letter("x@else.test"))
    store.queue.readable = False
    rig.clock.advance(600)
    assert len(rig.relay.calls) == 1
    store.queue.readable = True
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2


class DoubtfulStore(InMemoryStore):
    """Shared with others, who may have taken this process for dead."""

    since: float | None = 0.0

    def claims_valid_since(self):
        return self.since

    def on_external_change(self, told):
        self.tell = told


def test_who_has_lost_the_store_begins_nothing_until_it_is_back():
    store = DoubtfulStore()
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1), waits=True)
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
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1), waits=True)
    rig.accept(a_letter("x@else.test"))
    waiting = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(10)
    store.since = rig.clock.now() - 5
    run(store.queue.recover(["me"], rig.clock.now()))
    rig.relay.answer()
    assert waiting.id not in [letter for letter, _ in rig.relay.calls]
    assert rig.queue._attempts.backlog.active == rig.queue._attempts.backlog.finished == 0
    rig.clock.advance(1)
    rig.relay.answer()
    assert [letter for letter, _ in rig.relay.calls].count(waiting.id) == 1
    (delivery,) = rig.record(waiting).deliveries
    assert delivery.attempts == 2


def test_what_waited_in_hand_until_its_lease_is_nearly_over_is_claimed_anew_and_attempted_once():
    rig = Rig(limits=QueueLimits(per_destination=1, first_per_destination=1, lease=3000), waits=True)
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
    rig = Rig(store=store, limits=QueueLimits(per_destination=1, first_per_destination=1), waits=True)
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
    store.queue.failures = 100
    rig.restart()
    rig.clock.advance(1)
    assert store.queue.failures < 100, "there was no need to give anything back"
    store.queue.failures = 0
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
    delivery = Delivery(letter.id, 0, letter.envelope.recipients[0], "else.test", due=rig.clock.now())
    run(store.queue.accept(Acceptance(letter, (delivery,), ())))
    store.tell()
    rig.clock.advance(0.01)
    assert rig.states(letter) == ["relayed"]
