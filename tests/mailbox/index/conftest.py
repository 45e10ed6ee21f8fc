"""Indexes for tests, in memory and on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailstack.mailbox.index import database
from tests.mailbox.index.shelf import Shelf


@pytest.fixture(params=["memory", "disk", "disk without trigrams"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    if request.param == "disk without trigrams":
        monkeypatch.setattr(database, "INDEX", "nothing")
    found = Shelf(None if request.param == "memory" else tmp_path / "data", letters=None)
    yield found
    found.close()
    assert not found.clock.bugs
