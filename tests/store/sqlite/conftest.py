"""Fixtures for tests of the SQLite store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailstack.store.settings import StoreSettings
from mailstack.store.sqlite.store import SqliteStore
from tests.aid import Pump
from tests.store.sqlite.databases import Open


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_store(pump: Pump, directory: Path) -> Iterator[Open]:
    opened: list[SqliteStore] = []

    def make(**settings: Any) -> SqliteStore:
        opened.append(SqliteStore(pump, directory, StoreSettings(**settings)))
        pump.run(opened[-1].open())
        return opened[-1]

    yield make
    for store in opened:
        pump.run(store.close())
