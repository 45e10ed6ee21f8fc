"""`mailstack suppress`: the list, by hand."""

from __future__ import annotations

from tests.cli.conftest import Mailstack, lines_of


def test_addresses_are_suppressed_listed_and_let_go(mailstack: Mailstack) -> None:
    added = mailstack("suppress", "add", "Carol@elsewhere.test", "dave@x.test", "--reason", "gone")
    assert added.stdout == "suppressed: 2\n"
    assert mailstack("suppress", "add", "carol@elsewhere.test").stdout == "suppressed: 0\n"
    listed = {line["address"].lower(): line["reason"] for line in lines_of(mailstack("suppress", "list", "--json"))}
    assert listed == {"carol@elsewhere.test": "gone", "dave@x.test": "gone"}
    assert "dave@x.test" in mailstack("suppress", "list").stdout
    assert mailstack("suppress", "remove", "dave@x.test").exit_code == 0
    assert mailstack("suppress", "remove", "dave@x.test").exit_code == 1
    assert mailstack("suppress", "add", "not an address").exit_code == 1
    assert mailstack("suppress", "add", "a@x.test", "--reason", "\x1b[2J").exit_code == 2
