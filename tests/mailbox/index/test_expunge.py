"""Deletions between the index and mailboxes, in both directions."""

from __future__ import annotations

import pytest

from mailstack.letter import LetterId
from mailstack.letter.delivery import DeliveryState
from mailstack.mailbox.index.expunge import IndexedMailboxes
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import StoreError
from mailstack.store.archive import ARCHIVE
from mailstack.store.mailboxes import DELETED, FlagChange, Flags
from tests.mailbox.index.memory_database import FailingDatabase
from tests.mailbox.index.shelf import ALICE, BOB, CAROL, Shelf, check_counts, inline, own_mailbox


def shared_shelf(**retention: float) -> Shelf:
    return Shelf(None, shares_flags=True, **retention)


def places(shelf: Shelf, letter: LetterId) -> set[str]:
    return {each.mailbox for each in shelf.run(shelf.store.mailboxes.entries_of([letter]))}


def expunge(shelf: Shelf, mailbox: str, *letters: LetterId) -> None:
    """As an IMAP session does it."""
    mailboxes = IndexedMailboxes(shelf.store.mailboxes, shelf.index)
    uids = [each.uid for each in shelf.run(mailboxes.entries_of(letters)) if each.mailbox == mailbox]
    shelf.run(mailboxes.store_flags(mailbox, uids, FlagChange(Flags(DELETED, 0))))
    assert shelf.run(mailboxes.expunge(mailbox, uids)).uids == sorted(uids)
    shelf.settle()


def pass_time(shelf: Shelf, seconds: float) -> None:
    shelf.clock.advance(seconds)
    shelf.settle()


def test_a_deleted_letter_leaves_its_mailboxes_once_it_cannot_be_restored() -> None:
    shelf = shared_shelf(undo=60.0)
    letter, other = shelf.put(mailbox=BOB.key), shelf.put(mailbox=BOB.key)
    shelf.run(shelf.index.soft_delete(ItemFilter(ids=(letter,))))
    pass_time(shelf, 59)
    assert places(shelf, letter) == {ARCHIVE, BOB.key}
    pass_time(shelf, 3)
    assert (places(shelf, letter), places(shelf, other)) == (set(), {ARCHIVE, BOB.key})
    removals = shelf.run(shelf.store.mailboxes.removals(BOB.key, 1))
    assert removals.uids == [(1, 1)], "IMAP clients learn of it"
    shelf.close()


def test_a_restored_letter_was_never_away() -> None:
    shelf = shared_shelf()
    letter = shelf.put(mailbox=BOB.key)
    deleted = shelf.run(shelf.index.soft_delete(ItemFilter()))
    assert shelf.run(shelf.index.undelete(deleted.token)) == 1
    pass_time(shelf, 120)
    assert places(shelf, letter) == {ARCHIVE, BOB.key}
    shelf.close()


def test_delete_all_empties_the_mailboxes() -> None:
    shelf = shared_shelf()
    letters = [shelf.put(mailbox=mailbox.key) for mailbox in (ALICE, BOB, BOB)]
    shelf.run(shelf.index.soft_delete(ItemFilter(), undo=False))
    pass_time(shelf, 2)
    assert [places(shelf, letter) for letter in letters] == [set()] * 3
    shelf.close()


def test_retention_empties_the_mailboxes_as_well() -> None:
    shelf = shared_shelf(letters=2)
    letters = [shelf.put(mailbox=BOB.key) for _ in range(3)]
    pass_time(shelf, 2)
    assert [places(shelf, letter) for letter in letters] == [set(), {ARCHIVE, BOB.key}, {ARCHIVE, BOB.key}]
    shelf.close()


def test_without_shared_flags_mailboxes_keep_what_a_page_deletes() -> None:
    shelf = Shelf(None)
    letter = shelf.put(mailbox=BOB.key)
    shelf.run(shelf.index.soft_delete(ItemFilter(), undo=False))
    pass_time(shelf, 2)
    assert places(shelf, letter) == {BOB.key}
    shelf.close()


def test_a_letter_leaves_the_index_with_its_last_entry() -> None:
    shelf = shared_shelf()
    letter = shelf.put(to=(ALICE, BOB), mailbox=BOB.key)
    shelf.run(shelf.store.folders.prepare(ALICE.key, (), 1.0))
    shelf.run(shelf.store.mailboxes.copy(BOB.key, [1], ALICE.key, 1.0))
    found: list[str] = []
    shelf.index.feed.subscribe(lambda event: found.append(event.name))
    expunge(shelf, BOB.key, letter)
    assert (shelf.find(), found) == ([letter], ["changed"]), "alice still has it"
    expunge(shelf, ALICE.key, letter)
    assert (shelf.find(), found) == ([], ["changed", "deleted"])
    pass_time(shelf, 2)
    assert places(shelf, letter) == set()
    check_counts(shelf)
    shelf.close()


def test_a_letter_that_leaves_the_archive_leaves_every_mailbox() -> None:
    shelf = shared_shelf()
    letter, other = shelf.put(mailbox=BOB.key), shelf.put(to=(CAROL,))
    expunge(shelf, ARCHIVE, letter)
    assert shelf.find() == [other]
    pass_time(shelf, 2)
    assert places(shelf, letter) == set()
    shelf.close()


def test_a_letter_with_a_delivery_under_way_stays() -> None:
    shelf = shared_shelf()
    letter = shelf.put(to=(BOB,), state=DeliveryState.QUEUED, mailbox=ALICE.key)
    expunge(shelf, ALICE.key, letter)
    assert shelf.find() == [letter]
    shelf.close()


def test_what_was_moved_or_read_over_pop3_stays() -> None:
    shelf = shared_shelf()
    moved, read = shelf.put(mailbox=BOB.key), shelf.put(mailbox=BOB.key)
    shelf.run(shelf.store.folders.prepare(BOB.key, (), 1.0))
    trash = shelf.run(shelf.store.folders.create(BOB.key, "Trash", 1.0)).mailbox
    mailboxes = IndexedMailboxes(shelf.store.mailboxes, shelf.index)
    shelf.run(mailboxes.move(BOB.key, [1], trash, 2.0))
    shelf.run(mailboxes.update(BOB.key, collected=(), deleted=[2], steps=()))
    shelf.settle()
    assert shelf.find() == [read, moved]
    expunge(shelf, trash, moved)
    assert shelf.find() == [read], "the last entry was in a folder"
    shelf.close()


def test_a_broken_index_does_not_undo_an_expunge(caplog: pytest.LogCaptureFixture) -> None:
    shelf = shared_shelf()
    database = FailingDatabase()
    shelf.index = LetterIndex(shelf.store, database, shelf.clock, inline, own_mailbox, shares_flags=True)
    shelf.run(shelf.index.start())
    letter = shelf.put(mailbox=BOB.key)
    database.trouble = StoreError("the disk is full")
    expunge(shelf, BOB.key, letter)
    assert "stay in the index: the disk is full" in caplog.text
    database.trouble = None
    shelf.close()
