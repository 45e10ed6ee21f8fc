"""Simulated internet of a test, stopped at its end; configuration of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.internet import Internet
from tests.journeys.process import server


@pytest.fixture
def internet() -> Iterator[Internet]:
    internet = Internet()
    yield internet
    internet.stop()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Configuration of a new server in `tmp_path`, with accounts alice and bob."""
    return server(tmp_path)
