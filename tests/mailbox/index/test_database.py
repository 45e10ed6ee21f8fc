"""Index on disk: other processes, and a full disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mailstack.mailbox.index import database
from mailstack.mailbox.index.database import FILE, TURN, FileDatabase
from mailstack.mailbox.index.indexer import RETRY_S
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.store import StoreError, StoreFull
from mailstack.store.locks import Turn
from tests.aid import Pump, run
from tests.mailbox.index.memory_database import FailingDatabase
from tests.mailbox.index.shelf import Shelf, inline, own_mailbox


def test_it_is_begun_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of two processes that turn one to write-ahead logging at once, SQLite refuses one without any wait.
    monkeypatch.setattr(database, "TIMEOUT_S", 0.01)
    pump = Pump()
    index = FileDatabase(pump, tmp_path)

    async def begin() -> None:
        await index.write(lambda _: None)

    with Turn(tmp_path / TURN, 0.0).acquired(), pytest.raises(StoreError, match="another process holds the write lock"):
        pump.run(begin())
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA journal_mode").fetchone() == ("delete",)
    pump.run(index.close())


def index_of(shelf: Shelf, database: FailingDatabase) -> LetterIndex:
    return LetterIndex(shelf.store, database, shelf.clock, inline, own_mailbox, shelf.retention)


def test_a_full_disk_puts_it_off() -> None:
    shelf, database = Shelf(None), FailingDatabase()
    letter = shelf.put(b"Subject: one\r\n\r\n")
    database.trouble = StoreFull("no space left on device")
    index = index_of(shelf, database)
    run(index.start())
    shelf.clock.advance(3 * RETRY_S)
    database.trouble = None
    shelf.clock.advance(RETRY_S)
    run(index.up_to_date())
    listing = run(index.find(ItemFilter(), limit=10))
    assert [item.id for item in listing.items] == [letter]
    run(index.stop())


def test_it_is_not_opened_after_the_end() -> None:
    shelf, database = Shelf(None), FailingDatabase()
    database.trouble = StoreFull("no space left on device")
    index = index_of(shelf, database)
    run(index.start())
    run(index.stop())
    database.trouble = None
    shelf.clock.advance(10 * RETRY_S)
    with pytest.raises(sqlite3.ProgrammingError):
        database._connection.execute("SELECT 1")


def test_other_trouble_stops_the_start() -> None:
    shelf, database = Shelf(None), FailingDatabase()
    database.trouble = StoreError("input/output error")
    with pytest.raises(StoreError, match="input/output"):
        run(index_of(shelf, database).start())
