"""Fixtures: the tests' PostgreSQL, one for each process of pytest, and a new database in it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.borrowed import borrowed

if TYPE_CHECKING:
    from tests.postgresql.server import Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """`with postgresql.database() as url` makes one more database; see `tests.postgresql.server.Server`."""
    pytest.importorskip("psycopg", exc_type=ImportError)
    from tests.postgresql.server import GIVEN, some_server

    with borrowed(some_server, GIVEN) as server:
        yield server


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    """The URL of an empty database, for this test alone."""
    with postgresql.database() as url:
        yield url
