"""State changes of outcomes, line by line, and success reports (DSN-02)."""

from __future__ import annotations

import email

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Delivered, Failed, Recipient, Status
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.letter import read_all
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.attempt import Attempt
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.settlement import StateChanges, Times, settle
from mailstack.store import StoreError
from tests.aid import run
from tests.queue.rig import BUSY, DAY, HOUR, REFUSED, START, TAKEN, FailingStore, MemoryDirectory, Rig, a_letter

RELAYED = Delivered(Status(2, 0, 0), "250 2.0.0 queued as 17", "mx.else.test")
IN_MAILBOX = Delivered(Status(2, 1, 5), "", "", "bob@home.test", b"Return-Path: <>\r\n")


def settled(*outcomes, age=0.0, warned=False, letter=None, **attempt) -> StateChanges:
    letter = letter or a_letter(*[f"r{number}@else.test" for number in range(len(outcomes))])
    deliveries = tuple(
        Delivery(
            letter.id, number, recipient, "else.test", attempts=3, claimed_by="me", lease=START + DAY, warned=warned
        )
        for number, recipient in enumerate(letter.envelope.recipients)
    )
    return settle(
        letter,
        deliveries,
        Attempt(outcomes, **attempt),
        Times(START + age - 1, START + age),
        schedule=RetrySchedule(),
        jitter=0.5,
    )


@pytest.mark.parametrize(
    ("outcome", "age", "state", "step", "reports"),
    [
        (IN_MAILBOX, 0, "delivered", "delivered", []),
        (RELAYED, 0, "relayed", "relayed", []),
        (RELAYED, 9 * DAY, "relayed", "relayed", []),
        (BUSY, 0, "queued", "deferred", []),
        (BUSY, 4 * HOUR, "queued", "deferred", ["delayed"]),
        (BUSY, 5 * DAY, "bounced", "bounced", ["failed"]),
        (REFUSED, 0, "bounced", "bounced", ["failed"]),
    ],
)
def test_what_an_outcome_makes_of_a_delivery(outcome, age, state, step, reports):
    found = settled(outcome, age=age)
    (change,) = found.changes
    assert change.after.state is DeliveryState(state)
    assert change.after.claimed_by is None
    assert change.after.attempts == change.before.attempts == 3
    assert [one.step for one in found.steps] == [step]
    assert [due.kind for due in found.reports] == reports
    assert len(found.placements) == (state == "delivered")


def test_a_placement_counts_headers_and_content():
    """POP-05: the size that LIST tells is what RETR sends."""
    letter = a_letter("bob@home.test")
    (placement,) = settled(IN_MAILBOX, letter=letter).placements
    assert placement.size == len(IN_MAILBOX.headers) + letter.content.size
    assert placement.delivery == (letter.id, 0)
    assert placement.mailbox == "bob@home.test"


def test_a_deferral_says_when_it_is_tried_next():
    found = settled(BUSY)
    assert found.changes[0].after.due == START + 1200
    assert found.steps[0].facts == {
        "recipient": "r0@else.test",
        "status": "4.2.1",
        "reply": "450 4.2.1 busy",
        "host": "mx.else.test",
        "next_attempt": "2025-11-23T21:20:00.000000Z",
        "warned": False,
    }


def test_an_attempt_tells_its_way_its_dialogue_and_the_other_hosts_id():
    found = settled(
        RELAYED, route={"via": "mx"}, dialogue=("S: 220 hi",), facts={"tls": {"version": "TLSv1.3"}, "remote_id": "17"}
    )
    assert [step.step for step in found.steps] == ["routed", "attempted", "relayed"]
    assert found.steps[0].facts == {"recipients": ["r0@else.test"], "via": "mx"}
    assert found.steps[1].facts["dialogue"] == ["S: 220 hi"]
    assert found.steps[1].facts["tls"] == {"version": "TLSv1.3"}
    assert found.steps[2].facts["remote_id"] == "17"
    assert found.steps[2].facts["reply"] == "250 2.0.0 queued as 17"


def test_one_report_speaks_of_all_that_failed_and_of_nobody_else():
    """RLY-09."""
    found = settled(REFUSED, RELAYED, BUSY, REFUSED)
    assert [change.after.state.value for change in found.changes] == ["relayed", "queued", "bounced", "bounced"]
    (due,) = found.reports
    assert [str(trouble.recipient.address) for trouble in due.notices] == ["r0@else.test", "r3@else.test"]
    assert {step.facts["report"] for step in found.steps if step.step == "bounced"} == {due.id}


def test_a_sender_is_warned_once():
    """RLY-27, DSN-04."""
    assert settled(BUSY, age=5 * HOUR).changes[0].after.warned
    found = settled(BUSY, age=9 * HOUR, warned=True)
    assert found.changes[0].after.warned
    assert found.reports == ()


def test_giving_up_says_so_and_keeps_the_last_words():
    (due,) = settled(BUSY, age=5 * DAY).reports
    outcome = due.notices[0].outcome
    assert outcome == Failed(
        Status(5, 4, 7), "gave up after trying for 5 days; at last: 450 4.2.1 busy", "mx.else.test"
    )


@pytest.mark.parametrize(("outcome", "age"), [(REFUSED, 0), (BUSY, 5 * DAY), (BUSY, 5 * HOUR)])
def test_nobody_bounces_a_bounce(outcome, age):
    """RLY-17, SMTP-15: and the journey says so."""
    found = settled(outcome, age=age, letter=a_letter("r0@else.test", sender=None))
    assert found.reports == ()
    for step in found.steps:
        assert step.step != "bounced" or "reverse-path is null" in step.facts["why"]


@pytest.mark.parametrize(
    ("notify", "outcome", "age", "told"),
    [
        ("NEVER", REFUSED, 0, False),
        ("SUCCESS", REFUSED, 0, False),
        ("success,failure", REFUSED, 0, True),
        ("FAILURE", BUSY, 5 * HOUR, False),
        ("FAILURE,DELAY", BUSY, 5 * HOUR, True),
    ],
)
def test_notify_says_what_is_reported(notify, outcome, age, told):
    """DSN-02 (RFC 3461 §4.1)."""
    recipient = Recipient(Address("bob", "else.test"), parameters=(("NOTIFY", notify),))
    found = settled(outcome, age=age, letter=a_letter(recipient))
    assert bool(found.reports) is told
    assert all("why" in step.facts for step in found.steps if step.step == "bounced" and not told)


def test_each_delivery_needs_an_outcome():
    with pytest.raises(ValueError, match="zip"):
        settled(BUSY, letter=a_letter("a@else.test", "b@else.test"))


def wanting(address, notify="SUCCESS,FAILURE"):
    return Recipient(Address.parse(address), None, (("NOTIFY", notify),))


def told(rig):
    """Action and Final-Recipient of each report."""
    found = []
    for record in rig.reports():
        report = email.message_from_bytes(run(read_all(record.letter.content)))
        blocks = report.get_payload()[1].get_payload()[1:]
        found.append([(each["Action"], each["Final-Recipient"].removeprefix("rfc822; ")) for each in blocks])
    return found


def test_a_delivery_here_and_its_report_are_one_transaction():
    """DSN-02: when the store can't, nothing is owed, delivered or reported."""
    rig = Rig(store=FailingStore())
    rig.store.queue.failures = 1
    with pytest.raises(StoreError):
        rig.accept(a_letter(wanting("bob@home.test")))
    assert (rig.mailbox("bob@home.test"), rig.reports(), rig.journal.steps) == ([], [], [])
    rig.accept(a_letter(wanting("bob@home.test")))
    assert told(rig) == [[("delivered", "bob@home.test")]]
    assert len(rig.mailbox("bob@home.test")) == len(rig.mailbox("alice@home.test")) == 1


@pytest.mark.parametrize(("dsn", "reports"), [(True, []), (False, [[("relayed", "carol@else.test")]])])
def test_what_was_relayed_is_told_unless_the_host_tells(dsn, reports):
    """DSN-02: RFC 3461 §5.2.1, §5.2.2."""
    rig = Rig()
    rig.relay.outcome = lambda _: replace(TAKEN, dsn=dsn)
    letter = rig.accept(a_letter(wanting("carol@else.test"), wanting("dave@else.test", "FAILURE")))
    assert rig.states(letter) == ["relayed", "relayed"]
    assert told(rig) == reports


def test_several_mailboxes_and_an_alias_are_told_once_each():
    """DSN-02: RFC 3461 §5.2.7.3, §5.2.8."""
    rig = Rig(
        MemoryDirectory(
            "alice@home.test",
            "bob@home.test",
            "carol@home.test",
            aliases={"team@home.test": ("bob@home.test", "carol@home.test"), "robert@home.test": ("bob@home.test",)},
        )
    )
    rig.accept(a_letter(wanting("alice@home.test"), wanting("robert@home.test"), wanting("team@home.test")))
    assert sorted(told(rig)) == [
        [("delivered", "alice@home.test"), ("delivered", "bob@home.test")],
        [("expanded", "team@home.test")],
    ]


def test_a_report_asks_for_no_report():
    """RLY-17"""
    rig = Rig()
    rig.accept(a_letter(wanting("bob@home.test"), sender=None))
    assert len(rig.reports()) == 1, "the letter itself, which has the null reverse-path"


@pytest.mark.parametrize(("notify", "reports"), [("NEVER", 0), ("SUCCESS", 0), ("FAILURE", 1)])
def test_what_an_operator_takes_out_is_told_to_who_wants_it(notify, reports):
    """DSN-02"""
    rig = Rig()
    rig.relay.outcome = lambda _: Deferred(Status(4, 2, 1), "450 4.2.1 busy", "mx.else.test")
    letter = rig.accept(a_letter(wanting("carol@else.test", notify)))
    run(QueueAdmin(rig.store, rig.clock.now).remove([letter.id], bouncer=rig.bouncer))
    assert len(rig.reports()) == reports
