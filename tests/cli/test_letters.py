"""`mailstack letters` and `mailstack journey`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mailstack.cli import main
from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState, Step, StepName
from mailstack.store.journey import facts_text
from tests.cli.conftest import DEFERRED, DELIVERED, NOON, RELAYED, Mailstack, Shelf, lines_of, refusal


def test_each_line_has_the_shape_that_programs_read(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "dave@elsewhere.test"), **DEFERRED)
    (line,) = lines_of(mailstack("letters", "--json"))
    assert line["id"] == letter
    assert line["sender"] == "alice@home.test"
    assert line["recipients"] == ["carol@elsewhere.test", "dave@elsewhere.test"]
    assert line["size"] == 17
    assert line["arrived"] == "2025-11-25T12:00:00.000000Z"
    assert line["state"] == "queued"
    assert line["deliveries"][0]["next_attempt"] == "2025-11-25T12:05:00.000000Z"
    assert line["deliveries"][0]["status"] == "4.2.1"


def test_the_newest_come_first_and_no_more_than_the_limit(mailstack: Mailstack, shelf: Shelf) -> None:
    ids = [shelf.accept(at=NOON + number) for number in range(3)]
    assert [line["id"] for line in lines_of(mailstack("letters", "--json", "--limit", "2"))] == [ids[2], ids[1]]


def test_filters_by_sender_recipient_and_time(mailstack: Mailstack, shelf: Shelf) -> None:
    old = shelf.accept("bob@home.test", at=NOON - 86400)
    report = shelf.accept("", ("alice@home.test",), **DELIVERED)
    new = shelf.accept()

    def found(*options: str) -> set[str]:
        return {line["id"] for line in lines_of(mailstack("letters", "--json", *options))}

    assert found("--from", "bob") == {old}
    assert found("--from", "<>") == {report}
    assert found("--to", "Carol@elsewhere.test") == {old, new}
    assert found("--since", "2025-11-25T00:00:00+00:00") == {report, new}


def test_a_letter_with_recipients_in_different_states_says_each(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(recipients=("carol@elsewhere.test", "bob@home.test"))
    shelf.change(letter, 1, state=DeliveryState.DELIVERED)
    (line,) = lines_of(mailstack("letters", "--json"))
    assert line["state"] == {"carol@elsewhere.test": "queued", "bob@home.test": "delivered"}
    assert "1 queued, 1 delivered" in mailstack("letters").stdout


@pytest.mark.usefixtures("mailstack")
@pytest.mark.parametrize(
    ("no_color", "state"),
    [("", "1 \x1b[36mqueued\x1b[0m, 1 \x1b[32mdelivered\x1b[0m\n"), ("1", "1 queued, 1 delivered\n")],
)
def test_states_are_coloured_on_a_terminal(
    config: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, no_color: str, state: str
) -> None:
    letter = shelf.accept("queued@home.test", ("held@elsewhere.test", "bob@home.test"))
    shelf.change(letter, 1, state=DeliveryState.DELIVERED)
    monkeypatch.setenv("NO_COLOR", no_color)
    shown = CliRunner().invoke(main, ["letters", "-c", str(config)], color=True).stdout
    assert state in shown
    assert ("\x1b" in shown.replace(state, "")) is (not no_color)
    assert "  queued@home.test  held@elsewhere.test" in shown


def test_a_table_says_the_same_to_people(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept("", **DELIVERED)
    table = mailstack("letters").stdout
    assert letter in table
    assert "<>" in table
    assert "delivered" in table


@pytest.mark.parametrize("since", ["yesterday", "5 parsecs", "", "99999999999w"])
def test_a_time_that_is_none_is_wrong_usage(mailstack: Mailstack, since: str) -> None:
    assert "2h" in refusal(mailstack("letters", "--since", since), 2)


DIALOGUE = ["C: RCPT TO:<carol@elsewhere.test>", "S: 450 4.2.1 mailbox busy"]


def relayed(shelf: Shelf) -> tuple[LetterId, LetterId]:
    """One letter in two servers: home, which submitted and relayed it, and the world, which has it."""
    there = shelf.accept(at=NOON + 1, server="mx.world.test", steps=(("exchanged", {}), ("delivered", {})), **DELIVERED)
    here = shelf.accept(steps=(("submitted", {"by": "alice@home.test"}), ("relayed", {"remote_id": there})), **RELAYED)
    return here, there


def document(mailstack: Mailstack, letter: str) -> dict[str, Any]:
    (found,) = lines_of(mailstack("journey", letter, "--json"))
    return found


def test_the_document_has_the_shape_that_programs_read(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept()
    assert document(mailstack, letter) == {
        "id": letter,
        "sender": "alice@home.test",
        "recipients": ["carol@elsewhere.test"],
        "steps": [
            {
                "at": "2025-11-25T12:00:00.000000Z",
                "server": "mx.home.test",
                "step": "submitted",
                "letter": letter,
                "by": "alice@home.test",
            }
        ],
    }


def test_either_servers_id_gives_the_whole_journey_in_order(mailstack: Mailstack, shelf: Shelf) -> None:
    here, there = relayed(shelf)
    for asked in (here, there):
        found = document(mailstack, asked)
        assert found["id"] == asked
        assert [(step["server"], step["step"]) for step in found["steps"]] == [
            ("mx.home.test", "submitted"),
            ("mx.home.test", "relayed"),
            ("mx.world.test", "exchanged"),
            ("mx.world.test", "delivered"),
        ]


def test_a_remote_id_that_is_no_letter_of_this_store_leads_nowhere(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept(steps=(("relayed", {"remote_id": "' OR 1=1 --"}),), **RELAYED)
    assert len(document(mailstack, letter)["steps"]) == 1


def test_a_remote_id_can_not_claim_a_letter_that_did_not_come_from_a_host(mailstack: Mailstack, shelf: Shelf) -> None:
    other = shelf.accept("bob@home.test", ("dave@home.test",))
    letter = shelf.accept(steps=(("relayed", {"remote_id": other}),), **RELAYED)
    assert len(document(mailstack, letter)["steps"]) == 1


def test_a_remote_id_that_leads_back_ends_there(mailstack: Mailstack, shelf: Shelf) -> None:
    first = shelf.accept(steps=(("exchanged", {}),), **RELAYED)
    second = shelf.accept(steps=(("exchanged", {}), ("relayed", {"remote_id": first})), **RELAYED)
    assert len(document(mailstack, second)["steps"]) == 3


def test_people_read_when_where_what_and_why(mailstack: Mailstack, shelf: Shelf) -> None:
    facts = {
        "recipient": "carol@elsewhere.test",
        "reply": "mx said: 450 4.2.1 busy",
        "next_attempt": "2025-11-25T12:05:00Z",
    }
    letter = shelf.accept(
        steps=(("submitted", {"by": "alice@home.test", "client": "127.0.0.1"}), ("deferred", facts)), **DEFERRED
    )
    told = mailstack("journey", letter).stdout.splitlines()
    assert told[0].startswith(f"Letter {letter} from alice@home.test to carol@elsewhere.test")
    assert "submitted  by alice@home.test, from 127.0.0.1" in told[1]
    assert "deferred   for carol@elsewhere.test, mx said: 450 4.2.1 busy, again at " in told[2]


@pytest.mark.parametrize(
    ("step", "facts", "line"),
    [
        ("routed", {"recipient": "bob@home.test", "via": "mailbox", "mailbox": "bob@home.test"},
         "into the mailbox of bob@home.test"),
        ("delivered", {"recipient": "bob+x@home.test", "mailbox": "bob@home.test"},
         "for bob+x@home.test, into the mailbox of bob@home.test"),
        ("attempted", {"recipients": ["a@x.test", "b@x.test"], "host": "mx.x.test", "tls": {"version": "TLSv1.3"}},
         "for a@x.test and b@x.test, at mx.x.test, TLSv1.3"),
        ("routed", {"recipients": [f"{n}@x.test" for n in range(100)], "via": "mx.x.test"},
         "for 0@x.test, 1@x.test and 98 more, via mx.x.test"),
        ("submitted", {"by": "mailstack", "protocol": "LOCAL", "report": "failed", "original": "1kq2v7m4e80c3xz"},
         "by mailstack, reports that letter 1kq2v7m4e80c3xz has failed"),
        ("bounced", {"recipient": "a@x.test", "by": "operator", "report": "1kq2v7m4e80c3xz"},
         "for a@x.test, by operator, the sender is told in 1kq2v7m4e80c3xz"),
        ("deferred", {"recipient": "a@x.test", "reply": "mx.x.test: nobody answers.", "next_attempt": "soon"},
         "for a@x.test, mx.x.test: nobody answers, again at soon"),
    ],
)  # fmt: skip
def test_what_explains_a_step_is_told_once_and_in_words(step: StepName, facts: dict[str, Any], line: str) -> None:
    assert facts_text(Step(LetterId("1kq2v7m4e80c3xz"), NOON, "mx.home.test", step, facts)) == line


def test_the_dialogue_is_told_where_there_was_trouble_or_when_asked(mailstack: Mailstack, shelf: Shelf) -> None:
    told = {"host": "mx.elsewhere.test", "recipients": ["carol@elsewhere.test"], "dialogue": DIALOGUE}
    attempted = ("attempted", told)
    deferred = shelf.accept(steps=(attempted, ("deferred", {"recipient": "carol@elsewhere.test"})), **DEFERRED)
    well = shelf.accept(steps=(attempted, ("relayed", {})), **RELAYED)
    assert DIALOGUE[1] in mailstack("journey", deferred).stdout
    assert DIALOGUE[1] not in mailstack("journey", well).stdout
    assert DIALOGUE[1] in mailstack("journey", well, "--dialogue").stdout


def test_follow_ends_when_nobody_owes_anything(mailstack: Mailstack, shelf: Shelf) -> None:
    here, _ = relayed(shelf)
    steps = lines_of(mailstack("journey", here, "--follow", "--json"))
    assert [step["step"] for step in steps] == ["submitted", "relayed", "exchanged", "delivered"]


def test_follow_prints_each_new_step_once(mailstack: Mailstack, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = shelf.accept(**DEFERRED)
    waits: list[float] = []

    def deliver_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        mailstack("queue", "remove", letter, "--yes")

    monkeypatch.setattr("mailstack.cli.letters.pause", deliver_meanwhile)
    steps = lines_of(mailstack("journey", letter, "--follow", "--json"))
    assert [step["step"] for step in steps] == ["submitted", "removed"]
    assert waits == [0.5]


def test_an_unknown_letter_is_refused(mailstack: Mailstack) -> None:
    assert "mailstack letters" in refusal(mailstack("journey", "0" * 15))
