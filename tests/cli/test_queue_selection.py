"""`mailstack queue` by filters: list, count, act, order."""

from __future__ import annotations

import time

import pytest

from mailstack.letter import LetterId, Status
from mailstack.letter.delivery import DeliveryState
from tests.cli.conftest import DEFERRED, NOON, Mailstack, Shelf, lines_of, refusal
from tests.cli.test_queue import delivery_of

TLS = {**DEFERRED, "status": Status(4, 7, 5), "text": "no TLS there"}


@pytest.fixture
def three(shelf: Shelf) -> tuple[LetterId, LetterId, LetterId]:
    now = time.time()
    return (
        shelf.accept("alice@home.test", ("carol@elsewhere.test",), at=now - 90, **DEFERRED),
        shelf.accept("bob@home.test", ("dave@third.test",), at=now - 7200, destination="third.test", **TLS),
        shelf.accept("", ("carol@elsewhere.test",), at=now - 600, state=DeliveryState.HELD),
    )


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--from", "alice@home.test"), {0}),
        (("--from", "*@home.test"), {0, 1}),
        (("--from", "<>"), {2}),
        (("--to", "carol@*"), {0, 2}),
        (("--to", "CAROL@elsewhere.test"), {0, 2}),
        (("--domain", "third.test"), {1}),
        (("--older", "1h"), {1}),
        (("--newer", "5m"), {0}),
        (("--older", "5m", "--newer", "1h"), {2}),
        (("--reason", "NO TLS"), {1}),
        (("--reason", "4.2.1"), {0}),
        (("--state", "held"), {2}),
        (("--from", "*@home.test", "--reason", "busy"), {0}),
        (("--to", "nobody@x.test"), set()),
    ],
)
def test_filters_of_the_list(
    mailstack: Mailstack, three: tuple[LetterId, ...], options: tuple[str, ...], found: set[int]
) -> None:
    listed = {line["id"] for line in lines_of(mailstack("queue", "list", "--json", *options))}
    assert listed == {three[number] for number in found}
    table = mailstack("queue", "list", *options).stdout
    assert {number for number, letter in enumerate(three) if letter in table} == found


@pytest.mark.parametrize("options", [("--from", "a b"), ("--domain", "a..b"), ("--older", "soon"), ("--state", "gone")])
def test_a_filter_that_makes_no_sense_is_wrong_usage(mailstack: Mailstack, options: tuple[str, ...]) -> None:
    assert mailstack("queue", "list", *options).exit_code == 2


def test_what_waits_is_counted_by_destination_with_its_ages(mailstack: Mailstack, three: object) -> None:
    first, second = lines_of(mailstack("queue", "list", "--by", "destination", "--json"))
    assert (first["destination"], first["count"], first["held"]) == ("elsewhere.test", 2, 1)
    assert {age: count for age, count in first["ages"].items() if count} == {"5m": 1, "20m": 1}
    assert second["reason"] == "4.7.5 no TLS there"
    assert second["ages"]["160m"] == 1
    assert second["next_attempt"] is not None
    table = mailstack("queue", "list", "--by", "destination").stdout.splitlines()
    assert table[0].split()[:4] == ["destination", "all", "5m", "10m"]
    assert table[1].split()[:3] == ["elsewhere.test", "2", "1"]


def test_it_is_counted_by_sender_and_by_reason(mailstack: Mailstack, three: object) -> None:
    senders = {line["sender"] for line in lines_of(mailstack("queue", "list", "--by", "sender", "--json"))}
    assert senders == {"alice@home.test", "bob@home.test", "<>"}
    assert len(lines_of(mailstack("queue", "list", "--by", "reason", "--json"))) == 3


def test_letters_are_held_by_filter_after_a_question(
    mailstack: Mailstack, shelf: Shelf, three: tuple[LetterId, ...]
) -> None:
    asked = refusal(mailstack("queue", "hold", "--from", "*@home.test", input="n\n"))
    assert "hold 2 messages to 2 recipients?" in asked
    assert "--yes" not in asked
    assert "add --yes" in refusal(mailstack("queue", "hold", "--from", "*@home.test", input=""))
    assert delivery_of(shelf, three[0]).state is DeliveryState.QUEUED
    done = mailstack("queue", "hold", "--from", "*@home.test", "--yes")
    assert done.stdout.endswith("held: 2 messages to 2 recipients\n")
    assert [delivery_of(shelf, letter).state for letter in three] == ["held"] * 3
    assert mailstack("queue", "release", "--all", input="y\n").exit_code == 0
    assert [delivery_of(shelf, letter).state for letter in three] == ["queued"] * 3


def test_only_the_recipients_that_are_meant_are_removed(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "dave@elsewhere.test"))
    assert mailstack("queue", "remove", "--to", "dave@*", "--yes").exit_code == 0
    (record,) = lines_of(mailstack("queue", "show", letter, "--json"))
    assert [each["state"] for each in record["deliveries"]] == ["queued", "removed"]


def test_many_are_counted_and_not_told_one_by_one(mailstack: Mailstack, shelf: Shelf) -> None:
    for _ in range(30):
        shelf.accept(**DEFERRED)
    done = mailstack("queue", "retry", "--domain", "elsewhere.test", "--yes")
    assert done.stdout == "due now: 30 messages to 30 recipients\n"


def test_nothing_like_that_is_no_failure(mailstack: Mailstack) -> None:
    done = mailstack("queue", "remove", "--from", "x@home.test", "--yes")
    assert (done.exit_code, done.stdout) == (0, "no waiting message matches\n")


@pytest.mark.parametrize("act", ["hold", "release", "retry", "remove"])
def test_ids_and_filters_exclude_each_other(mailstack: Mailstack, act: str) -> None:
    assert mailstack("queue", act).exit_code == 2
    assert mailstack("queue", act, "0" * 15, "--from", "*").exit_code == 2


def test_a_letter_is_redirected(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    letter = shelf.accept(**DEFERRED)
    done = mailstack("queue", "redirect", letter, "alice")
    assert done.stdout == f"{letter} to carol@elsewhere.test: redirected to alice@home.test\n"
    (shown,) = lines_of(mailstack("queue", "show", letter, "--json"))
    states = [(each["recipient"], each["state"]) for each in shown["deliveries"]]
    assert states == [("carol@elsewhere.test", "removed"), ("alice@home.test", "queued")]
    assert "redirected" in mailstack("journey", letter).stdout
    assert mailstack("queue", "redirect", letter, "nobody").exit_code == 1
    assert mailstack("queue", "redirect").exit_code == 2
    assert mailstack("queue", "redirect", "--to", "alice@home.test", "--yes", "dave@x.test").exit_code == 0


def test_rules_are_made_listed_and_taken_back(mailstack: Mailstack, shelf: Shelf) -> None:
    made = mailstack("queue", "rule", "add", "--from", "*@home.test", "--domain", "elsewhere.test")
    assert made.exit_code == 0
    (rule,) = lines_of(mailstack("queue", "rule", "list", "--json"))
    assert rule["name"] in made.stdout
    assert (rule["kind"], rule["sender"], rule["domain"]) == ("hold", "*@home.test", "elsewhere.test")
    assert "messages from *@home.test in the domain elsewhere.test" in mailstack("queue", "rule", "list").stdout
    assert mailstack("queue", "rule", "remove", rule["name"]).exit_code == 0
    assert mailstack("queue", "rule", "remove", rule["name"]).exit_code == 1
    assert mailstack("queue", "rule", "add").exit_code == 2


def test_everything_outward_is_paused_and_goes_on(mailstack: Mailstack) -> None:
    assert "outbound delivery is paused" in mailstack("queue", "pause").stdout
    assert mailstack("queue", "pause").exit_code == 1
    assert mailstack("queue", "pause", "elsewhere.test").exit_code == 0
    domains = [line["domain"] for line in lines_of(mailstack("queue", "rule", "list", "--json"))]
    assert domains == ["*", "elsewhere.test"]
    assert mailstack("queue", "resume").exit_code == 0
    assert mailstack("queue", "resume", "elsewhere.test").exit_code == 0
    assert mailstack("queue", "resume").exit_code == 1
    assert lines_of(mailstack("queue", "rule", "list", "--json")) == []


def test_watching_tells_what_happens_for_a_bounded_time(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.accept(**DEFERRED)
    shelf.accept(at=time.time() + 1)
    (step,) = lines_of(mailstack("queue", "watch", "--for", "0", "--json"))
    assert (step["step"], step["by"]) == ("submitted", "alice@home.test")
    assert "submitted" in mailstack("queue", "watch", "--for", "0").stdout
    assert mailstack("queue", "watch", "--for", "soon").exit_code == 2


def test_what_was_said_in_each_attempt_is_shown_with_what_comes_next(mailstack: Mailstack, shelf: Shelf) -> None:
    said = ["S: 220 mx", "C: EHLO mx.home.test"]
    letter = shelf.accept(
        at=time.time() - 60,
        steps=(
            ("submitted", {}),
            ("attempted", {"recipients": ["carol@elsewhere.test"], "host": "mx.elsewhere.test", "dialogue": said}),
            ("deferred", {"recipient": "carol@elsewhere.test", "reply": "450 4.2.1 mailbox busy"}),
        ),
        **{**DEFERRED, "due": time.time() + 600},
    )
    shown = mailstack("queue", "show", letter).stdout
    for words in ("MAIL FROM:<alice@home.test>", said[0], "Attempt 3 is at", "doubles with each attempt", "it bounces"):
        assert words in shown
    (document,) = lines_of(mailstack("queue", "show", letter, "--json"))
    assert [attempt["step"] for attempt in document["attempts"]] == ["attempted", "deferred"]
    assert document["attempts"][0]["dialogue"] == said
    assert document["envelope"]["recipients"] == [{"address": "carol@elsewhere.test", "parameters": {}}]
    assert "Attempt 3" in document["deliveries"][0]["explanation"]["now"]


def test_an_old_letter_is_explained_without_a_time_beyond_the_calendar(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(at=NOON, state=DeliveryState.HELD)
    assert "queue release" in mailstack("queue", "show", letter).stdout
