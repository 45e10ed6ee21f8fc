"""Outbox dispatcher: at least once, in order of time, with back-off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.letter import new_letter_id
from mailstack.letter.delivery import Step
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.webhooks.dispatcher import DispatcherLimits, OutboxDispatcher, SendFailed
from mailstack.store import StoreError
from mailstack.store.outbox import OutboxEntry, OutboxSubscriptions, new_id
from mailstack.store.sql_parts.outbox import SqlOutbox
from tests.aid import run
from tests.queue.rig import START, HandClock
from tests.store.pools import pools

SCHEDULE = RetrySchedule(first=5, longest=3600, give_up_after=86_400, spread=0.0)


class RecordingSink:
    """A Teller that writes down what it is told, and hears as long as `trouble` is None."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.trouble: Exception | None = None
        self.waits = False
        self.received: list[tuple[float, str]] = []
        self.under_way: list[Deferred[None]] = []
        self.closed = False

    async def send(self, entry: OutboxEntry) -> None:
        self.received.append((self.clock.now() - START, entry.id))
        if self.waits:
            answered: Deferred[None] = Deferred()
            self.under_way.append(answered)
            await answered
        if self.trouble is not None:
            raise self.trouble

    def close(self) -> None:
        self.closed = True


class BrokenOutbox(SqlOutbox):
    broken = False
    away = False
    slow: Deferred[None] | None = None
    """Claims are made at once, and known when this says so."""

    async def claim(self, target: str, owner: str, now: float, **within: Any) -> list[OutboxEntry]:
        if self.away:
            raise StoreError("the disk is away")
        claimed = await super().claim(target, owner, now, **within)
        if self.slow is not None:
            await self.slow
        return claimed

    async def settle(self, owner: str, **changes: object) -> None:
        if self.broken:
            raise StoreError("the disk is away")
        await super().settle(owner, **changes)  # type: ignore[arg-type]


class Rig:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.outbox = BrokenOutbox(*pools(), OutboxSubscriptions())
        self.start()

    def start(self, owner: str = "me") -> None:
        self.sink = RecordingSink(self.clock)
        self.announcer = OutboxDispatcher(
            self.outbox,
            self.clock,
            self.sink,
            target="hook",
            owner=owner,
            schedule=SCHEDULE,
            limits=DispatcherLimits(in_flight=3),
            jitter=lambda: 0.5,
        )
        run(self.announcer.start())

    def queue(self, count: int, age: float = 0.0) -> list[str]:
        now = self.clock.now()
        new = [
            OutboxEntry(new_id(), "hook", Step(new_letter_id(now), now - age, "mx.home.test", "relayed"), now - age)
            for _ in range(count)
        ]
        run(self.outbox.add(new))
        self.announcer.wake()
        self.clock.advance(0)
        return [each.id for each in new]

    def waiting(self) -> list[OutboxEntry]:
        return run(self.outbox.entries("hook", 1000))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_is_queued_is_told_at_once_and_forgotten(rig: Rig) -> None:
    ids = rig.queue(5)
    assert sorted(name for _, name in rig.sink.received) == sorted(ids)
    assert rig.waiting() == []
    assert rig.clock.bugs == []


def test_what_another_process_queued_is_found_within_a_second(rig: Rig) -> None:
    now = rig.clock.now()
    step = Step(new_letter_id(now), now, "mx.home.test", "removed")
    run(rig.outbox.add([OutboxEntry(new_id(), "hook", step, now)]))
    rig.clock.advance(1.0)
    assert len(rig.sink.received) == 1


def test_no_more_are_under_way_than_the_limit_says(rig: Rig) -> None:
    rig.sink.waits = True
    rig.queue(10)
    assert len(rig.sink.under_way) == 3
    rig.sink.under_way.pop().callback(None)
    rig.clock.advance(0)
    assert len(rig.sink.received) == 4


def test_a_target_that_fails_is_left_alone_ever_longer_and_tried_with_one(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("the receiver answered 500")
    rig.queue(1)
    rig.queue(50)
    rig.clock.advance(3 * 3600)
    times = [round(at) for at, _ in rig.sink.received]
    assert times == [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2555, 5115, 8715]
    assert all(each.claimed_by is None for each in rig.waiting())
    assert {each.trouble for each in rig.waiting() if each.attempts} == {"the receiver answered 500"}
    rig.sink.trouble = None
    rig.clock.advance(3600)
    assert rig.waiting() == []


@pytest.mark.parametrize("set_by", [-86400.0, 86400.0], ids=["back", "ahead"])
def test_a_target_that_failed_is_left_alone_as_long_as_ever_when_the_clock_is_set(rig: Rig, set_by: float) -> None:
    rig.sink.trouble = SendFailed("the receiver answered 500")
    rig.queue(1)
    rig.clock.set_by(set_by)
    rig.queue(5, age=-min(0.0, set_by) + 1)
    begun = len(rig.sink.received)
    rig.clock.advance(4)
    assert len(rig.sink.received) == begun == 1
    rig.clock.advance(2)
    assert len(rig.sink.received) == 2


def test_those_that_fail_together_count_once(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("the receiver answered 500")
    rig.sink.waits = True
    rig.queue(10)
    for answered in rig.sink.under_way:
        answered.callback(None)
    rig.sink.waits = False
    rig.clock.advance(20)
    assert [round(at) for at, _ in rig.sink.received] == [0, 0, 0, 5, 15]


def test_a_receiver_that_asks_for_time_gets_it(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("the receiver answered 429", 600.0)
    rig.queue(2)
    before = len(rig.sink.received)
    rig.clock.advance(599)
    assert len(rig.sink.received) == before
    rig.clock.advance(2)
    assert len(rig.sink.received) == before + 1


def test_an_operator_who_has_mended_it_need_not_wait(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("connection refused")
    rig.queue(20)
    rig.clock.advance(3600)
    rig.sink.trouble = None
    run(rig.outbox.retry_now("hook", rig.clock.now()))
    rig.clock.advance(1.0)
    assert rig.waiting() == []


def test_an_operator_who_is_wrong_costs_a_dead_receiver_one_attempt(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("connection refused")
    rig.queue(20)
    rig.clock.advance(5200)
    before = len(rig.sink.received)
    run(rig.outbox.retry_now("hook", rig.clock.now()))
    rig.clock.advance(10.0)
    assert len(rig.sink.received) == before + 1


def test_what_is_too_old_is_dropped(rig: Rig) -> None:
    rig.sink.trouble = SendFailed("no answer")
    rig.queue(100)
    rig.clock.advance(86_400 + 3700)
    assert rig.waiting() == []
    assert len(rig.sink.received) < 50


def test_a_bug_in_a_teller_is_a_failure_like_others(rig: Rig) -> None:
    rig.sink.trouble = ZeroDivisionError()
    rig.queue(1)
    (left,) = rig.waiting()
    assert left.trouble == "local error; see the log"
    rig.sink.trouble = None
    rig.clock.advance(10)
    assert rig.waiting() == []


def test_what_could_not_be_settled_is_told_again_when_its_lease_ends(rig: Rig) -> None:
    """At least once: the same id."""
    rig.outbox.broken = True
    (name,) = rig.queue(1)
    rig.outbox.broken = False
    rig.clock.advance(119)
    assert [each for _, each in rig.sink.received] == [name]
    rig.clock.advance(2)
    assert [each for _, each in rig.sink.received] == [name, name]
    assert rig.waiting() == []


def kill(rig: Rig) -> None:
    """Nothing of this process ever goes on."""
    rig.sink.under_way.clear()
    rig.clock = HandClock(rig.clock.now())


def test_a_process_that_comes_back_tells_at_once_what_it_was_telling(rig: Rig) -> None:
    rig.sink.waits = True
    ids = rig.queue(2)
    kill(rig)
    rig.start()
    assert sorted(name for _, name in rig.sink.received) == sorted(ids)
    assert rig.waiting() == []


def test_another_process_waits_until_the_lease_of_a_dead_one_ends(rig: Rig) -> None:
    rig.sink.waits = True
    rig.queue(2)
    kill(rig)
    rig.start("you")
    rig.clock.advance(119)
    assert rig.sink.received == []
    rig.clock.advance(2)
    assert len(rig.sink.received) == 2


def stopped(rig: Rig, within: float = 10.0) -> Callable[[], bool]:
    ended: list[bool] = []
    rig.announcer.stop(lambda: ended.append(True), within)
    return lambda: bool(ended)


def test_the_end_waits_for_what_is_under_way_and_no_longer_than_told(rig: Rig) -> None:
    assert stopped(rig)()
    assert rig.sink.closed
    rig.start()
    rig.sink.waits = True
    rig.queue(5)
    has_ended = stopped(rig)
    assert not has_ended()
    for answered in rig.sink.under_way:
        answered.callback(None)
    rig.clock.advance(0)
    assert has_ended()
    assert len(rig.waiting()) == 2
    rig.start()
    rig.sink.waits = True
    rig.queue(1)
    has_ended = stopped(rig)
    rig.clock.advance(9)
    assert not has_ended()
    rig.clock.advance(2)
    assert has_ended()


def test_what_was_being_claimed_at_the_end_is_given_back_and_not_told(rig: Rig) -> None:
    """Else the target would be told of it while nobody can write that down any more, and again by the next one."""
    rig.outbox.slow = Deferred()
    rig.queue(2)
    has_ended = stopped(rig)
    assert not has_ended()
    assert not rig.sink.closed
    rig.outbox.slow.callback(None)
    rig.clock.advance(0)
    assert has_ended()
    assert rig.sink.received == []
    assert [each.claimed_by for each in rig.waiting()] == [None, None]
    rig.outbox.slow = None
    rig.start("you")
    rig.clock.advance(1)
    assert len(rig.sink.received) == 2
    assert rig.waiting() == []


def test_the_end_does_not_wait_for_a_store_that_hangs(rig: Rig) -> None:
    rig.outbox.slow = Deferred()
    rig.queue(1)
    has_ended = stopped(rig)
    rig.clock.advance(11)
    assert has_ended()


def test_a_store_that_is_away_is_told_of_once_a_minute(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.outbox.away = True
    rig.queue(1)
    rig.clock.advance(59)
    assert caplog.text.count("the disk is away") == 1
    rig.clock.advance(2)
    assert caplog.text.count("the disk is away") == 2
    rig.outbox.away = False
    rig.clock.advance(2)
    assert rig.waiting() == []
    rig.outbox.away = True
    rig.queue(1)
    assert caplog.text.count("the disk is away") == 3
