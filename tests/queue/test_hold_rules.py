"""Hold rules: new and due letters, releases, pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, LetterId, Recipient, Status
from mailstack.letter.delivery import Delivery, Step, released_text
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.hold_rules import describe, is_held_by, matches
from mailstack.queue.settings import QueueLimits
from mailstack.store import StoreError
from mailstack.store.hold_rules import HoldRule
from mailstack.store.sql_parts.history import SqlHistory
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.aid import run
from tests.queue.rig import BUSY, HOUR, Rig, a_letter


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    assert not rig.clock.bugs


def order(rig: Rig, kind: str = "hold", **patterns: str) -> HoldRule:
    """A rule that the server has seen."""
    rule = HoldRule("r1", kind, created=rig.clock.now(), **patterns)  # type: ignore[arg-type]
    run(rig.store.hold_rules.add(rule))
    rig.clock.advance(QueueLimits().poll)
    return rule


@pytest.mark.parametrize(
    ("patterns", "recipient", "held"),
    [
        ({"sender": "alice@home.test"}, "x@else.test", True),
        ({"sender": "*@home.test"}, "bob@home.test", True),
        ({"sender": "bob@*"}, "x@else.test", False),
        ({"recipient": "x@*"}, "x@else.test", True),
        ({"domain": "else.test"}, "x@else.test", True),
        ({"domain": "*.else.test"}, "x@else.test", False),
        ({"sender": "*@home.test", "domain": "third.test"}, "x@else.test", False),
    ],
)
def test_a_rule_holds_what_fits_all_of_it_as_it_enters(rig, patterns, recipient, held) -> None:
    order(rig, **patterns)
    letter = rig.accept(a_letter(recipient))
    rig.clock.advance(HOUR)
    assert (rig.states(letter) == ["held"]) is held
    assert ("held" in rig.steps(letter)) is held
    assert bool(rig.relay.calls or rig.mailbox("bob@home.test")) is not held


def test_a_rule_holds_what_waits_when_it_is_due_and_counts_no_attempt(rig) -> None:
    rig.relay.outcome = lambda _: BUSY
    letter = rig.accept(a_letter("x@else.test", "y@else.test"))
    rule = order(rig, recipient="x@else.test")
    rig.clock.advance(HOUR)
    first, second = rig.record(letter).deliveries
    assert (first.state, first.attempts, first.claimed_by) == ("held", 1, None)
    assert is_held_by(rule, first)
    assert (second.state, second.attempts > 1) == ("queued", True)
    assert {recipients for _, recipients in rig.relay.calls[1:]} == {("y@else.test",)}


def test_a_pause_stops_what_would_leave_and_nothing_else(rig) -> None:
    order(rig, "pause", domain="*")
    letter = rig.accept(a_letter("x@else.test", "bob@home.test"))
    assert rig.states(letter) == ["held", "delivered"]
    assert rig.relay.calls == []


def test_a_pause_of_a_destination_leaves_the_others(rig) -> None:
    order(rig, "pause", domain="else.test")
    letter = rig.accept(a_letter("x@else.test", "y@third.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["held", "relayed"]


def test_a_rule_that_is_gone_holds_no_more(rig) -> None:
    order(rig, "pause", domain="*")
    run(rig.store.hold_rules.remove("r1"))
    rig.clock.advance(1)
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["relayed"]


class _UnreadableHistory(SqlHistory):
    async def steps(self, letter: LetterId) -> list[Step]:
        raise StoreError("the disk is away")


class _UnreadableJourneys(InMemoryStore):
    history_class = _UnreadableHistory


def test_what_is_released_by_name_goes_though_no_journey_can_be_read() -> None:
    """Thousands may be released together, so it is not asked of the store for each."""
    rig = Rig(store=_UnreadableJourneys())
    order(rig, domain="else.test")
    letter = rig.accept(a_letter("x@else.test"))
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    assert rig.record(letter).deliveries[0].released_at == rig.clock.now()
    rig.clock.advance(1)
    assert rig.states(letter) == ["relayed"]


TO_X = Delivery(LetterId("1kq2v7m4e80c3xz"), 0, Recipient(Address("x", "else.test")), "else.test")


def test_only_an_operator_says_that_a_delivery_was_released() -> None:
    released = replace(TO_X, text=released_text(1000.0))
    assert released.released_at == 1000.0
    assert replace(released, status=BUSY.status).released_at is None, "a host said it"


@pytest.mark.parametrize("text", ["", released_text(0.0)[:-1] + "?", released_text(0.0)[:25]])
def test_a_text_without_a_time_says_no_such_thing(text) -> None:
    assert replace(TO_X, text=text).released_at is None


def test_what_is_released_by_name_goes_in_spite_of_the_rule_also_when_it_is_put_off(rig) -> None:
    rig.relay.outcome = lambda _: BUSY
    order(rig, "pause", domain="*")
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    rig.clock.advance(HOUR)
    (delivery,) = rig.record(letter).deliveries
    assert delivery.state == "queued"
    assert delivery.attempts == len(rig.relay.calls) > 1
    assert rig.steps(letter).count("held") == 1


def test_a_later_rule_holds_it_again(rig) -> None:
    rig.relay.outcome = lambda _: BUSY
    order(rig, "pause", domain="*")
    letter = rig.accept(a_letter("x@else.test"))
    rig.clock.advance(1)
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    rig.clock.advance(10)
    run(rig.store.hold_rules.add(HoldRule("r2", "hold", sender="*", created=rig.clock.now())))
    rig.clock.advance(HOUR)
    assert rig.states(letter) == ["held"]
    assert "rule r2" in rig.record(letter).deliveries[0].text


def test_what_the_end_of_a_rule_releases_another_may_hold(rig) -> None:
    first = order(rig, "pause", domain="*")
    run(rig.store.hold_rules.add(HoldRule("r2", "hold", domain="else.test", created=first.created)))
    rig.clock.advance(1)
    letter = rig.accept(a_letter("x@else.test"))
    run(rig.store.hold_rules.remove("r1"))
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id], rule="r1"))
    rig.clock.advance(2)
    assert rig.states(letter) == ["held"]
    assert "rule r2" in rig.record(letter).deliveries[0].text


def test_the_server_remembers_the_rules_when_it_starts_again(rig) -> None:
    order(rig, "pause", domain="*")
    rig.restart()
    letter = rig.accept(a_letter("x@else.test"))
    assert rig.states(letter) == ["held"]


def test_only_the_domains_that_are_named_are_sent_to_whoever_releases_the_rest() -> None:
    rig = Rig(allowed_domains=("ours.test", "*.ours.test"))
    letter = rig.accept(a_letter("x@else.test", "y@ours.test", "z@mx.ours.test", "bob@home.test"))
    rig.clock.advance(1)
    assert rig.states(letter) == ["held", "relayed", "relayed", "delivered"]
    run(QueueAdmin(rig.store, rig.clock.now).release([letter.id]))
    rig.clock.advance(2)
    assert rig.states(letter)[0] == "held"
    assert "allowed_domains" in rig.record(letter).deliveries[0].text
    assert all("x@else.test" not in recipients for _, recipients in rig.relay.calls)


def test_the_words_of_another_host_are_not_taken_for_a_rule(rig) -> None:
    rule = HoldRule("r1", "hold", sender="*")
    rig.relay.outcome = lambda _: Deferred(Status(4, 0, 0), describe(rule), "mx.else.test")
    letter = rig.accept(a_letter("x@else.test"))
    run(QueueAdmin(rig.store, rig.clock.now).hold([letter.id]))
    assert not is_held_by(rule, rig.record(letter).deliveries[0])


def test_a_rule_knows_a_recipient_also_by_what_the_sender_wrote(rig) -> None:
    letter = rig.accept(a_letter("x@else.test"))
    (delivery,) = rig.record(letter).deliveries
    through = replace(delivery, recipient=Recipient(Address("x", "else.test"), Address("all", "home.test")))
    assert matches(HoldRule("r", "hold", recipient="all@home.test"), letter, through)
    assert matches(HoldRule("r", "hold", domain="home.test"), letter, through)
