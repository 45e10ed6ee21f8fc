"""`mailstack queue`: waiting letters, actions on them, and explanations of delays."""

from __future__ import annotations

import time

import pytest

from mailstack.letter import LetterId
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.time_parameters import date_time_text
from mailstack.store import Change, Filter, Settlement
from mailstack.store.delay_reasons import DelayReason
from tests.cli.conftest import DEFERRED, DELIVERED, NOON, Mailstack, Shelf, lines_of, refusal

UNKNOWN = "0" * 15


def delivery_of(shelf: Shelf, letter: LetterId) -> Delivery:
    (record,) = shelf.pump.run(shelf.store.history.records(Filter(ids=(letter,))))
    return record.deliveries[0]


def test_only_what_is_owed_is_listed_with_its_reason(mailstack: Mailstack, shelf: Shelf) -> None:
    waiting = shelf.accept(**DEFERRED)
    shelf.accept(**DELIVERED)
    assert [line["id"] for line in lines_of(mailstack("queue", "list", "--json"))] == [waiting]
    table = mailstack("queue", "list").stdout
    assert waiting in table
    assert "450 4.2.1 mailbox busy" in table


@pytest.mark.parametrize("by", [(), ("--by", "destination")])
def test_a_list_without_letters_has_the_reason(mailstack: Mailstack, shelf: Shelf, by: tuple[str, ...]) -> None:
    assert mailstack("queue", "list", *by).stdout == "the queue is empty\n"
    shelf.accept(**DEFERRED)
    assert mailstack("queue", "list", *by, "--domain", "other.test").stdout == "no waiting message matches\n"


def test_a_letter_is_shown_with_each_recipient(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "dave@elsewhere.test"), **DEFERRED)
    shown = mailstack("queue", "show", letter).stdout
    assert shown.count("450 4.2.1 mailbox busy") == 2
    assert lines_of(mailstack("queue", "show", letter, "--json"))[0]["deliveries"][1]["attempts"] == 2


def test_hold_and_release(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(**DEFERRED)
    assert mailstack("queue", "hold", letter).exit_code == 0
    assert delivery_of(shelf, letter).state is DeliveryState.HELD
    assert "held" in mailstack("queue", "list").stdout
    assert mailstack("queue", "release", letter.upper()).exit_code == 0
    assert delivery_of(shelf, letter).state is DeliveryState.QUEUED
    steps = [step.step for step in shelf.pump.run(shelf.store.history.steps(letter))]
    assert steps == ["submitted", "held", "released"]


def test_retry_makes_a_letter_due_now(mailstack: Mailstack, shelf: Shelf) -> None:
    later = time.time() + 3600
    letters = [shelf.accept(**{**DEFERRED, "due": later}) for _ in range(2)]
    assert mailstack("queue", "retry", letters[0]).exit_code == 0
    assert delivery_of(shelf, letters[0]).due < later
    assert delivery_of(shelf, letters[1]).due == later
    assert mailstack("queue", "retry", "--all").exit_code == 0
    assert delivery_of(shelf, letters[1]).due < later


def test_retry_all_leaves_what_its_sender_wants_held_back(mailstack: Mailstack, shelf: Shelf) -> None:
    """FUT-01: it goes before its time only by name."""
    later = time.time() + 3600
    letter = shelf.accept(**{**DEFERRED, "due": later}, parameters=(("HOLDUNTIL", date_time_text(later)),))
    assert mailstack("queue", "retry", "--all").exit_code == 0
    assert delivery_of(shelf, letter).due == later
    assert mailstack("queue", "retry", letter).exit_code == 0
    assert delivery_of(shelf, letter).due < later


def test_retry_all_with_nothing_to_retry_is_no_failure(mailstack: Mailstack) -> None:
    assert mailstack("queue", "retry", "--all").exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("--all", UNKNOWN)])
def test_retry_takes_ids_or_all(mailstack: Mailstack, arguments: tuple[str, ...]) -> None:
    assert mailstack("queue", "retry", *arguments).exit_code == 2


def test_a_removed_letter_is_owed_no_longer_and_its_sender_not_told(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(**DEFERRED)
    assert mailstack("queue", "remove", letter, "--yes").exit_code == 0
    assert delivery_of(shelf, letter).state is DeliveryState.REMOVED
    assert lines_of(mailstack("queue", "list", "--json")) == []


def test_letters_are_removed_after_a_question(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "dave@elsewhere.test"), **DEFERRED)
    unanswered = mailstack("queue", "remove", letter)
    assert unanswered.exit_code == 1
    assert "remove 1 message to 2 recipients?" in unanswered.stderr
    assert "add --yes" in unanswered.stderr
    assert mailstack("queue", "remove", letter, input="n\n").exit_code == 1
    assert delivery_of(shelf, letter).state is DeliveryState.QUEUED
    assert mailstack("queue", "remove", letter, input="y\n").exit_code == 0
    assert delivery_of(shelf, letter).state is DeliveryState.REMOVED


def test_with_bounce_the_sender_gets_a_report(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    letter = shelf.accept(**DEFERRED)
    result = mailstack("queue", "remove", letter, "--bounce", "--yes")
    assert result.exit_code == 0, result.stderr
    assert delivery_of(shelf, letter).state is DeliveryState.BOUNCED
    (report,) = lines_of(mailstack("queue", "list", "--json"))
    assert report["sender"] == ""
    assert report["recipients"] == ["alice@home.test"]
    assert report["id"] in result.stdout


def test_no_report_to_the_null_reverse_path(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept("", ("carol@elsewhere.test",), **DEFERRED)
    assert mailstack("queue", "remove", letter, "--bounce", "--yes").stdout.endswith("removed\n")
    assert lines_of(mailstack("queue", "list", "--json")) == []


@pytest.mark.parametrize("act", ["hold", "release", "retry", "remove"])
def test_what_can_not_be_done_is_said_with_the_reason(mailstack: Mailstack, shelf: Shelf, act: str) -> None:
    letter = shelf.accept(**DELIVERED)
    result = refusal(mailstack("queue", act, letter))
    assert letter in result
    assert "delivered already" in result
    assert result.count("\n") == 1


def test_the_reason_is_not_that_of_one_recipient_for_all(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "bob@home.test"))
    shelf.change(letter, 1, state=DeliveryState.DELIVERED)
    assert mailstack("queue", "hold", letter).exit_code == 0
    again = mailstack("queue", "hold", letter).stderr
    assert "held already" in again
    assert "delivered already" in again


@pytest.mark.parametrize("command", ["show", "hold", "release", "retry", "remove"])
@pytest.mark.parametrize("letter", [UNKNOWN, "not-an-id", "../../etc", ""])
def test_an_unknown_id_is_refused(mailstack: Mailstack, command: str, letter: str) -> None:
    assert mailstack("queue", command, letter).exit_code == 1


def test_hostile_words_of_another_host_do_not_reach_the_terminal(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=NOON, attempts=1, text="said: 450 \x1b]0;owned\x07 \x1b[2J")
    for result in (mailstack("queue", "list"), mailstack("queue", "show", letter)):
        assert "\x1b" not in result.stdout
        assert "\\x1b]0;owned\\x07" in result.stdout


ROUTED = {
    "recipients": ["carol@elsewhere.test"],
    "candidates": [{"host": "mx.elsewhere.test", "address": "192.0.2.7", "port": 25, "why": "MX 10"}],
}
DOWN = DelayReason(
    "down",
    "mx.elsewhere.test [192.0.2.7]:25",
    "connection refused",
    time.time() + 500,
    {"host": "mx.elsewhere.test", "address": "192.0.2.7", "port": 25},
)
OTHER = DelayReason("down", "mx.third.test [192.0.2.8]:25", "no answer", time.time() + 500, {"host": "mx.third.test"})
BUSY = DelayReason("busy", "elsewhere.test", "5 attempts are under way, its limit at present, and 9 wait in memory")


def tell(shelf: Shelf, *conditions: DelayReason) -> None:
    shelf.pump.run(shelf.store.delay_reasons.publish("mx.home.test", conditions, time.time() + 30))


def because(mailstack: Mailstack, letter: LetterId) -> dict[str, str]:
    (document,) = lines_of(mailstack("queue", "show", letter, "--json"))
    return {each["kind"]: each["text"] for each in document["deliveries"][0]["explanation"]["because"]}


def test_a_host_that_is_left_alone_explains_why_its_letters_wait(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time() - 60, steps=(("routed", ROUTED),), **DEFERRED)
    assert because(mailstack, letter) == {}
    tell(shelf, DOWN, OTHER)
    found = because(mailstack, letter)
    assert list(found) == ["down"]
    assert found["down"].startswith("mx.elsewhere.test [192.0.2.7]:25 is backed off until")
    assert found["down"].endswith("connection refused")
    assert "because:" in mailstack("queue", "show", letter).stdout
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"] == found["down"]
    (group,) = lines_of(mailstack("queue", "list", "--by", "sender", "--json"))
    assert "mailbox busy" in group["reason"]


def test_a_full_window_explains_why_a_letter_in_hand_is_not_sent(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time(), claimed_by="mx.home.test", lease=time.time() + 900, attempts=1)
    tell(shelf, BUSY)
    assert "its limit at present" in because(mailstack, letter)["busy"]
    assert "waits for its turn" in mailstack("queue", "show", letter).stdout
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"] == BUSY.text


def test_a_letter_that_stands_in_line_says_so(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=time.time())
    (record,) = shelf.pump.run(shelf.store.history.records(Filter(ids=(letter,))))
    before = record.deliveries[0]
    shelf.pump.run(shelf.store.queue.settle(Settlement((Change(before, before, "elsewhere.test"),))))
    assert because(mailstack, letter)["in line"].startswith("it waits for a free slot of elsewhere.test")
    tell(shelf, BUSY)
    assert BUSY.text in because(mailstack, letter)["in line"]
    assert "Attempt 1 starts when a slot is free" in mailstack("queue", "show", letter).stdout


def test_an_order_and_the_tls_that_was_demanded_are_told(mailstack: Mailstack, shelf: Shelf) -> None:
    tried = {"recipients": ["carol@elsewhere.test"], "host": "mx.elsewhere.test", "policy": "verified, by MTA-STS"}
    letter = shelf.accept(at=time.time() - 60, steps=(("attempted", tried),), **DEFERRED)
    assert because(mailstack, letter) == {"tls": "TLS with mx.elsewhere.test: verified, by MTA-STS"}
    mailstack("queue", "pause", "elsewhere.test")
    assert "delivery to elsewhere.test is paused" in because(mailstack, letter)["order"]
    (group,) = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert group["reason"].startswith("delivery to elsewhere.test is paused")
