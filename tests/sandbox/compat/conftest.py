"""Compat APIs over an index in memory, closed at the end of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.compat.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.shelf.close()
    assert not desk.shelf.clock.bugs
