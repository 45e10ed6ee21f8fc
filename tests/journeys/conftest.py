"""Simulated internet of a test, stopped at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.internet import Internet


@pytest.fixture
def internet() -> Iterator[Internet]:
    internet = Internet()
    yield internet
    internet.stop()
