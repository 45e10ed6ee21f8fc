"""Time parameters in the queue: future release, deadlines, priorities."""

import pytest
from msgspec.structs import replace

from mailstack.letter import Address, Deferred, Delivered, Failed, Letter, Recipient, Status
from mailstack.letter.time_parameters import read_date_time
from mailstack.queue.admin import QueueAdmin
from mailstack.queue.retry_schedule import RetrySchedule
from tests.aid import run
from tests.queue.rig import RARE_POLLS, START, Rig, a_letter

LATER = Deferred(Status(4, 4, 1), "nobody answers")


def wishing(*recipients: str, **parameters: str) -> Letter:
    letter = a_letter(*recipients)
    return replace(letter, envelope=replace(letter.envelope, parameters=tuple(parameters.items())))


# --- FUTURERELEASE


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_letter_is_held_back_until_its_release_for_mailboxes_here_and_for_others(rig: Rig) -> None:
    """FUT-01: it is in the queue, and nowhere else, until then."""
    letter = rig.accept(wishing("bob@home.test", "carol@else.test", HOLDFOR="3600"))
    assert rig.states(letter) == ["queued", "queued"]
    rig.clock.advance(3599)
    assert rig.mailbox("bob@home.test") == rig.relay.calls == []
    rig.clock.advance(2)
    assert rig.mailbox("bob@home.test") == [letter.id]
    assert rig.relay.calls == [(letter.id, ("carol@else.test",))]
    assert rig.states(letter) == ["delivered", "relayed"]


def test_the_journey_and_the_queue_say_what_it_waits_for(rig: Rig) -> None:
    """FUT-01."""
    letter = rig.accept(wishing("bob@home.test", HOLDUNTIL="2025-11-23T22:00:00Z"))
    steps = run(rig.store.history.steps(letter.id))
    assert [step.step for step in steps] == ["submitted", "routed", "routed"]
    assert steps[0].facts["terms"] == {"HOLDUNTIL": "2025-11-23T22:00:00Z"}
    assert steps[2].facts["not_before"] == "2025-11-23T22:00:00.000000Z"
    (delivery,) = rig.record(letter).deliveries
    assert (delivery.due, delivery.attempts) == (read_date_time("2025-11-23T22:00:00Z"), 0)
    assert "future release until 2025-11-23T22:00:00" in delivery.text


def test_a_time_that_has_passed_holds_nothing_back(rig: Rig) -> None:
    letter = rig.accept(wishing("bob@home.test", HOLDUNTIL="2020-01-01T00:00:00Z"))
    assert rig.states(letter) == ["delivered"]


def test_a_crash_does_not_release_it(rig: Rig) -> None:
    """FUT-01: recovery makes first attempts due, but this was none."""
    letter = rig.accept(wishing("bob@home.test", HOLDFOR="3600"))
    rig.clock.advance(60)
    rig.restart()
    rig.clock.advance(3500)
    assert rig.states(letter) == ["queued"]
    rig.clock.advance(60)
    assert rig.states(letter) == ["delivered"]


def test_an_operator_releases_it_early_or_cancels_it(rig: Rig) -> None:
    """FUT-01."""
    early, never = (rig.accept(wishing("bob@home.test", HOLDFOR="3600")) for _ in range(2))
    operator = QueueAdmin(rig.store, rig.clock.now)
    assert all(act.done for act in run(operator.retry([early.id])) + run(operator.remove([never.id])))
    rig.clock.advance(2)
    assert rig.mailbox("bob@home.test") == [early.id]
    rig.clock.advance(4000)
    assert rig.states(never) == ["removed"]


def test_the_life_of_a_letter_counts_from_its_release() -> None:
    """FUT-01: neither late nor given up while it was not to be sent."""
    schedule = RetrySchedule(first=600, longest=600, warn_after=3600, give_up_after=7200, spread=0)
    rig = Rig(schedule=schedule, limits=RARE_POLLS)
    rig.relay.outcome = lambda _: LATER
    letter = rig.accept(wishing("carol@else.test", HOLDFOR="86400"))
    rig.clock.advance(86400 + 3500)
    assert rig.states(letter) == ["queued"]
    assert rig.reports() == []
    rig.clock.advance(700)
    assert len(rig.reports()) == 1
    rig.clock.advance(3600)
    assert rig.states(letter) == ["bounced"]


# --- DELIVERBY


def test_what_is_not_delivered_in_time_comes_back(rig: Rig) -> None:
    """DLBY-01: mode R, 5.4.7, and no attempt once the time has passed."""
    rig.relay.outcome = lambda _: LATER
    letter = rig.accept(wishing("carol@else.test", BY="120;R"))
    rig.clock.advance(119)
    assert rig.states(letter) == ["queued"]
    rig.clock.advance(2)
    assert rig.states(letter) == ["bounced"]
    assert len(rig.relay.calls) == 1
    (delivery,) = rig.record(letter).deliveries
    assert delivery.status == Status(5, 4, 7)
    assert "not delivered by 2025-11-23T21:02:00" in delivery.text
    assert len(rig.reports()) == 1


def test_an_attempt_that_ends_too_late_is_the_last(rig: Rig) -> None:
    """DLBY-01."""
    rig.relay.waits, rig.relay.outcome = True, lambda _: LATER
    letter = rig.accept(wishing("carol@else.test", BY="120;R"))
    rig.clock.advance(200)
    rig.relay.answer()
    assert rig.states(letter) == ["bounced"]
    assert "nobody answers" in rig.record(letter).deliveries[0].text


def test_what_is_late_in_mode_n_is_told_once_and_goes_on() -> None:
    """DLBY-01: one delayed report, 4.4.7."""
    rig = Rig(schedule=RetrySchedule(first=100, longest=100, warn_after=0, spread=0))
    rig.relay.outcome = lambda _: LATER
    letter = rig.accept(wishing("carol@else.test", BY="120;N"))
    rig.clock.advance(119)
    assert rig.reports() == []
    rig.clock.advance(500)
    (report,) = rig.reports()
    assert rig.states(letter) == ["queued"]
    octets = rig.octets(report)
    assert b"Action: delayed" in octets
    assert b"Status: 4.4.7" in octets


def test_a_delay_that_a_host_before_us_told_of_is_not_told_again() -> None:
    """DLBY-01: the time had passed when the letter came."""
    rig = Rig(schedule=RetrySchedule(first=100, longest=100, warn_after=0, spread=0))
    rig.relay.outcome = lambda _: LATER
    rig.accept(wishing("carol@else.test", BY="-5;N"))
    rig.clock.advance(5000)
    assert rig.reports() == []


def test_the_time_for_delivery_counts_from_the_arrival_also_of_a_letter_that_is_held_back(rig: Rig) -> None:
    """DLBY-01, FUT-01: RFC 4865 §5.2."""
    rig.relay.outcome = lambda _: LATER
    letter = rig.accept(wishing("carol@else.test", HOLDFOR="3600", BY="3660;R"))
    rig.clock.advance(3601)
    assert rig.states(letter) == ["queued"]
    rig.clock.advance(60)
    assert rig.states(letter) == ["bounced"]


def test_who_wants_to_hear_of_a_delay_by_a_time_of_his_own_is_told_then_and_not_before() -> None:
    """DLBY-01: RFC 2852 §4.1.3, instead of the warning that everybody gets."""
    rig = Rig(schedule=RetrySchedule(first=100, longest=100, warn_after=600, spread=0))
    rig.relay.outcome = lambda _: LATER
    rig.accept(wishing("carol@else.test", BY="3600;N"))
    rig.clock.advance(3500)
    assert rig.reports() == []
    rig.clock.advance(500)
    (report,) = rig.reports()
    assert b"Status: 4.4.7" in rig.octets(report)


def test_a_report_goes_as_early_as_its_original(rig: Rig) -> None:
    """PRIO-01: RFC 6710 §4.6."""
    rig.relay.outcome = lambda _: Failed(Status(5, 1, 1), "nobody")
    rig.accept(wishing("carol@else.test", **{"MT-PRIORITY": "3"}))
    (report,) = rig.reports()
    assert dict(report.letter.envelope.parameters) == {"MT-PRIORITY": "3"}
    assert [delivery.priority for delivery in report.deliveries] == [3]


def test_a_letter_without_wishes_starts_now() -> None:
    letter = a_letter("bob@home.test")
    assert letter.arrival.at == START
    rig = Rig()
    assert rig.states(rig.accept(letter)) == ["delivered"]


def relayed(**offers: bool) -> Delivered:
    return Delivered(Status(2, 0, 0), "250 OK", "mx.else.test", **offers)


@pytest.mark.parametrize(
    ("by", "offers", "told"),
    [
        ("120;N", {}, True),
        ("120;N", {"deliver_by": True}, False),
        ("120;NT", {"deliver_by": True, "dsn": True}, True),
        ("120;RT", {"deliver_by": True}, True),
        ("120;R", {"deliver_by": True}, False),
    ],
)
def test_a_relaying_is_told_of_where_the_time_is_traced_or_minded_no_longer(
    rig: Rig, by: str, offers: dict[str, bool], told: bool
) -> None:
    """DLBY-01: RFC 2852 §4.1.4."""
    rig.relay.outcome = lambda _: relayed(**offers)
    rig.accept(wishing("carol@else.test", BY=by))
    reports = [rig.octets(report) for report in rig.reports()]
    assert len(reports) == told
    assert all(b"Action: relayed" in octets for octets in reports)
    assert all(b"Deliver-By-Date: Sun, 23 Nov 2025 21:02:00 +0000\r\n" in octets for octets in reports)


def test_no_relaying_is_told_of_to_who_never_wants_to_hear(rig: Rig) -> None:
    """DLBY-01."""
    recipient = Recipient(Address("carol", "else.test"), parameters=(("NOTIFY", "NEVER"),))
    letter = a_letter(recipient)
    rig.accept(replace(letter, envelope=replace(letter.envelope, parameters=(("BY", "120;NT"),))))
    assert rig.reports() == []
