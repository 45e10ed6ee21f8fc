"""Marks of the index and flags of mailboxes, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mailstack.letter import LetterId
from mailstack.mailbox.index.items import ItemFilter, LetterFolder
from mailstack.store.archive import ARCHIVE
from mailstack.store.mailboxes import ANSWERED, FLAGGED, SEEN, FlagChange, Flags
from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.mailbox.index.shelf import ALICE, BOB, CAROL, Shelf, check_counts, wait_until


def shared_shelf(directory: Path | None = None) -> Shelf:
    return Shelf(directory, shares_flags=True)


def flags(shelf: Shelf, letter: LetterId) -> dict[str, int]:
    entries = shelf.run(shelf.store.mailboxes.entries_of([letter]))
    return {each.mailbox: each.system for each in entries}


def store(shelf: Shelf, mailbox: str, letter: LetterId, *, add: int = 0, remove: int = 0) -> None:
    (uid,) = [each.uid for each in shelf.run(shelf.store.mailboxes.entries_of([letter])) if each.mailbox == mailbox]
    change = FlagChange(added=Flags(add, 0), removed=Flags(remove, 0))
    shelf.run(shelf.store.mailboxes.store_flags(mailbox, [uid], change))
    shelf.settle()


def marks(shelf: Shelf) -> list[tuple[bool, bool]]:
    return [(item.unread, item.flagged) for item in shelf.items()]


def mark(shelf: Shelf, **marks: bool) -> int:
    return shelf.run(shelf.index.mark(ItemFilter(), **marks))


def events(shelf: Shelf) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    shelf.index.feed.subscribe(lambda event: found.append((event.name, event.data.count)))
    return found


def test_a_mark_sets_and_clears_the_flag_of_all_entries() -> None:
    shelf = shared_shelf()
    letter = shelf.put(mailbox=BOB.key)
    store(shelf, BOB.key, letter, add=ANSWERED)
    assert mark(shelf, unread=False) == 1
    assert flags(shelf, letter) == {ARCHIVE: SEEN, BOB.key: SEEN | ANSWERED}
    assert mark(shelf, unread=False) == 0, "it is read already"
    assert mark(shelf, unread=True, flagged=True) == 1
    assert flags(shelf, letter) == {ARCHIVE: FLAGGED, BOB.key: FLAGGED | ANSWERED}
    assert mark(shelf, flagged=False) == 1
    assert flags(shelf, letter) == {ARCHIVE: 0, BOB.key: ANSWERED}
    check_counts(shelf)
    shelf.close()


def test_a_flag_in_any_mailbox_is_a_mark_and_is_published() -> None:
    shelf = shared_shelf()
    letter = shelf.put(mailbox=BOB.key)
    heard = events(shelf)
    store(shelf, BOB.key, letter, add=SEEN)
    assert (marks(shelf), heard) == ([(False, False)], [("changed", 1)])
    store(shelf, ARCHIVE, letter, add=SEEN | FLAGGED)
    store(shelf, BOB.key, letter, remove=SEEN)
    assert marks(shelf) == [(False, True)], "one entry is still seen"
    store(shelf, ARCHIVE, letter, remove=SEEN)
    assert marks(shelf) == [(True, True)]
    assert shelf.find("is:flagged is:unread") == [letter]
    assert shelf.find("-is:flagged") == []
    check_counts(shelf)
    shelf.close()


def test_a_mark_of_the_pages_is_published_once() -> None:
    shelf = shared_shelf()
    for _ in range(3):
        shelf.put(mailbox=BOB.key)
    heard = events(shelf)
    assert mark(shelf, unread=False) == 3
    shelf.settle()
    assert heard == [("changed", 3)], "its own change of flags is no news"
    shelf.close()


def test_flags_that_no_page_shows_are_not_published() -> None:
    shelf = shared_shelf()
    letter = shelf.put(mailbox=BOB.key)
    heard = events(shelf)
    store(shelf, BOB.key, letter, add=ANSWERED)
    assert (heard, marks(shelf)) == ([], [(True, False)])
    shelf.close()


def test_a_letter_without_a_mailbox_has_the_flags_of_the_archive() -> None:
    shelf = shared_shelf()
    letter = shelf.put(to=(CAROL,))
    assert mark(shelf, unread=False) == 1
    assert flags(shelf, letter) == {ARCHIVE: SEEN}
    shelf.close()


def test_without_shared_flags_each_keeps_its_own() -> None:
    shelf = Shelf(None)
    letter = shelf.put(mailbox=BOB.key)
    assert mark(shelf, unread=False, flagged=True) == 1
    assert flags(shelf, letter) == {ARCHIVE: 0, BOB.key: 0}
    store(shelf, BOB.key, letter, add=SEEN)
    store(shelf, BOB.key, letter, remove=SEEN)
    assert marks(shelf) == [(False, True)]
    shelf.close()


def wait_for_marks(shelf: Shelf, wanted: list[tuple[bool, bool]]) -> None:
    async def holds() -> bool:
        found = await shelf.index.find(ItemFilter(), 10)
        return [(item.unread, item.flagged) for item in found.items] == wanted

    wait_until(shelf, holds)


def change_while_closed(shelf: Shelf, change: Callable[[], None]) -> None:
    """Changes the store while the index is closed, as a server without it does."""
    shelf.run(shelf.index.stop())
    change()
    shelf.run(shelf.store.close())
    shelf.open()


def test_what_changed_while_the_index_was_closed_is_read_at_the_start(tmp_path: Path) -> None:
    shelf = shared_shelf(tmp_path)
    letter = shelf.put(mailbox=BOB.key)
    store(shelf, BOB.key, letter, add=FLAGGED)
    wait_for_marks(shelf, [(True, True)])
    change_while_closed(shelf, lambda: store(shelf, BOB.key, letter, add=SEEN, remove=FLAGGED))
    wait_for_marks(shelf, [(False, False)])
    shelf.close()


def test_a_rebuilt_index_has_the_marks_of_the_mailboxes(tmp_path: Path) -> None:
    shelf = shared_shelf(tmp_path)
    shelf.put(mailbox=BOB.key)
    assert mark(shelf, unread=False, flagged=True) == 1
    shelf.close()
    for file in tmp_path.glob("index.sqlite3*"):
        file.unlink()
    shelf.open()
    wait_for_marks(shelf, [(False, True)])
    shelf.close()


def test_changes_of_other_processes_are_found(tmp_path: Path) -> None:
    shelf = shared_shelf(tmp_path)
    letter = shelf.put(mailbox=BOB.key)
    other = SqliteStore(shelf.pump, tmp_path, StoreSettings(archiving=True))
    shelf.run(other.open())
    shelf.run(other.mailboxes.store_flags(BOB.key, [1], FlagChange(added=Flags(SEEN, 0))))
    shelf.run(other.close())
    assert flags(shelf, letter)[BOB.key] == SEEN
    assert isinstance(shelf.store, SqliteStore)
    # It does not tell which mailbox it has changed.
    shelf.store.changes.poll()
    wait_for_marks(shelf, [(False, False)])
    shelf.close()


def test_folders_of_a_letter_are_those_of_all_accounts_or_of_one() -> None:
    shelf = shared_shelf()
    shelf.put(to=(ALICE, BOB), mailbox=BOB.key)
    (item,) = shelf.items()
    for account in (ALICE, BOB):
        shelf.run(shelf.store.folders.prepare(account.key, (), 1.0))
    trash = shelf.run(shelf.store.folders.create(ALICE.key, "Old/Trash", 1.0)).mailbox
    shelf.run(shelf.store.mailboxes.copy(BOB.key, [1], trash, 1.0))
    of_alice, of_bob = LetterFolder(ALICE.key, "Old/Trash"), LetterFolder(BOB.key, "INBOX")
    assert shelf.run(shelf.index.folders_of(item)) == [of_alice, of_bob]
    assert shelf.run(shelf.index.folders_of(item, BOB.key)) == [of_bob]
    assert shelf.run(shelf.index.folders_of(item, CAROL.key)) == []
    assert shelf.find("in:inbox") == shelf.find("in:OLD/TRASH") == [item.id]
    assert shelf.find("-in:Trash") == [item.id]
    assert shelf.find("in:Old/Trash", seen_by=BOB.key) == []
    assert shelf.find("in:Old/Trash", seen_by=ALICE.key) == [item.id]
    shelf.close()
