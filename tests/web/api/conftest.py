"""The API over an index in memory, for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.api.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk(None)
    yield found
    found.close()
    assert not found.clock.bugs
