"""`mailstack letters`: the newest letters, and where each is now."""

from __future__ import annotations

import pytest

from mailstack.letter.delivery import DeliveryState
from tests.cli.conftest import DEFERRED, DELIVERED, NOON, Mailstack, Shelf, lines_of


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


def test_a_table_says_the_same_to_people(mailstack: Mailstack, shelf: Shelf) -> None:
    letter = shelf.accept("", **DELIVERED)
    table = mailstack("letters").stdout
    assert letter in table
    assert "<>" in table
    assert "delivered" in table


@pytest.mark.parametrize("since", ["yesterday", "5 parsecs", "", "99999999999w"])
def test_a_time_that_is_none_is_wrong_usage(mailstack: Mailstack, since: str) -> None:
    result = mailstack("letters", "--since", since)
    assert result.exit_code == 2
    assert "2h" in result.stderr
