"""Queue: acceptance, attempts, settlement and published delay reasons."""

from __future__ import annotations

import email

import pytest

from mailstack.letter import Address, Status
from mailstack.letter.letter import read_all
from mailstack.queue.queue import StatusPublisher
from mailstack.queue.settings import QueueLimits
from mailstack.store import StoreError
from mailstack.store.delay_reasons import DelayReason
from mailstack.store.sql_parts.delay_reasons import SqlDelayReasons
from tests.aid import run
from tests.queue.rig import (
    ALICE,
    BUSY,
    DAY,
    HEADER,
    HOUR,
    REFUSED,
    TAKEN,
    FailingDirectory,
    HandClock,
    MemoryDirectory,
    Rig,
    a_letter,
)
from tests.store.pools import pools


@pytest.fixture
def rig():
    rig = Rig()
    yield rig
    assert not rig.clock.bugs


def test_final_delivery_writes_the_trace_fields():
    """SMTP-34."""
    rig = Rig(MemoryDirectory("bob@home.test", aliases={"info@home.test": ("Bob@home.test",)}))
    letter = rig.accept(a_letter("info@home.test", body=b"hi\r\n"))
    assert rig.record(letter).deliveries[0].attempts == 1
    content = run(read_all(run(rig.store.mailboxes.read("bob@home.test", 1))))
    assert content.startswith(b"Return-Path: <alice@home.test>\r\nDelivered-To: Bob@home.test\r\nReceived: from ")
    assert content.endswith(b"\r\n" + HEADER + b"hi\r\n")
    assert content.count(b"Received:") == 1


def test_a_letter_for_another_host_is_attempted_at_once_and_once(rig):
    letter = rig.accept(a_letter("x@else.test", "y@else.test", "z@third.test"))
    assert rig.relay.calls == [(letter.id, ("x@else.test", "y@else.test")), (letter.id, ("z@third.test",))]
    assert rig.states(letter) == ["relayed", "relayed", "relayed"]
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 2


def test_the_journey_is_told_as_it_is_stored(rig):
    letter = rig.accept(a_letter("bob@home.test", "x@else.test"))
    assert rig.journal.steps == run(rig.store.history.steps(letter.id))
    assert rig.journal.steps[0].facts == {
        "sender": "alice@home.test",
        "recipients": ["bob@home.test", "x@else.test"],
        "size": letter.content.size,
        "protocol": "ESMTPSA",
        "by": "alice@home.test",
        "mechanism": None,
    }


def test_five_days_of_deferrals_then_one_bounce():
    """RLY-08, RLY-15, RLY-27."""
    rig = Rig(limits=QueueLimits(poll=600), outcome=BUSY)
    letter = rig.accept(a_letter("x@else.test", "y@else.test"))
    rig.clock.advance(5 * DAY - 1)
    assert rig.states(letter) == ["queued", "queued"]
    assert [record.letter.arrival.protocol for record in rig.reports()] == ["LOCAL"]
    rig.clock.advance(2)
    assert rig.states(letter) == ["bounced", "bounced"]
    attempts = len(rig.relay.calls)
    assert 30 < attempts < 45
    delay, bounce = rig.reports()
    assert rig.mailbox("alice@home.test") == [delay.letter.id, bounce.letter.id]
    assert rig.steps(letter)[-2:] == ["bounced", "bounced"]
    rig.clock.advance(5 * DAY)
    assert len(rig.relay.calls) == attempts
    assert len(rig.reports()) == 2
    assert not rig.clock.bugs


def test_the_bounce_is_a_letter_that_programs_and_people_read(rig):
    rig.relay.outcome = lambda _: REFUSED
    letter = rig.accept(a_letter("x@else.test"))
    (record,) = rig.reports()
    message = email.message_from_bytes(run(read_all(record.letter.content)))
    assert message["To"] == "alice@home.test"
    assert message["Message-ID"] == f"<{record.letter.id}@mx.home.test>"
    assert message.get_payload()[2].get_payload() == "From: alice@home.test\r\nSubject: hello\r\n"
    first = run(rig.store.history.steps(record.letter.id))[0]
    assert first.facts["original"] == letter.id
    assert run(rig.store.history.steps(letter.id))[-1].facts["report"] == record.letter.id


def test_partial_failure_reports_the_failed_ones_only(rig):
    """RLY-09: bounce that recipient only."""
    rig.relay.outcome = lambda delivery: REFUSED if delivery.number == 1 else TAKEN
    letter = rig.accept(a_letter("x@else.test", "y@else.test", "bob@home.test"))
    assert rig.states(letter) == ["relayed", "bounced", "delivered"]
    (record,) = rig.reports()
    text = run(read_all(record.letter.content))
    assert b"y@else.test" in text
    assert b"x@else.test" not in text


def test_the_null_reverse_path_gets_no_bounce(rig):
    """RLY-17."""
    rig.relay.outcome = lambda _: REFUSED
    letter = rig.accept(a_letter("x@else.test", sender=None))
    assert rig.states(letter) == ["bounced"]
    assert [record.letter.id for record in rig.reports()] == [letter.id]
    assert "null" in run(rig.store.history.steps(letter.id))[-1].facts["why"]


def test_a_bounce_that_fails_is_not_bounced(rig):
    """RLY-17: the double bounce ends there."""
    rig.relay.outcome = lambda _: REFUSED
    letter = rig.accept(a_letter("x@else.test", sender=Address("mallory", "else.test")))
    (record,) = rig.reports()
    assert rig.states(letter) == ["bounced"]
    assert rig.states(record.letter) == ["bounced"]


def test_a_mailbox_that_went_after_rcpt_is_reported(rig):
    letter = rig.accept(a_letter("gone@home.test"))
    assert rig.states(letter) == ["bounced"]
    assert rig.record(letter).deliveries[0].status == Status(5, 1, 1)
    assert len(rig.mailbox("alice@home.test")) == 1


def test_an_alias_that_leads_nowhere_is_reported_as_a_loop():
    rig = Rig(MemoryDirectory("alice@home.test", aliases={"a@home.test": ("a@home.test",)}))
    letter = rig.accept(a_letter("a@home.test"))
    assert rig.record(letter).deliveries[0].status == Status(5, 4, 6)


def test_an_alias_delivers_to_everybody_once_and_the_journey_says_why():
    aliases = {"all@home.test": ("alice@home.test", "bob@home.test", "x@else.test")}
    rig = Rig(MemoryDirectory("alice@home.test", "bob@home.test", aliases=aliases))
    letter = rig.accept(a_letter("all@home.test", "bob@home.test"))
    assert rig.mailbox("bob@home.test") == rig.mailbox("alice@home.test") == [letter.id]
    alias = next(step for step in run(rig.store.history.steps(letter.id)) if step.facts.get("via") == "alias")
    assert alias.facts == {"recipient": "all@home.test", "via": "alias", "targets": ["alice@home.test", "x@else.test"]}
    assert rig.record(letter).letter.envelope.sender == ALICE


def test_a_directory_that_can_not_be_read_defers():
    directory = FailingDirectory("bob@home.test")
    rig = Rig(directory)
    directory.good = 1
    letter = rig.accept(a_letter("bob@home.test"))
    assert rig.states(letter) == ["queued"]
    assert rig.record(letter).deliveries[0].status == Status(4, 3, 0)
    directory.good = None
    rig.clock.advance(331)
    assert rig.states(letter) == ["delivered"]


def test_a_letter_is_in_its_mailbox_with_the_acceptance():
    """Nothing is left to do after it: 250 means that bob has it."""
    rig = Rig()
    rig.queue.stop(lambda: None)
    letter = rig.accept(a_letter("bob@home.test"))
    assert rig.mailbox("bob@home.test") == [letter.id]
    assert rig.states(letter) == ["delivered"]
    assert rig.steps(letter) == ["submitted", "routed", "delivered"]
    rig.restart()
    rig.clock.advance(1000)
    assert rig.mailbox("bob@home.test") == [letter.id]


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
