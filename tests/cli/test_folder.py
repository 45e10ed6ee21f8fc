"""`mailstack folder`: folders beside a running server."""

from __future__ import annotations

import pytest

from mailstack.store.folders import Folder
from tests.cli.conftest import NOON, Mailstack, Shelf, lines_of, refusal

ALICE = "alice@home.test"


def listed(mailstack: Mailstack) -> dict[str, dict[str, object]]:
    return {str(line["folder"]): line for line in lines_of(mailstack("folder", "list", ALICE, "--json"))}


@pytest.fixture
def alice(shelf: Shelf) -> Shelf:
    shelf.add_account(ALICE)
    return shelf


def test_folders_are_created_with_their_parents_and_subscribed(mailstack: Mailstack, alice: Shelf) -> None:
    created = mailstack("folder", "create", "alice", "Lists/Mailing", "Grüße")
    assert created.stdout == f"{ALICE} has the folder Lists/Mailing\n{ALICE} has the folder Grüße\n"
    assert list(listed(mailstack)) == ["INBOX", "Grüße", "Lists", "Lists/Mailing"]
    folder = {"use": "", "subscribed": True, "exists": True, "messages": 0, "unseen": 0, "octets": 0}
    assert listed(mailstack)["Lists/Mailing"] == {"folder": "Lists/Mailing", **folder}
    assert not listed(mailstack)["Lists"]["subscribed"]
    table = mailstack("folder", "list", ALICE).stdout.splitlines()
    assert table[0].split() == ["folder", "use", "subscribed", "messages", "unseen", "size"]
    assert table[1].split() == ["INBOX", "yes", "0", "0", "0", "B"]
    assert "has a folder Lists already" in refusal(mailstack("folder", "create", ALICE, "Lists"))


def test_a_special_use_belongs_to_one_folder(mailstack: Mailstack, alice: Shelf) -> None:
    assert mailstack("folder", "create", ALICE, "Spam", "--use", "junk").exit_code == 0
    (spam,) = [each for each in alice.pump.run(alice.store.folders.list(ALICE)) if each.path == "Spam"]
    assert (spam.use, spam.is_subscribed) == (r"\Junk", True)
    assert listed(mailstack)["Spam"]["use"] == "junk"
    assert "Spam is the folder for junk already" in refusal(mailstack("folder", "create", ALICE, "J", "--use", "junk"))
    assert "--use takes one folder" in refusal(mailstack("folder", "create", ALICE, "a", "b", "--use", "sent"), 2)


def test_a_renamed_folder_keeps_its_mailbox_and_takes_its_subscription(mailstack: Mailstack, alice: Shelf) -> None:
    mailstack("folder", "create", ALICE, "Lists/a/b", "Other")
    before = {each.path: each.mailbox for each in alice.pump.run(alice.store.folders.list(ALICE))}
    assert mailstack("folder", "rename", ALICE, "Lists", "Old/Lists").exit_code == 0
    after = {each.path: each for each in alice.pump.run(alice.store.folders.list(ALICE))}
    assert sorted(after) == ["INBOX", "Old", "Old/Lists", "Old/Lists/a", "Old/Lists/a/b", "Other"]
    assert after["Old/Lists/a/b"] == Folder("Old/Lists/a/b", before["Lists/a/b"], is_subscribed=True)
    assert "has a folder Other already" in refusal(mailstack("folder", "rename", ALICE, "Old", "Other"))
    assert "below itself" in refusal(mailstack("folder", "rename", ALICE, "Old", "Old/Older"))
    assert "has no folder Gone" in refusal(mailstack("folder", "rename", ALICE, "Gone", "New"))


def test_removal_asks_first_and_takes_the_messages(mailstack: Mailstack, alice: Shelf) -> None:
    mailstack("folder", "create", ALICE, "Lists/a")
    assert "nothing was changed" in refusal(mailstack("folder", "remove", ALICE, "Lists/a"))
    assert "Lists has folders below it" in refusal(mailstack("folder", "remove", ALICE, "Lists", "--yes"))
    assert mailstack("folder", "remove", ALICE, "Lists/a", input="y\n").exit_code == 0
    assert mailstack("folder", "remove", ALICE, "Lists", "--yes").stdout == f"Lists of {ALICE} is removed\n"
    assert list(listed(mailstack)) == ["INBOX"]
    assert "mailstack folder list" in refusal(mailstack("folder", "remove", ALICE, "Lists", "--yes"))
    assert "INBOX cannot be removed" in refusal(mailstack("folder", "remove", ALICE, "inbox", "--yes"))


def test_subscriptions_begin_and_end(mailstack: Mailstack, alice: Shelf) -> None:
    mailstack("folder", "create", ALICE, "Lists/a")
    assert mailstack("folder", "subscribe", ALICE, "Lists").stdout == f"Lists of {ALICE} is subscribed\n"
    assert mailstack("folder", "subscribe", ALICE, "Lists/a", "--off").exit_code == 0
    assert [name for name, line in listed(mailstack).items() if line["subscribed"]] == ["INBOX", "Lists"]
    assert "has no folder Nowhere" in refusal(mailstack("folder", "subscribe", ALICE, "Nowhere"))


def test_a_name_that_is_subscribed_and_not_there_is_listed_so(mailstack: Mailstack, alice: Shelf) -> None:
    alice.pump.run(alice.store.folders.prepare(ALICE, (), NOON))
    alice.pump.run(alice.store.folders.subscribe(ALICE, "Gone", on=True))
    assert not listed(mailstack)["Gone"]["exists"]
    assert mailstack("folder", "list", ALICE).stdout.splitlines()[-1].split() == ["Gone", "yes"]
    assert mailstack("folder", "subscribe", ALICE, "Gone", "--off").exit_code == 0
    assert list(listed(mailstack)) == ["INBOX"]


@pytest.mark.parametrize("name", ["", "a//b", "a*", "a\tb", "x/" * 40, "\udc80"])
def test_a_name_that_no_folder_has_is_refused(mailstack: Mailstack, alice: Shelf, name: str) -> None:
    assert "is no name of a folder" in refusal(mailstack("folder", "create", ALICE, name))


def test_inbox_and_unknown_accounts_are_refused(mailstack: Mailstack, alice: Shelf) -> None:
    assert "INBOX exists always" in refusal(mailstack("folder", "create", ALICE, "inbox"))
    assert "mailstack user list" in refusal(mailstack("folder", "list", "bob@home.test"))
