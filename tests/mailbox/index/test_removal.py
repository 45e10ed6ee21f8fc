"""Deletion, undo and retention of letters in the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.query import parse
from mailstack.mailbox.index.removal import Retention
from mailstack.store.archive import ARCHIVE
from tests.mailbox.index.shelf import BOB, CAROL, Shelf, check_counts, has_letters, has_results, text, wait_until


def test_many_are_changed_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What comes meanwhile is as it was, and what is asked for meanwhile is answered."""
    monkeypatch.setattr("mailstack.mailbox.index.removal.BATCH", 2)
    shelf = Shelf(tmp_path / "data")
    letters = [shelf.put() for _ in range(5)]
    marking = shelf.pump.start(shelf.index.mark(ItemFilter(), unread=False))
    assert any(len(shelf.find("is:read")) == 2 for _ in range(20_000)), "the first part, before time passes"
    late = shelf.put()
    assert not marking, "others have their turn first"
    wait_until(shelf, lambda: has_results(shelf, marking))
    assert marking == [5]
    assert shelf.find("is:unread") == [late]
    deleting = shelf.pump.start(shelf.index.soft_delete(ItemFilter(terms=parse("is:read"))))
    wait_until(shelf, lambda: has_results(shelf, deleting))
    deleted = deleting[0]
    assert (deleted.count, deleted.ids) == (5, tuple(letters))
    bringing = shelf.pump.start(shelf.index.undelete(deleted.token))
    wait_until(shelf, lambda: has_results(shelf, bringing))
    assert (bringing, shelf.find()) == ([5], [late, *letters[::-1]])
    check_counts(shelf)
    shelf.close()


def test_what_is_deleted_is_out_of_sight_and_comes_back(shelf: Shelf) -> None:
    letters = [shelf.put() for _ in range(3)]
    deleted = shelf.run(shelf.index.soft_delete(ItemFilter(ids=(letters[0], letters[2]))))
    assert (deleted.count, shelf.find()) == (2, [letters[1]])
    assert shelf.run(shelf.index.undelete(deleted.token)) == 2
    assert shelf.find() == letters[::-1]
    assert shelf.run(shelf.index.undelete(deleted.token)) == 0


def test_what_one_of_its_holders_deletes_the_others_keep(shelf: Shelf) -> None:
    both, bobs = shelf.put(to=(BOB, CAROL)), shelf.put()
    deleted = shelf.run(shelf.index.soft_delete(ItemFilter(seen_by=BOB.key)))
    assert (deleted.count, deleted.ids) == (2, (both, bobs))
    assert shelf.find(seen_by=BOB.key) == shelf.find(mailbox=BOB.key) == []
    assert shelf.find(seen_by=CAROL.key) == shelf.find() == [both]
    assert shelf.run(shelf.index.soft_delete(ItemFilter(seen_by=BOB.key))).count == 0
    assert [each.mailbox for each in shelf.run(shelf.index.mailboxes())] == [CAROL.key]
    assert [event.data.only_for for event in shelf.index.feed.after(0) if event.name == "deleted"] == [BOB.key, ""]
    assert shelf.run(shelf.index.undelete(deleted.token)) == 2
    assert shelf.find(seen_by=BOB.key) == [bobs, both]
    shelf.run(shelf.index.soft_delete(ItemFilter(ids=(both,), seen_by=CAROL.key)))
    assert shelf.find() == [bobs, both]
    shelf.run(shelf.index.soft_delete(ItemFilter(ids=(both,), seen_by=BOB.key)))
    assert shelf.find() == [bobs], "when all have deleted it nobody has it"


def test_all_but_some_are_chosen(shelf: Shelf) -> None:
    letters = [shelf.put() for _ in range(3)]
    assert shelf.run(shelf.index.mark(ItemFilter(without=(letters[1],)), unread=False)) == 2
    assert shelf.find("is:unread") == [letters[1]]


def test_what_was_deleted_comes_back_after_a_restart_too(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "data")
    letters = [shelf.put() for _ in range(2)]
    token = shelf.run(shelf.index.soft_delete(ItemFilter())).token
    shelf.close()
    shelf.open()
    assert shelf.find() == []
    assert shelf.run(shelf.index.undelete(token)) == 2
    assert shelf.find() == letters[::-1]
    check_counts(shelf)
    shelf.close()


def test_without_undo_a_deletion_is_final(shelf: Shelf) -> None:
    kept, letter = shelf.put(text("kept")), shelf.put()
    deleted = shelf.run(shelf.index.soft_delete(ItemFilter(ids=(letter,)), undo=False))
    assert deleted.count == 1
    assert shelf.run(shelf.index.undelete(deleted.token)) == 0
    assert shelf.find() == [kept]

    async def is_dropped() -> bool:
        return [entry.letter for entry in await shelf.store.mailboxes.entries(ARCHIVE, 0, 10)] == [kept]

    wait_until(shelf, is_dropped)


def test_undo_has_its_time_and_after_that_the_octets_go_too(shelf: Shelf) -> None:
    letter = shelf.put()
    token = shelf.run(shelf.index.soft_delete(ItemFilter())).token
    shelf.clock.advance(shelf.retention.undo + 1)
    shelf.settle()
    assert shelf.run(shelf.index.undelete(token)) == 0

    async def gone() -> bool:
        try:
            await shelf.store.contents.get(letter)
        except KeyError:
            return True
        return False

    wait_until(shelf, gone)
    assert shelf.run(shelf.store.mailboxes.entries(ARCHIVE, 0, 10)) == []


def test_the_oldest_go_when_there_are_too_many_or_they_are_too_old(shelf: Shelf) -> None:
    shelf.index._removal.retention = Retention(letters=2, age=3600.0)
    letters = [shelf.put() for _ in range(4)]
    shelf.clock.advance(2)
    wait_until(shelf, lambda: has_letters(shelf, letters[:1:-1]))
    shelf.clock.advance(4000)
    wait_until(shelf, lambda: has_letters(shelf, []))
