"""Attempts and claims of a queue: limits, crashes, errors, stop."""

from __future__ import annotations

import pytest

from mailstack.letter import Status
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.attempt import Attempt
from mailstack.queue.settings import QueueLimits
from mailstack.store import Filter
from tests.aid import run
from tests.queue.rig import BUSY, DAY, HOUR, REFUSED, FailingDirectory, FailingStore, Rig, a_letter


@pytest.fixture
def rig():
    rig = Rig(waits=True)
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
    rig = Rig(limits=QueueLimits(concurrency=1, backlog=4), waits=True)
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
    rig = Rig(limits=QueueLimits(concurrency=4, per_destination=4, first_per_destination=4, backlog=16), waits=True)
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(100)]
    rig.clock.advance(2)
    letters += [rig.accept(a_letter("x@else.test")) for _ in range(20)]
    rig.clock.advance(2)
    rig.relay.answer_all()
    assert [letter for letter, _ in rig.relay.calls] == [letter.id for letter in letters]
    assert {rig.record(letter).deliveries[0].attempts for letter in letters} == {1}
    assert not rig.clock.bugs


def test_a_line_outlives_a_restart():
    rig = Rig(limits=QueueLimits(concurrency=4, backlog=16), waits=True)
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(50)]
    rig.clock.advance(2)
    rig.relay.waits = False
    rig.restart()
    rig.clock.advance(2)
    assert {state for letter in letters for state in rig.states(letter)} == {"relayed"}


def test_an_operator_hurries_past_a_line():
    rig = Rig(limits=QueueLimits(concurrency=1, backlog=8), waits=True)
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(20)]
    rig.clock.advance(2)
    run(QueueAdmin(rig.store, rig.clock.now).hold([letters[9].id]))
    run(QueueAdmin(rig.store, rig.clock.now).remove([letters[10].id]))
    rig.relay.answer_all()
    rig.clock.advance(2)
    rig.relay.answer_all()
    assert [rig.states(letter)[0] for letter in letters].count("relayed") == 18


def test_large_contents_are_not_kept_in_memory_to_wait():
    rig = Rig(limits=QueueLimits(backlog_octets=100 * 65536), waits=True)
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
    store.queue.failures = 10**6
    lost = rig.accept(a_letter("y@else.test"))
    store.queue.failures = 0
    rig.restart()
    assert rig.relay.calls == [(lost.id, ("y@else.test",))]
    assert rig.states(kept) == rig.states(lost) == ["relayed"]


def test_delivery_to_a_mailbox_is_exactly_once_whatever_happens():
    """A delivery that could not be made with the acceptance is made by the runner, over any trouble of the store."""
    store, directory = FailingStore(), FailingDirectory("bob@home.test")
    rig = Rig(directory, store=store)
    store.queue.failures = 3
    directory.good = 1
    letter = rig.accept(a_letter("bob@home.test"))
    directory.good = None
    assert rig.mailbox("bob@home.test") == []
    rig.clock.advance(60)
    rig.restart()
    rig.clock.advance(HOUR)
    assert rig.mailbox("bob@home.test") == [letter.id]


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
    rig = Rig(limits=QueueLimits(poll=DAY), outcome=BUSY)
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
        rig.store.queue.claim(
            "mx.home.test", "other", rig.clock.now() + DAY, limit=9, lease=60, next_due=lambda d, a: 0.0
        )
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
    assert run(rig.store.history.records(Filter())) == []
