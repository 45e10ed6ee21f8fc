"""`mailstack alias`: addresses that lead to others."""

from __future__ import annotations

from tests.cli.conftest import Mailstack, Shelf, lines_of, refusal


def test_targets_are_completed_and_added_to_those_there(mailstack: Mailstack) -> None:
    assert mailstack("alias", "add", "server@home.test", "alice", "bob").exit_code == 0
    assert mailstack("alias", "add", "server@home.test", "bob", "Carol@elsewhere.test").exit_code == 0
    (line,) = lines_of(mailstack("alias", "list", "--json"))
    targets = ["alice@home.test", "bob@home.test", "Carol@elsewhere.test"]
    assert line == {"address": "server@home.test", "targets": targets}
    assert "Carol@elsewhere.test" in mailstack("alias", "list").stdout


def test_an_alias_that_leads_to_itself_is_refused(mailstack: Mailstack) -> None:
    assert "its own target" in refusal(mailstack("alias", "add", "server", "alice", "Server@home.test"))


def test_an_account_can_not_become_an_alias(mailstack: Mailstack, shelf: Shelf) -> None:
    shelf.add_account("alice@home.test")
    assert "alice@home.test" in refusal(mailstack("alias", "add", "alice", "bob"))


def test_an_alias_without_targets_is_wrong_usage(mailstack: Mailstack) -> None:
    assert mailstack("alias", "add", "server").exit_code == 2


def test_a_removed_alias_is_gone_and_an_unknown_one_refused(mailstack: Mailstack) -> None:
    mailstack("alias", "add", "server", "alice")
    assert mailstack("alias", "remove", "server").exit_code == 0
    assert mailstack("alias", "remove", "server").exit_code == 1
    assert lines_of(mailstack("alias", "list", "--json")) == []
