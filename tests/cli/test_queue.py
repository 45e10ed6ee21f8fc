"""`mailstack queue`: what waits, and the operator's acts."""

from __future__ import annotations

import time

import pytest

from mailstack.letter import LetterId
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.time_parameters import date_time_text
from mailstack.store import Filter
from tests.cli.conftest import DEFERRED, DELIVERED, NOON, Mailstack, Shelf, lines_of

UNKNOWN = "0" * 15


def delivery_of(shelf: Shelf, letter: LetterId) -> Delivery:
    (record,) = shelf.pump.run(shelf.store.records(Filter(ids=(letter,))))
    return record.deliveries[0]


def test_only_what_is_owed_is_listed_with_its_reason(mailstack: Mailstack, shelf: Shelf) -> None:
    waiting = shelf.accept(**DEFERRED)
    shelf.accept(**DELIVERED)
    assert [line["id"] for line in lines_of(mailstack("queue", "list", "--json"))] == [waiting]
    table = mailstack("queue", "list").stdout
    assert waiting in table
    assert "450 4.2.1 mailbox busy" in table


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
    steps = [step.step for step in shelf.pump.run(shelf.store.steps(letter))]
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
    assert mailstack("queue", "remove", letter).exit_code == 0
    assert delivery_of(shelf, letter).state is DeliveryState.REMOVED
    assert lines_of(mailstack("queue", "list", "--json")) == []


def test_with_bounce_the_sender_gets_a_report(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    letter = shelf.accept(**DEFERRED)
    result = mailstack("queue", "remove", letter, "--bounce")
    assert result.exit_code == 0, result.stderr
    assert delivery_of(shelf, letter).state is DeliveryState.BOUNCED
    (report,) = lines_of(mailstack("queue", "list", "--json"))
    assert report["sender"] == ""
    assert report["recipients"] == ["alice@home.test"]
    assert report["id"] in result.stdout


def test_nobody_is_told_of_a_letter_with_the_null_reverse_path(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept("", ("carol@elsewhere.test",), **DEFERRED)
    assert mailstack("queue", "remove", letter, "--bounce").stdout.endswith("removed\n")
    assert lines_of(mailstack("queue", "list", "--json")) == []


@pytest.mark.parametrize("act", ["hold", "release", "retry", "remove"])
def test_what_can_not_be_done_is_said_with_the_reason(mailstack: Mailstack, shelf: Shelf, act: str) -> None:
    letter = shelf.accept(**DELIVERED)
    result = mailstack("queue", act, letter)
    assert result.exit_code == 1
    assert letter in result.stderr
    assert "delivered already" in result.stderr
    assert result.stderr.count("\n") == 1


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
