"""Reading in the background: trouble costs time and no letter, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from mailstack.catalogue.catalogue import PATIENCE
from mailstack.catalogue.database import MemoryDatabase
from mailstack.catalogue.indexing import AGAIN
from mailstack.store import StoreError
from tests.catalogue.shelf import Shelf


class Failing(MemoryDatabase):
    """A database whose disk is full for a while."""

    is_full = False

    def write(self, operation: Callable[..., Any]) -> Deferred[Any]:
        return fail(StoreError("no room")) if self.is_full else super().write(operation)


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr("tests.catalogue.shelf.MemoryDatabase", Failing)
    return Shelf(None)


def test_what_could_not_be_written_is_read_again(shelf: Shelf) -> None:
    assert isinstance(shelf.memory, Failing)
    shelf.memory.is_full = True
    first = shelf.put()
    assert shelf.find() == []
    second = shelf.put()
    shelf.memory.is_full = False
    shelf.clock.advance(AGAIN + 1)
    shelf.settle()
    assert shelf.find() == [second, first]
    assert not shelf.clock.bugs


def test_nobody_waits_for_ever_for_an_index_that_is_behind(shelf: Shelf) -> None:
    shelf.catalogue._indexing._works = True
    done: list[object] = []
    Deferred.fromCoroutine(shelf.catalogue.up_to_date()).addCallback(done.append)
    shelf.clock.advance(PATIENCE - 1)
    assert done == []
    shelf.clock.advance(2)
    assert done == [None]
