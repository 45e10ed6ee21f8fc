"""What only an index on disk can do wrong: other processes have it too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from mailstack.mailbox.index import database
from mailstack.mailbox.index.database import FILE, TURN, FileDatabase
from mailstack.store import StoreError
from mailstack.store.locks import Turn
from tests.aid import Pump


def test_it_is_begun_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of two processes that turn one to write-ahead logging at once, SQLite refuses one without any wait.
    monkeypatch.setattr(database, "TIMEOUT_S", 0.01)
    pump = Pump()
    index = FileDatabase(pump, tmp_path)

    async def begin() -> None:
        await index.write(lambda _: None)

    with Turn(tmp_path / TURN, 0.0).taken(), pytest.raises(StoreError, match="another process has kept the database"):
        pump.run(begin())
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA journal_mode").fetchone() == ("delete",)
    pump.run(index.close())
