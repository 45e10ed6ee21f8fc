"""Indexer: errors of store and database, and waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.letter import Content, LetterId
from mailstack.mailbox.index.indexer import GIVE_UP_AFTER_S, RETRY_S
from mailstack.mailbox.index.letter_index import TIMEOUT_S
from mailstack.store import Damaged, StoreError
from mailstack.store.sqlite.in_memory import InMemoryStore, RowContents
from tests.mailbox.index.memory_database import FailingDatabase, MemoryDatabase
from tests.mailbox.index.shelf import Shelf


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr("tests.mailbox.index.shelf.MemoryDatabase", FailingDatabase)
    return Shelf(None)


def test_what_could_not_be_written_is_read_again(shelf: Shelf) -> None:
    assert isinstance(shelf.memory, FailingDatabase)
    shelf.memory.trouble = StoreError("no room")
    first = shelf.put()
    assert shelf.find() == []
    second = shelf.put()
    shelf.memory.trouble = None
    shelf.clock.advance(RETRY_S + 1)
    shelf.settle()
    assert shelf.find() == [second, first]
    assert not shelf.clock.bugs


OUT_OF_REACH = StoreError("out of reach")


class AwayContents(RowContents):
    """Contents that can't be read for a while."""

    trouble: StoreError | None = None

    async def get(self, letter: LetterId) -> Content:
        if self.trouble is not None:
            raise self.trouble
        return await super().get(letter)


class Away(InMemoryStore):
    contents_class = AwayContents
    contents: AwayContents


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    store = Away(archiving=True)
    monkeypatch.setattr("tests.mailbox.index.shelf.InMemoryStore", lambda archiving: store)
    return store


def test_what_could_not_be_read_is_read_when_it_can_be(away: Away) -> None:
    shelf = Shelf(None, poll=10 * GIVE_UP_AFTER_S)
    away.contents.trouble = OUT_OF_REACH
    first, second = shelf.put(), shelf.put()
    assert shelf.find() == []
    shelf.clock.advance(GIVE_UP_AFTER_S / 2)
    away.contents.trouble = None
    shelf.clock.advance(RETRY_S + 1)
    shelf.settle()
    assert shelf.find() == [second, first]


def test_what_is_damaged_stops_nothing_behind_it(away: Away) -> None:
    shelf = Shelf(None, poll=10 * GIVE_UP_AFTER_S)
    away.contents.trouble = Damaged("not what was accepted")
    shelf.put()
    away.contents.trouble = None
    there = shelf.put()
    assert shelf.find() == [there]


def test_what_is_out_of_reach_for_very_long_stops_nothing_behind_it_any_more(away: Away) -> None:
    shelf = Shelf(None, poll=10 * GIVE_UP_AFTER_S)
    away.contents.trouble = OUT_OF_REACH
    shelf.put()
    for _ in range(2):
        shelf.clock.advance(GIVE_UP_AFTER_S)
        shelf.settle()
    away.contents.trouble = None
    assert shelf.find() == []
    there = shelf.put()
    assert shelf.find() == [there]


class Slow(MemoryDatabase):
    """A database that has done what it was asked when it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Deferred[None]] = []
        self.is_slow = False

    def write(self, operation: Callable[..., Any]) -> Deferred[Any]:
        if not self.is_slow:
            return super().write(operation)
        self.asked.append(begun := Deferred())
        return begun.addCallback(lambda _: super(Slow, self).write(operation))

    def go_on(self) -> None:
        self.asked.pop(0).callback(None)


def test_who_waits_need_not_wait_for_letters_that_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.mailbox.index.shelf.MemoryDatabase", Slow)
    shelf = Shelf(None)
    database = shelf.memory
    assert isinstance(database, Slow)
    database.is_slow = True
    told: list[int] = []
    for number in range(20):
        # Each comes while the one before is written: it never is idle.
        shelf.put(settle=False)
        Deferred.fromCoroutine(shelf.index.up_to_date()).addCallback(lambda _, number=number: told.append(number))
        if number:
            database.go_on()
            # The first was being read already: whether it was the last is known by the next look.
            assert told == list(range(number if number > 1 else 0)), "the next letter is still being written"
    database.go_on()
    assert told == list(range(20))
    database.is_slow = False
    shelf.close()


def test_nobody_waits_for_ever_for_an_index_that_is_behind(shelf: Shelf) -> None:
    shelf.index._indexer._is_running = True
    done: list[object] = []
    Deferred.fromCoroutine(shelf.index.up_to_date()).addCallback(done.append)
    shelf.clock.advance(TIMEOUT_S - 1)
    assert done == []
    shelf.clock.advance(2)
    assert done == [None]
