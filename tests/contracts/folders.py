"""Contract of a store: folders of accounts."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from mailstack.letter import LetterId
from mailstack.store.accounts import Account
from mailstack.store.folders import INBOX, Folder, FolderExists, FolderHasChildren, FolderRefused, NoSuchFolder
from mailstack.store.mailboxes import SEEN
from tests.contracts.imap_messages import add, messages, status
from tests.contracts.store import ALICE, BOB, Subject, claimed, entries, octets_of, place, placing

FIRST = [Folder("Sent", use=r"\Sent", is_subscribed=True), Folder("Trash", use=r"\Trash", is_subscribed=True)]


def folders(subject: Subject, account: str = BOB.key) -> dict[str, Folder]:
    return {each.path: each for each in subject.run(subject.store.folders.list(account))}


def create(subject: Subject, path: str, use: str = "", *, now: float = 1000.0) -> Folder:
    return subject.run(subject.store.folders.create(BOB.key, path, now, use))


def rename(subject: Subject, path: str, to: str) -> None:
    subject.run(subject.store.folders.rename(BOB.key, path, to, 1000.0))


def test_an_account_has_an_inbox_from_the_beginning(subject: Subject) -> None:
    """IMAP-40."""
    assert folders(subject) == {INBOX: Folder(INBOX, BOB.key, is_subscribed=True)}


def test_folders_are_prepared_once(subject: Subject) -> None:
    """IMAP-40."""
    subject.run(subject.store.folders.prepare(BOB.key, FIRST, 1234.5))
    found = subject.run(subject.store.folders.list(BOB.key))
    assert [(each.path, each.use, each.is_subscribed) for each in found] == [
        (INBOX, "", True),
        ("Sent", r"\Sent", True),
        ("Trash", r"\Trash", True),
    ]
    assert status(subject, BOB.key).validity == 1234
    assert [status(subject, each.mailbox).messages for each in found] == [0, 0, 0]
    assert status(subject, found[1].mailbox).modseq >= 1
    subject.run(subject.store.folders.remove(BOB.key, "Sent"))
    subject.run(subject.store.folders.prepare(BOB.key, FIRST, 2000.0))
    assert folders(subject)["Sent"] == Folder("Sent", is_subscribed=True)
    assert folders(subject, ALICE.key) == {INBOX: Folder(INBOX, ALICE.key, is_subscribed=True)}
    place(subject)
    assert entries(subject)[0][0] == 1


def test_a_folder_is_created_with_its_parents(subject: Subject) -> None:
    """IMAP-45."""
    made = create(subject, "Work/2026/May", r"\Archive")
    found = folders(subject)
    assert list(found) == [INBOX, "Work", "Work/2026", "Work/2026/May"]
    assert found["Work/2026/May"] == made
    assert all(each.mailbox for each in found.values())
    assert len({each.mailbox for each in found.values()}) == 4
    for path in ("Work", "Work/2026/May", INBOX):
        with pytest.raises(FolderExists):
            create(subject, path)
    create(subject, "INBOX/below")
    assert list(folders(subject))[:2] == [INBOX, "INBOX/below"]


def test_a_folder_that_is_made_anew_has_a_greater_validity(subject: Subject) -> None:
    """IMAP-46: in one second, and with a clock that went back."""
    place(subject)
    seen = []
    for now in (1000.0, 1000.0, 900.0, 5000.0, 1.0):
        made = create(subject, "Sent", now=now)
        seen.append(status(subject, made.mailbox).validity)
        subject.run(subject.store.mailboxes.copy(BOB.key, [1], made.mailbox, 3000.0))
        subject.run(subject.store.folders.remove(BOB.key, "Sent"))
        assert subject.run(subject.store.mailboxes.status(made.mailbox)) is None
    assert seen == sorted(set(seen))
    assert seen[3] == 5000


def test_a_removed_folder_takes_its_messages_along(subject: Subject) -> None:
    """IMAP-47."""
    made = create(subject, "Old/mail")
    letter = place(subject)
    subject.run(subject.store.mailboxes.move(BOB.key, [1], made.mailbox, 3000.0))
    subject.run(subject.store.mailboxes.add_keywords(made.mailbox, ["x"]))
    with pytest.raises(FolderHasChildren):
        subject.run(subject.store.folders.remove(BOB.key, "Old"))
    for path in ("none", "Old/mail/none"):
        with pytest.raises(NoSuchFolder):
            subject.run(subject.store.folders.remove(BOB.key, path))
    with pytest.raises(FolderRefused):
        subject.run(subject.store.folders.remove(BOB.key, INBOX))
    subject.run(subject.store.folders.remove(BOB.key, "Old/mail"))
    assert list(folders(subject)) == [INBOX, "Old"]
    assert octets_of(subject, letter) is None
    again = create(subject, "Old/mail")
    assert messages(subject, again.mailbox) == []
    assert status(subject, again.mailbox).keywords == ()
    assert not subject.run(subject.store.mailboxes.removals(again.mailbox, 1)).uids


def test_a_subscription_outlives_its_folder(subject: Subject) -> None:
    """IMAP-42."""
    subscribe = subject.store.folders.subscribe
    create(subject, "a")
    subject.run(subscribe(BOB.key, "a", on=True))
    subject.run(subscribe(BOB.key, "dream", on=True))
    subject.run(subject.store.folders.remove(BOB.key, "a"))
    assert folders(subject) == {
        INBOX: Folder(INBOX, BOB.key, is_subscribed=True),
        "a": Folder("a", is_subscribed=True),
        "dream": Folder("dream", is_subscribed=True),
    }
    assert create(subject, "dream").is_subscribed
    for path in ("a", "dream", "never"):
        subject.run(subscribe(BOB.key, path, on=False))
    found = folders(subject)
    assert list(found) == [INBOX, "dream"]
    assert not found["dream"].is_subscribed
    subject.run(subscribe(BOB.key, INBOX, on=False))
    assert not folders(subject)[INBOX].is_subscribed
    assert folders(subject)[INBOX].mailbox == BOB.key


def test_a_renamed_folder_keeps_messages_uses_and_children(subject: Subject) -> None:
    """IMAP-48."""
    top = create(subject, "a", r"\Archive")
    below = create(subject, "a/b/c")
    create(subject, "ab")
    place(subject)
    subject.run(subject.store.mailboxes.copy(BOB.key, [1], below.mailbox, 3000.0))
    before = status(subject, below.mailbox)
    subject.run(subject.store.folders.subscribe(BOB.key, "a/b", on=True))
    rename(subject, "a", "x/y")
    found = folders(subject)
    assert list(found) == [INBOX, "a/b", "ab", "x", "x/y", "x/y/b", "x/y/b/c"]
    assert found["x/y"] == Folder("x/y", top.mailbox, r"\Archive")
    assert found["a/b"] == Folder("a/b", is_subscribed=True)
    assert found["x/y/b/c"].mailbox == below.mailbox
    assert status(subject, below.mailbox) == before
    for path, to, error in (
        ("none", "z", NoSuchFolder),
        ("a/b", "z", NoSuchFolder),
        ("x", "ab", FolderExists),
        ("x/y", INBOX, FolderExists),
        ("x/y", "x", FolderExists),
    ):
        with pytest.raises(error):
            rename(subject, path, to)
    assert list(folders(subject)) == list(found)


def test_a_renamed_inbox_moves_its_messages_and_stays(subject: Subject) -> None:
    """IMAP-48."""
    letters = [place(subject) for _ in range(3)]
    add(subject, [2], SEEN)
    create(subject, "INBOX/below")
    validity = status(subject).validity
    rename(subject, INBOX, "Old/mail")
    found = folders(subject)
    assert list(found) == [INBOX, "INBOX/below", "Old", "Old/mail"]
    assert found[INBOX].mailbox == BOB.key
    assert [each.letter for each in messages(subject, found["Old/mail"].mailbox)] == letters
    assert status(subject, found["Old/mail"].mailbox).unseen == 2
    assert (status(subject).messages, status(subject).next_uid, status(subject).validity) == (0, 4, validity)


def test_folders_go_with_their_account(subject: Subject) -> None:
    subject.run(subject.store.accounts.add([Account(BOB.key, b"hash", 1.0)]))
    subject.run(subject.store.folders.prepare(BOB.key, FIRST, 1000.0))
    mailbox = folders(subject)["Sent"].mailbox
    before = status(subject, mailbox).validity
    letter = place(subject)
    subject.run(subject.store.mailboxes.copy(BOB.key, [1], mailbox, 3000.0))
    subject.run(subject.store.accounts.remove(BOB.key))
    assert folders(subject) == {INBOX: Folder(INBOX, BOB.key, is_subscribed=True)}
    assert octets_of(subject, letter) is None
    assert subject.run(subject.store.mailboxes.octets_in(BOB.key)) == 0
    subject.run(subject.store.folders.prepare(BOB.key, FIRST, 1000.0))
    assert status(subject, folders(subject)["Sent"].mailbox).validity > before


def test_the_size_of_an_account_counts_all_its_folders(subject: Subject) -> None:
    """IMAP-55."""
    place(subject)
    place(subject, mailbox=ALICE.key)
    one = subject.run(subject.store.mailboxes.octets_in(BOB.key))
    mailbox = create(subject, "Trash").mailbox
    subject.run(subject.store.mailboxes.copy(BOB.key, [1], mailbox, 3000.0))
    assert subject.run(subject.store.mailboxes.octets_in(BOB.key)) == 2 * one
    assert subject.run(subject.store.mailboxes.sizes()) == {BOB.key: 2 * one, ALICE.key: one}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Lists", "Lists"),
        ("lists", "LISTS"),
        ("LiStS/pYthon", "Lists/Python"),
        ("Ärzte", "Ärzte"),
        ("A\u0308rzte", "Ärzte"),
        ("ärzte", None),
        ("Kelvin", None),
        ("sent", None),
        ("Sent", None),
        ("gone", None),
        ("Gone", None),
        ("%", None),
        ("' OR 1=1 --", None),
        ("", None),
    ],
)
def test_an_address_names_a_folder(subject: Subject, name: str, path: str | None) -> None:
    """IMAP-125."""
    for each in ("Lists", "LISTS", "Lists/Python", "Ärzte", "\u212aelvin"):
        create(subject, each)
    create(subject, "Sent", r"\Sent")
    subject.run(subject.store.folders.subscribe(BOB.key, "Gone", on=True))
    found = subject.run(subject.store.folders.named(BOB.key, name))
    assert (None if found is None else found.path) == path
    assert subject.run(subject.store.folders.named(ALICE.key, name)) is None


def place_in(subject: Subject, folder: Folder) -> LetterId:
    (delivery,) = claimed(subject)
    placed = placing(delivery, folder.mailbox)
    subject.run(
        subject.store.queue.settle(replace(placed, placements=(replace(placed.placements[0], account=BOB.key),)))
    )
    return delivery.letter


def test_a_delivery_enters_a_folder(subject: Subject) -> None:
    """IMAP-125."""
    folder, other = create(subject, "Lists"), create(subject, "Other")
    letter = place_in(subject, folder)
    assert [(each.uid, each.letter) for each in messages(subject, folder.mailbox)] == [(1, letter)]
    assert status(subject, folder.mailbox).unseen == 1
    assert messages(subject, BOB.key) == []
    rename(subject, "Lists", "New")
    place_in(subject, folder)
    assert status(subject, folders(subject)["New"].mailbox).messages == 2
    assert status(subject, other.mailbox).messages == 0


def test_a_delivery_into_a_removed_folder_enters_the_inbox(subject: Subject) -> None:
    """IMAP-125: removed between the choice and the transaction, and another one has taken its row."""
    folder = create(subject, "Lists")
    subject.run(subject.store.folders.remove(BOB.key, "Lists"))
    first = place_in(subject, folder)
    again = create(subject, "Lists")
    second = place_in(subject, folder)
    assert [each.letter for each in messages(subject, BOB.key)] == [first, second]
    assert status(subject, again.mailbox).messages == 0
    assert subject.run(subject.store.mailboxes.status(folder.mailbox)) is None


def test_deliveries_into_folders_and_inboxes_are_written_together(subject: Subject) -> None:
    """IMAP-125."""
    here, gone = create(subject, "Lists"), create(subject, "Gone")
    subject.run(subject.store.folders.remove(BOB.key, "Gone"))
    placed = []
    for mailbox, account in ((here.mailbox, BOB.key), (BOB.key, ""), (gone.mailbox, BOB.key), (ALICE.key, "")):
        (delivery,) = claimed(subject)
        settlement = placing(delivery, mailbox)
        placed.append(replace(settlement, placements=(replace(settlement.placements[0], account=account),)))
    assert subject.run(subject.store.queue.settle_together(placed)) == [None] * 4
    counts = [status(subject, mailbox).messages for mailbox in (here.mailbox, BOB.key, ALICE.key)]
    assert counts == [1, 2, 1]


def test_a_folder_is_found_by_its_special_use(subject: Subject) -> None:
    """IMAP-125."""
    find = subject.store.folders.with_use
    assert subject.run(find(BOB.key, r"\Junk")) is None
    create(subject, "Junk")
    spam = create(subject, "Spam", r"\Junk")
    create(subject, "Zoo", r"\Junk")
    assert subject.run(find(BOB.key, r"\Junk")) == spam
    assert subject.run(find(ALICE.key, r"\Junk")) is None
    subject.run(subject.store.folders.remove(BOB.key, "Spam"))
    found = subject.run(find(BOB.key, r"\Junk"))
    assert found is not None
    assert found.path == "Zoo"


def test_letters_are_found_by_the_name_or_use_of_their_folder(subject: Subject) -> None:
    folders = subject.store.folders

    def found(name: str, account: str | None = None, limit: int = 10) -> set[LetterId]:
        letters = subject.run(folders.letters_in(name, account, limit))
        assert len(letters) == len(set(letters))
        return set(letters)

    first, second, other = place(subject), place(subject), place(subject, mailbox=ALICE.key)
    assert found("INBOX") == {first, second, other}, "nobody has logged in yet"
    subject.run(folders.prepare(BOB.key, FIRST, 1000.0))
    bin_ = create(subject, "Müll/Old", r"\Junk").mailbox
    subject.run(subject.store.mailboxes.move(BOB.key, [2], bin_, 3000.0))
    subject.run(subject.store.mailboxes.copy(BOB.key, [1], bin_, 4000.0))
    assert found("inbox") == {first, other}
    assert found("inbox", BOB.key) == {first}
    for name in ("Müll/Old", "Müll/old", "junk"):
        assert found(name) == found(name, BOB.key) == {first, second}
        assert found(name, ALICE.key) == set()
    assert found("junk", limit=1) == {first}, "the latest in the folder"
    assert found("Trash") == found("none") == found("") == set()
