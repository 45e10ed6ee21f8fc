"""Delay reasons: published when they change, and renewed."""

from __future__ import annotations

import pytest

from mailstack.queue.queue import StatusPublisher
from mailstack.queue.settings import QueueLimits
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.sql_parts.delay_reasons import SqlDelayReasons
from tests.aid import run
from tests.queue.clock import HandClock
from tests.queue.letters import a_letter
from tests.queue.rig import Rig
from tests.store.pools import pools

DOWN = DelayReason("down", "mx [192.0.2.1]:25", "connection refused", 2e9)


class CountingStore(SqlDelayReasons):
    writes = 0
    failing = False

    async def publish(self, owner, reasons, valid_until):
        self.writes += 1
        if self.failing:
            raise StoreError("the disk is away")
        await super().publish(owner, reasons, valid_until)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore(*pools())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def post(board: StatusPublisher, clock: HandClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.advance(1)
        run(board.publish())


def test_an_empty_board_is_never_written(store, clock):
    post(StatusPublisher(store, clock, "me", [lambda _: []]), clock, 600)
    assert store.writes == 0


def test_a_clock_that_is_set_back_keeps_no_notice_waiting(store, clock):
    told = []
    board = StatusPublisher(store, clock, "me", [lambda _: list(told)])
    post(board, clock, 4)
    clock.set_by(-86400)
    told.append(DOWN)
    post(board, clock, 3)
    assert run(store.current(clock.now())) == [DOWN]


def test_what_changes_is_told_soon_and_what_stays_is_believed_as_long_as_it_stays(store, clock):
    told = []
    board = StatusPublisher(store, clock, "me", [lambda _: list(told)])
    told.append(DOWN)
    post(board, clock, 2)
    assert run(store.current(clock.now())) == [DOWN]
    for _ in range(100):
        post(board, clock, 3)
        assert run(store.current(clock.now())) == [DOWN]
    assert store.writes < 25
    told.clear()
    post(board, clock, 2)
    assert run(store.current(clock.now())) == []


def test_when_the_process_dies_what_it_told_is_soon_forgotten(store, clock):
    post(StatusPublisher(store, clock, "me", [lambda _: [DOWN]]), clock, 1)
    clock.advance(31)
    assert run(store.current(clock.now())) == []


def test_trouble_of_the_store_is_logged_and_it_is_told_later(store, clock, caplog):
    store.failing = True
    board = StatusPublisher(store, clock, "me", [lambda _: [DOWN]])
    post(board, clock, 3)
    assert "the disk is away" in caplog.text
    store.failing = False
    post(board, clock, 3)
    assert run(store.current(clock.now())) == [DOWN]


def test_a_destination_whose_window_is_full_is_told():
    rig = Rig(limits=QueueLimits(per_destination=2, first_per_destination=2), waits=True)
    for _ in range(7):
        rig.accept(a_letter("x@else.test"))
    rig.accept(a_letter("x@third.test"))
    rig.clock.advance(4)
    (busy,) = run(rig.store.delay_reasons.current(rig.clock.now()))
    assert (busy.kind, busy.name) == ("busy", "else.test")
    assert busy.facts == {"under_way": 2, "at_a_time": 2, "waiting": 5}
    rig.relay.answer_all()
    rig.clock.advance(4)
    assert run(rig.store.delay_reasons.current(rig.clock.now())) == []


def test_a_destination_that_waits_for_others_is_told():
    rig = Rig(limits=QueueLimits(concurrency=2), waits=True)
    for number in range(3):
        rig.accept(a_letter(f"x@d{number}.test"))
    rig.clock.advance(4)
    (busy,) = run(rig.store.delay_reasons.current(rig.clock.now()))
    assert busy.name == "d2.test"
    assert "wait for others to end" in busy.text
