"""Admin actions on queued letters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailstack.letter import Address, Failed, LetterId, Status
from mailstack.letter.letter import read_all
from mailstack.queue.admin import BATCH_SIZE, ActionResult, QueueAdmin
from mailstack.store import Conflict, Filter, Record, Settlement
from mailstack.store.sql_parts.history import SqlHistory
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.queue.rig import BUSY, HOUR, TAKEN, OneByOne, Rig, a_letter


@pytest.fixture
def rig():
    rig = Rig(outcome=BUSY)
    yield rig
    assert not rig.clock.bugs


@pytest.fixture
def operator(rig):
    return QueueAdmin(rig.store, rig.clock.now)


def test_what_is_held_waits_for_its_release(rig, operator):
    """RLY-25."""
    letter = rig.accept(a_letter("x@else.test"))
    (act,) = run(operator.hold([letter.id]))
    assert act.done
    assert act.step is not None
    assert act.step.facts == {"recipient": "x@else.test", "by": "operator"}
    rig.clock.advance(HOUR)
    assert len(rig.relay.calls) == 1
    assert run(operator.release([letter.id]))[0].done
    rig.clock.advance(1)
    assert len(rig.relay.calls) == 2
    assert [step for step in rig.steps(letter) if step in {"held", "released"}] == ["held", "released"]


def test_a_retry_is_due_now_and_tells_no_step(rig, operator):
    letter = rig.accept(a_letter("x@else.test"))
    assert run(operator.retry([letter.id])) == [ActionResult(letter.id, "x@else.test")]
    assert rig.record(letter).deliveries[0].due == rig.clock.now()


def test_what_is_removed_is_not_attempted_and_nobody_is_told(rig, operator):
    letter = rig.accept(a_letter("x@else.test"))
    assert run(operator.remove([letter.id]))[0].done
    rig.clock.advance(HOUR)
    assert rig.states(letter) == ["removed"]
    assert len(rig.relay.calls) == 1
    assert rig.reports() == []


def test_what_is_removed_with_a_bounce_is_told_to_the_sender(rig, operator):
    letter = rig.accept(a_letter("x@else.test", "y@third.test"))
    acts = run(operator.remove([letter.id], bouncer=rig.bouncer))
    assert [act.done for act in acts] == [True, True]
    assert rig.states(letter) == ["bounced", "bounced"]
    rig.clock.advance(1)
    (record,) = rig.reports()
    assert {act.step.facts["report"] for act in acts if act.step} == {record.letter.id}
    assert rig.mailbox("alice@home.test") == [record.letter.id]
    text = run(read_all(record.letter.content))
    assert b"operator of the mail system" in text
    assert b"x@else.test" in text
    assert b"y@third.test" in text


def test_nobody_is_told_where_the_reverse_path_is_null(rig, operator):
    letter = rig.accept(a_letter("x@else.test", sender=None))
    (act,) = run(operator.remove([letter.id], bouncer=rig.bouncer))
    assert act.done
    assert [record.letter.id for record in rig.reports()] == [letter.id]


@pytest.mark.parametrize(
    ("before", "act", "refusal"),
    [
        ("queued", "release", "it is not held"),
        ("held", "hold", "it is held already"),
        ("held", "retry", "it is held; release it first"),
        ("removed", "hold", "it is removed already"),
        ("removed", "release", "it is removed already"),
        ("removed", "retry", "it is removed already"),
        ("removed", "remove", "it is removed already"),
        ("under way", "retry", "an attempt is under way; try again when it has ended"),
    ],
)
def test_what_can_not_be_done_says_why(rig, operator, before, act, refusal):
    rig.relay.waits = before == "under way"
    letter = rig.accept(a_letter("x@else.test"))
    if before == "held":
        run(operator.hold([letter.id]))
    if before == "removed":
        run(operator.remove([letter.id]))
    stored = rig.record(letter).deliveries
    (refused,) = run(getattr(operator, act)([letter.id]))
    assert (refused.done, refused.refusal_reason, refused.step) == (False, refusal, None)
    assert rig.record(letter).deliveries == stored


def test_a_bounce_waits_for_the_attempt_that_is_under_way(rig, operator):
    rig.relay.waits = True
    letter = rig.accept(a_letter("x@else.test"))
    assert "under way" in run(operator.remove([letter.id], bouncer=rig.bouncer))[0].refusal_reason
    assert rig.reports() == []


def test_an_unknown_id_is_said_to_be_unknown(operator):
    assert run(operator.hold([LetterId("nothing")])) == [
        ActionResult(LetterId("nothing"), "", "no message has this id")
    ]


def test_what_is_held_once_more_does_not_say_that_it_was_released(rig, operator):
    rig.queue.stop(lambda: None)
    letter = rig.accept(a_letter("x@else.test"))
    for act in (operator.hold, operator.release, operator.hold):
        assert run(act([letter.id]))[0].done
    held = rig.record(letter).deliveries[0]
    assert (held.state, held.text, held.released_at) == ("held", "", None)


def test_many_letters_are_answered_in_their_order_and_what_an_attempt_came_between_is_read_again(rig, operator):
    rig.relay.waits, rig.relay.outcome = True, lambda _: TAKEN
    letters = [rig.accept(a_letter("x@else.test")).id for _ in range(BATCH_SIZE + 20)]
    wanted = [*letters[:5], LetterId("nothing"), *letters[5:]]
    acts = run(operator.hold(wanted))
    assert [act.letter for act in acts] == wanted
    assert [act.refusal_reason for act in acts if not act.done] == ["no message has this id"]
    rig.relay.answer_all()
    acts = run(operator.release(wanted))
    assert [act.letter for act in acts] == wanted
    assert {act.refusal_reason for act in acts if not act.done} == {"no message has this id", "it is relayed already"}


class _HastyHistory(SqlHistory):
    """An attempt of one letter ends while somebody has read it and not yet written."""

    hurry: Callable[[], None] | None = None

    async def records(self, which: Filter) -> list[Record]:
        found = await super().records(which)
        if self.hurry is not None:
            hurry, self.hurry = self.hurry, None
            hurry()
        return found


class _Hasty(InMemoryStore):
    history_class = _HastyHistory
    history: _HastyHistory


def test_an_attempt_between_reading_and_writing_stops_none_of_the_others():
    rig = Rig(store=(store := _Hasty()), waits=True)
    letters = [rig.accept(a_letter("x@else.test")).id for _ in range(3)]
    store.history.hurry = rig.relay.answer
    acts = run(QueueAdmin(store, rig.clock.now).hold(letters))
    assert [act.refusal_reason for act in acts] == ["it is relayed already", "", ""]


def test_what_is_known_is_read_again_only_where_an_attempt_came_between(rig):
    rig.relay.waits, rig.relay.outcome = True, lambda _: TAKEN
    letters = [rig.accept(a_letter("x@else.test")) for _ in range(3)]
    ids = [letter.id for letter in letters]
    known = run(rig.store.history.records(Filter(ids=tuple(ids))))
    rig.relay.answer()
    acts = run(QueueAdmin(rig.store, rig.clock.now, records=known).hold(ids))
    assert [act.refusal_reason for act in acts] == ["it is relayed already", "", ""]
    assert [rig.steps(letter).count("held") for letter in letters] == [0, 1, 1]


def test_each_recipient_has_his_own_answer(rig, operator):
    letter = rig.accept(a_letter("bob@home.test", "x@else.test"))
    acts = run(operator.hold([letter.id, letter.id]))
    assert [(act.recipient, act.refusal_reason) for act in acts] == [
        ("bob@home.test", "it is delivered already"),
        ("x@else.test", ""),
    ]


class ContestedQueue(OneByOne):
    """An attempt comes between reading and writing, so many times."""

    contests = 0

    async def settle(self, settlement: Settlement) -> None:
        if self.contests:
            self.contests -= 1
            raise Conflict("somebody was faster")
        await super().settle(settlement)


class ContestedStore(InMemoryStore):
    queue_class = ContestedQueue
    queue: ContestedQueue


@pytest.mark.parametrize(("contests", "done"), [(1, True), (2, False)])
def test_after_a_conflict_the_letter_is_read_again_once(contests, done):
    store = ContestedStore()
    rig = Rig(store=store, outcome=BUSY)
    letter = rig.accept(a_letter("x@else.test"))
    store.queue.contests = contests
    (act,) = run(QueueAdmin(store, rig.clock.now).hold([letter.id]))
    assert act.done is done
    assert rig.states(letter) == ["held" if done else "queued"]
    assert done or "try again" in act.refusal_reason


def test_a_letter_is_redirected_and_keeps_its_sender_and_its_other_recipients(rig, operator):
    letter = rig.accept(a_letter("carl@else.test", "y@third.test"))
    only = QueueAdmin(rig.store, rig.clock.now, selects=lambda _, one: one.destination == "else.test")
    (act,) = run(only.redirect([letter.id], Address("bob", "home.test"), rig.router))
    assert act.done
    assert act.step is not None
    assert act.step.facts == {"recipient": "carl@else.test", "to": "bob@home.test", "by": "operator"}
    rig.clock.advance(1)
    assert rig.states(letter) == ["removed", "queued", "delivered"]
    assert rig.record(letter).deliveries[2].recipient.original == Address("carl", "else.test")
    assert rig.mailbox("bob@home.test") == [letter.id]
    assert "redirected" in rig.steps(letter)


def test_the_failure_of_a_redirected_letter_is_told_under_the_name_that_its_sender_knows(rig, operator):
    letter = rig.accept(a_letter("carl@else.test"))
    rig.relay.outcome = lambda _: Failed(Status(5, 1, 1), "550 5.1.1 nobody", "mx.third.test")
    run(operator.redirect([letter.id], Address("carol", "third.test"), rig.router))
    rig.clock.advance(1)
    (report,) = rig.reports()
    assert b"Original-Recipient" in rig.octets(report) or b"carl@else.test" in rig.octets(report)
    assert rig.states(letter) == ["removed", "bounced"]


@pytest.mark.parametrize(
    ("to", "refusal"),
    [
        ("x@else.test", "it goes there already"),
        ("y@third.test", "y@third.test is a recipient of it already; `remove` takes the other one out"),
        ("nobody@home.test", "no mailbox here has the address nobody@home.test"),
    ],
)
def test_what_can_not_be_redirected_says_why(rig, operator, to, refusal):
    letter = rig.accept(a_letter("x@else.test", "y@third.test"))
    only = QueueAdmin(rig.store, rig.clock.now, selects=lambda _, one: one.destination == "else.test")
    stored = rig.record(letter).deliveries
    assert [act.refusal_reason for act in run(only.redirect([letter.id], Address.parse(to), rig.router))] == [refusal]
    assert rig.record(letter).deliveries == stored


def test_several_recipients_are_redirected_to_one_once(rig, operator):
    letter = rig.accept(a_letter("x@else.test", "y@third.test"))
    acts = run(operator.redirect([letter.id], Address("bob", "home.test"), rig.router))
    assert [act.done for act in acts] == [True, True]
    rig.clock.advance(1)
    assert rig.states(letter) == ["removed", "removed", "delivered"]
    assert len(rig.mailbox("bob@home.test")) == 1


def test_what_is_being_attempted_is_not_redirected(rig, operator):
    rig.relay.waits = True
    letter = rig.accept(a_letter("x@else.test"))
    (act,) = run(operator.redirect([letter.id], Address("bob", "home.test"), rig.router))
    assert act.refusal_reason.startswith("an attempt is under way")
