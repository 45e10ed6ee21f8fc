"""Fixtures: the tests' PostgreSQL, one for each process of pytest, and a new database in it for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql.server import Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """`with postgresql.database() as url` makes one more database; see `tests.postgresql.server.Server`."""
    pytest.importorskip("psycopg", exc_type=ImportError)
    from tests.postgresql.server import GIVEN, some_server

    try:
        running = some_server()
        server = running.__enter__()
    except LookupError as why:
        pytest.skip(f"{why}, and {GIVEN} names no server")
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
    """The URL of an empty database, for this test alone."""
    with postgresql.database() as url:
        yield url
